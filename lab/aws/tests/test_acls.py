"""Network ACLs, and DryRun."""

from __future__ import annotations

from .rig import LabTest


class Acls(LabTest):
    def held(self) -> tuple[str, str, str]:
        """Some subnet, its association, its ACL."""
        subnet = self.group()["VPCZoneIdentifier"].split(",")[0]
        found = self.ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])["NetworkAcls"][0]
        return subnet, next(it["NetworkAclAssociationId"] for it in found["Associations"] if it["SubnetId"] == subnet), found["NetworkAclId"]

    def test_a_new_one_denies_everything(self) -> None:
        made = self.ec2.create_network_acl(VpcId=self.outputs["Network"])["NetworkAcl"]
        entries = self.ec2.describe_network_acls(NetworkAclIds=[made["NetworkAclId"]])["NetworkAcls"][0]["Entries"]
        self.assertEqual(
            sorted((it["Egress"], it["RuleNumber"], it["RuleAction"], it["Protocol"], it["CidrBlock"]) for it in entries),
            [(False, 32767, "deny", "-1", "0.0.0.0/0"), (True, 32767, "deny", "-1", "0.0.0.0/0")],
        )

    def test_one_is_found_by_its_id_until_it_is_deleted(self) -> None:
        made = self.ec2.create_network_acl(VpcId=self.outputs["Network"])["NetworkAcl"]["NetworkAclId"]
        found = lambda: [it["NetworkAclId"] for it in self.ec2.describe_network_acls(Filters=[{"Name": "network-acl-id", "Values": [made]}])["NetworkAcls"]]  # noqa: E731
        self.assertEqual(found(), [made])
        self.ec2.delete_network_acl(NetworkAclId=made)
        self.assertEqual(found(), [])

    def test_dry_run_of_every_acl_call_does_nothing(self) -> None:
        subnet, association, acl = self.held()
        before = self.lab.get("/lab/state")
        calls = [
            lambda: self.ec2.create_network_acl(VpcId=self.outputs["Network"], DryRun=True),
            lambda: self.ec2.delete_network_acl(NetworkAclId=acl, DryRun=True),
            lambda: self.ec2.replace_network_acl_association(AssociationId=association, NetworkAclId=acl, DryRun=True),
            lambda: self.ec2.create_network_acl_entry(
                NetworkAclId=acl, RuleNumber=1, Protocol="-1", RuleAction="deny", Egress=False, CidrBlock="0.0.0.0/0", DryRun=True
            ),
            lambda: self.ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Egress=False, DryRun=True),
            lambda: self.ec2.create_tags(Resources=[acl], Tags=[{"Key": "a", "Value": "b"}], DryRun=True),
            lambda: self.ec2.terminate_instances(InstanceIds=self.members()[:1], DryRun=True),
            lambda: self.ec2.describe_instances(DryRun=True),
        ]
        for call in calls:
            words = self.refused("DryRunOperation", 412, call)
            self.assertEqual(words, "Request would have succeeded, but DryRun flag is set.")
        self.assertEqual(self.lab.get("/lab/state"), before)
        counted = [it for it in self.lab.calls() if it["dry_run"]]
        self.assertEqual(len(counted), len(calls))
        self.assertTrue(all(it["done"] == 0 for it in counted))

    def test_dry_run_tells_what_is_denied_and_what_is_missing(self) -> None:
        _, association, acl = self.held()
        self.lab.trouble({"kind": "deny", "actions": ["ec2:ReplaceNetworkAclAssociation"]})
        self.refused(
            "UnauthorizedOperation",
            403,
            lambda: self.ec2.replace_network_acl_association(AssociationId=association, NetworkAclId=acl, DryRun=True),
        )
        self.refused("InvalidInstanceID.NotFound", 400, lambda: self.ec2.stop_instances(InstanceIds=["i-0123456789abcdef0"], DryRun=True))
        self.refused("InvalidNetworkAclID.NotFound", 400, lambda: self.ec2.delete_network_acl(NetworkAclId="acl-0123456789abcdef0", DryRun=True))

    def test_an_association_is_used_up_by_its_replacement(self) -> None:
        subnet, association, acl = self.held()
        made = self.ec2.create_network_acl(VpcId=self.outputs["Network"])["NetworkAcl"]["NetworkAclId"]
        new = self.ec2.replace_network_acl_association(AssociationId=association, NetworkAclId=made)["NewAssociationId"]
        self.assertNotEqual(new, association)
        self.refused(
            "InvalidAssociationID.NotFound",
            400,
            lambda: self.ec2.replace_network_acl_association(AssociationId=association, NetworkAclId=made),
        )
        self.refused("DependencyViolation", 400, lambda: self.ec2.delete_network_acl(NetworkAclId=made))
        self.assertEqual(self.lab.state()["subnets"][subnet]["acl"], made)
        self.ec2.replace_network_acl_association(AssociationId=new, NetworkAclId=acl)
        self.ec2.delete_network_acl(NetworkAclId=made)

    def test_the_quota_is_reached(self) -> None:
        self.lab.trouble({"kind": "acl-quota", "number": 2})
        self.ec2.create_network_acl(VpcId=self.outputs["Network"])
        words = self.refused("NetworkAclLimitExceeded", 400, lambda: self.ec2.create_network_acl(VpcId=self.outputs["Network"]))
        self.assertEqual(words, "The maximum number of network ACLs has been reached.")

    def test_what_is_not_there_is_said_so(self) -> None:
        _, association, acl = self.held()
        lost = "acl-0123456789abcdef0"
        self.refused("InvalidNetworkAclID.NotFound", 400, lambda: self.ec2.describe_network_acls(NetworkAclIds=[lost]))
        self.refused("InvalidNetworkAclID.NotFound", 400, lambda: self.ec2.replace_network_acl_association(AssociationId=association, NetworkAclId=lost))
        self.refused("InvalidNetworkAclEntry.NotFound", 400, lambda: self.ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=7, Egress=True))
