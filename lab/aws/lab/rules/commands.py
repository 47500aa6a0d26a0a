"""SSM: a command goes to the instances that it names and no others, takes its time, and ends as each of them lets it.

moto sends it to every instance that there is, and has it done within the call. Nothing is really executed, here either: what an instance
answers is what the test says (`{"kind": "command", "code": 1, "output": "..."}`), else success."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow
from moto.ec2 import ec2_backends
from moto.ssm.exceptions import InvalidDocument, SSMException
from moto.ssm.models import Command, SimpleSystemManagerBackend
from moto.ssm.responses import SimpleSystemManagerResponse

from ..overrule import overrule
from ..world import world

# Documents of AWS's own that run a script.
KNOWN = ("AWS-RunShellScript", "AWS-RunPowerShellScript")
AT_ONCE = 50
OPEN = ("Pending", "InProgress", "Delayed")

# What an instance answers: (exit code, output), or None to go by the rule.
replies: list[Callable[[str], "tuple[int, str] | None"]] = []


def managed(backend: SimpleSystemManagerBackend) -> dict[str, Any]:
    """The instances whose agents would answer."""
    found = ec2_backends[backend.account_id][backend.region_name].all_instances()
    return {it.id: it for it in found if it._state.name == "running"}


def chosen(backend: SimpleSystemManagerBackend, targets: list[dict[str, Any]]) -> list[str]:
    """The instances that `Targets` select: each of its conditions must hold."""
    found = []
    for instance in managed(backend).values():
        tags = {tag["key"]: tag["value"] for tag in instance.get_tags()}
        for target in targets:
            key, values = target["Key"], target.get("Values", [])
            if key == "InstanceIds":
                fits = instance.id in values
            elif key == "tag-key":
                fits = any(it in tags for it in values)
            else:
                fits = tags.get(key.removeprefix("tag:")) in values
            if not fits:
                break
        else:
            found.append(instance.id)
    return found


@overrule(SimpleSystemManagerBackend, "send_command")
def _send(old: Any, self: SimpleSystemManagerBackend, *args: Any, **kwargs: Any) -> Command:
    document = str(kwargs.get("document_name"))
    if document not in KNOWN and document not in self._documents:
        raise InvalidDocument(f"Document with name {document} does not exist.")
    targets = kwargs.get("targets") or []
    ids = list(dict.fromkeys(kwargs.get("instance_ids") or []))
    if len(ids) > AT_ONCE:
        raise SSMException("ValidationException", f"InstanceIds has {len(ids)} members: at most {AT_ONCE} are allowed.")
    strangers = [it for it in ids if it not in managed(self)]
    if strangers:
        raise SSMException("InvalidInstanceId", f"Instances [[{', '.join(strangers)}]] not in a valid state for account {self.account_id}")
    if targets:
        ids += [it for it in chosen(self, targets) if it not in ids]
    command = old(self, *args, **kwargs)
    # Anew, for those alone.
    command.instance_ids = ids
    command.target_count, command.completed_count = len(ids), 0
    command.status = command.status_details = "Pending" if ids else "Success"
    command.invocations = [command.invocation_response(it, "aws:runShellScript") for it in ids]
    for invocation in command.invocations:
        invocation.update(Status="Pending", StatusDetails="Pending", ResponseCode=-1)
        invocation["lab_backend"] = self
    world.after(world.times.command / 2, lambda: begin(command))
    return command


def begin(command: Command) -> None:
    for invocation in command.invocations:
        if invocation["Status"] == "Pending":
            invocation.update(Status="InProgress", StatusDetails="InProgress", ExecutionStartDateTime=utcnow().isoformat())
    sum_up(command)
    world.after(world.times.command / 2, lambda: finish(command))


def finish(command: Command) -> None:
    for invocation in command.invocations:
        if invocation["Status"] != "InProgress":
            continue
        if invocation["InstanceId"] not in managed(invocation["lab_backend"]):
            invocation.update(Status="Failed", StatusDetails="Undeliverable")
            continue
        said = [it for it in (reply(invocation["InstanceId"]) for reply in replies) if it is not None]
        code, output = said[0] if said else (0, "")
        status = "Success" if code == 0 else "Failed"
        invocation.update(Status=status, StatusDetails=status, ResponseCode=code, StandardOutputContent=output)
        invocation["ExecutionEndDateTime"] = utcnow().isoformat()
    sum_up(command)


def sum_up(command: Command) -> None:
    """The command's own state, from its invocations'."""
    states = [it["Status"] for it in command.invocations]
    command.completed_count = sum(it not in OPEN for it in states)
    command.error_count = sum(it == "Failed" for it in states)
    if any(it in OPEN for it in states):
        command.status = "InProgress"
    elif "Failed" in states:
        command.status = "Failed"
    else:
        command.status = "Cancelled" if "Cancelled" in states else "Success"
    command.status_details = command.status


def shown(invocation: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in invocation.items() if not key.startswith("lab_")}


@overrule(SimpleSystemManagerBackend, "get_command_invocation")
def _get(old: Any, self: SimpleSystemManagerBackend, *args: Any, **kwargs: Any) -> dict[str, Any]:
    return shown(old(self, *args, **kwargs))


@overrule(SimpleSystemManagerResponse, "list_command_invocations", new=True)
def list_command_invocations(self: SimpleSystemManagerResponse) -> ActionResult:
    command, instance = self._get_param("CommandId"), self._get_param("InstanceId")
    found = []
    for it in self.ssm_backend.list_commands(command, None):
        for invocation in it.invocations:
            if instance not in (None, invocation["InstanceId"]):
                continue
            entry = {
                "CommandId": it.command_id,
                "InstanceId": invocation["InstanceId"],
                "DocumentName": it.document_name,
                "RequestedDateTime": it.requested_date_time,
                "Status": invocation["Status"],
                "StatusDetails": invocation["StatusDetails"],
                "CommandPlugins": [],
            }
            if self._get_param("Details"):
                entry["CommandPlugins"] = [
                    {
                        "Name": invocation["PluginName"],
                        "Status": invocation["Status"],
                        "StatusDetails": invocation["StatusDetails"],
                        "ResponseCode": invocation["ResponseCode"],
                        "Output": invocation["StandardOutputContent"],
                    }
                ]
            found.append(entry)
    return ActionResult({"CommandInvocations": found})


@overrule(SimpleSystemManagerResponse, "cancel_command", new=True)
def cancel_command(self: SimpleSystemManagerResponse) -> ActionResult:
    command = self.ssm_backend.get_command_by_id(self._get_param("CommandId"))
    wanted = self._get_param("InstanceIds", []) or command.instance_ids
    for invocation in command.invocations:
        if invocation["InstanceId"] in wanted and invocation["Status"] in OPEN:
            invocation.update(Status="Cancelled", StatusDetails="Cancelled")
    sum_up(command)
    return EmptyResult()


@overrule(SimpleSystemManagerResponse, "describe_instance_information", new=True)
def describe_instance_information(self: SimpleSystemManagerResponse) -> ActionResult:
    wanted: set[str] | None = None
    for condition in (self._get_param("Filters", []) or []) + (self._get_param("InstanceInformationFilterList", []) or []):
        if condition.get("Key", condition.get("key")) == "InstanceIds":
            wanted = set(condition.get("Values") or condition.get("valueSet") or [])
    found = [
        {
            "InstanceId": it.id,
            "PingStatus": "Online",
            "LastPingDateTime": utcnow(),
            "PlatformType": "Linux",
            "PlatformName": "Amazon Linux",
            "ResourceType": "EC2Instance",
            "IPAddress": it.private_ip,
        }
        for it in managed(self.ssm_backend).values()
        if wanted is None or it.id in wanted
    ]
    return ActionResult({"InstanceInformationList": found})
