"""`DryRun`: answered for every call of EC2, and nothing is done. moto does what ACL calls ask for, flag or no flag.

As on AWS, what is named must exist, and who may not do it learns that."""

from __future__ import annotations

from collections.abc import Callable

from moto.ec2 import ec2_backends
from moto.ec2.exceptions import (
    EC2ClientError,
    InvalidInstanceIdError,
    InvalidNetworkAclIdError,
    InvalidSubnetIdError,
    InvalidVPCIdError,
)
from moto.iam.models import get_account_id_from

from ..rules import errors
from .answers import Answer, error
from ..call import Call


def missing(call: Call) -> EC2ClientError | None:
    """The first thing that the call names and that is not there."""
    backend = ec2_backends[get_account_id_from(call.access_key)][call.region]
    instances = call.values("InstanceId")
    if instances:
        known = {it.id for it in backend.all_instances()}
        lost = [it for it in instances if it not in known]
        if lost:
            return InvalidInstanceIdError(lost)
    checks: list[tuple[str, Callable[[str], bool], Callable[[str], EC2ClientError]]] = [
        ("NetworkAclId", lambda it: it in backend.network_acls, InvalidNetworkAclIdError),
        ("VpcId", lambda it: it in backend.vpcs, InvalidVPCIdError),
        ("SubnetId", lambda it: any(it in zone for zone in backend.subnets.values()), InvalidSubnetIdError),
        (
            "AssociationId",
            lambda it: not it.startswith("aclassoc-") or any(it in acl._associations for acl in backend.network_acls.values()),
            lambda it: EC2ClientError("InvalidAssociationID.NotFound", f"The association ID '{it}' does not exist"),
        ),
    ]
    for name, there, fail in checks:
        for value in call.values(name):
            if not there(value):
                return fail(value)
    return None


def answer(call: Call) -> Answer:
    lost = missing(call)
    if lost is not None:
        return error(call, lost.code, 400, lost.message)
    code = "DryRunOperation"
    return error(call, code, errors.EC2_STATUS[code], "Request would have succeeded, but DryRun flag is set.")
