"""A laboratory of AWS for tests and examples: moto, with the rules that it gets wrong put right, and with real processes for its instances.

Bottom up; a module knows only those above it here:

    times       how long things take on AWS, and by how much faster time runs here
    overrule    replaces a method of moto, and says so when moto no longer has it
    world       the one lock, the agenda of what is still to happen, what went wrong with the laboratory itself
    call        which call of the API a request is
    rules/      what EC2, Auto Scaling, the load balancer and the managed stores do that moto does not
    iam/        one policy, on the resources and tags that a call touches
    trouble/    throttling, lost answers, refusals, want of capacity, slow visibility: on request
    state       everything that a drill can change, as canonical JSON
    reality/    a process for each instance, HAProxy in front, and a network that can lose packets
    server/     the endpoint: each call is read, troubled, answered and written down; /lab/... is for the test
"""
