"""IAM, for one policy: whether it allows a call, on the resources that the call names, with the tags that they carry.

moto looks at actions only. A test gives the policy that an experiment is to get along with (`PUT /lab/policy`), and whatever that does not allow is
denied as AWS denies it."""
