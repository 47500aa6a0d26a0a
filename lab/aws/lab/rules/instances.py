"""The life of an instance: pending, running, stopping, stopped, shutting-down, terminated, and at last no longer listed.

moto jumps to the end of each and lets a terminated instance start again."""

from __future__ import annotations

import time
from datetime import timezone
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.exceptions import InvalidParameterCombination, OperationDisableApiStopNotPermitted, OperationNotPermitted4
from moto.ec2.models.instances import Instance, InstanceBackend, InstanceState, StateReason
from moto.ec2.responses.instances import InstanceResponse

from ..overrule import overrule
from ..world import world
from . import errors

CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
# As many as one call may name.
BATCH = 1000


def zone_of(instance: Instance) -> str:
    return str(instance.placement.zone)


def alive(instance: Instance) -> bool:
    """Not on its way out."""
    return instance.state not in ("shutting-down", "terminated")


def enter(instance: Instance, name: str) -> None:
    """Puts the instance into a state, now, and tells those who watch."""
    old = instance.state
    instance._state = InstanceState(name, CODES[name])
    # For callers to whom news come late.
    instance.lab_before, instance.lab_changed = old, time.monotonic()
    if name in ("stopping", "shutting-down"):
        instance._reason = f"User initiated ({utcnow().strftime('%Y-%m-%d %H:%M:%S GMT')})"
        instance.state_reason = StateReason("Client.UserInitiatedShutdown: User initiated shutdown", "Client.UserInitiatedShutdown")
    elif name == "running":
        instance._reason, instance.state_reason = "", StateReason()
    for watcher in world.watchers:
        watcher(instance, old, name)


def later(instance: Instance, seconds: float, step: Any) -> None:
    """Does the step then, unless the instance has changed its mind meanwhile."""
    state = instance._state
    world.after(seconds, lambda: step(instance) if instance._state is state else None)


def run(instance: Instance, seconds: float) -> None:
    enter(instance, "pending")
    later(instance, seconds, lambda it: enter(it, "running"))


def stop(instance: Instance) -> None:
    enter(instance, "stopping")
    later(instance, world.times.stop, lambda it: enter(it, "stopped"))


def terminate(instance: Instance) -> None:
    """Ends it if it is not ending already."""
    if not alive(instance):
        return
    enter(instance, "shutting-down")
    later(instance, world.times.shutdown, gone)


def gone(instance: Instance) -> None:
    reason = instance._reason, instance.state_reason
    # Releases its disks and addresses; moto sets the state as well.
    old = instance._state
    release(instance)
    instance._state = old
    instance._reason, instance.state_reason = reason
    if instance._private_ips:
        subnet = instance.ec2_backend.get_subnet(instance.subnet_id)
        for address in instance._private_ips:
            subnet.del_subnet_ip(address)
        # Somebody else may have them from now on.
        instance._private_ips.clear()
    enter(instance, "terminated")
    later(instance, world.times.listed, forget)


def free_addresses(subnet: Any) -> int:
    """How many more instances a subnet has room for."""
    return int(subnet._available_ip_addresses) - len(subnet._subnet_ips)


def forget(instance: Instance) -> None:
    """No longer listed."""
    reservations = instance.ec2_backend.reservations
    for key, reservation in list(reservations.items()):
        if instance in reservation.instances:
            reservation.instances.remove(instance)
            if not reservation.instances:
                del reservations[key]
            return


release = Instance.terminate


@overrule(Instance, "terminate")
def _terminate(_old: Any, self: Instance) -> Any:
    # Stacks end their instances so.
    before = self._state
    terminate(self)
    return before


@overrule(InstanceBackend, "run_instances")
def _run(old: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
    reservation = old(self, *args, **kwargs)
    for instance in reservation.instances:
        instance.lab_born = time.monotonic()
        # moto has all members of groups in us-east-1.
        instance.region_name = self.region_name
        instance.launch_time = utcnow().replace(tzinfo=timezone.utc)
        run(instance, world.times.launch)
    return reservation


def named(backend: Any, ids: list[str]) -> list[Instance]:
    if not ids:
        raise InvalidParameterCombination("No instances specified")
    if len(ids) > BATCH:
        raise errors.too_many("instance IDs", BATCH)
    return backend.get_multi_instances_by_id(ids)


@overrule(InstanceBackend, "start_instances")
def _start(_old: Any, self: Any, instance_ids: list[str]) -> list[tuple[Instance, InstanceState]]:
    instances = named(self, instance_ids)
    for instance in instances:
        if instance.state in ("stopping", "shutting-down", "terminated"):
            raise errors.incorrect_state(instance.id, "started")
    answer = [(instance, instance._state) for instance in instances]
    for instance in instances:
        if instance.state == "stopped":
            run(instance, world.times.start)
    return answer


@overrule(InstanceBackend, "stop_instances")
def _stop(_old: Any, self: Any, instance_ids: list[str]) -> list[tuple[Instance, InstanceState]]:
    instances = named(self, instance_ids)
    for instance in instances:
        if instance.disable_api_stop is True:
            raise OperationDisableApiStopNotPermitted(instance.id)
        if instance.state in ("pending", "shutting-down", "terminated"):
            raise errors.incorrect_state(instance.id, "stopped")
    answer = [(instance, instance._state) for instance in instances]
    for instance in instances:
        if instance.state == "running":
            stop(instance)
    return answer


@overrule(InstanceBackend, "terminate_instances")
def _terminate_all(_old: Any, self: Any, instance_ids: list[str]) -> list[tuple[Instance, InstanceState]]:
    instances = named(self, instance_ids)
    # AWS spares the zones in which one is protected, ends the others, and answers with an error.
    protected = [instance for instance in instances if instance.disable_api_termination is True and alive(instance)]
    spared = {zone_of(instance) for instance in protected}
    answer = []
    for instance in instances:
        if zone_of(instance) not in spared:
            answer.append((instance, instance._state))
            terminate(instance)
    if protected:
        raise OperationNotPermitted4(protected[0].id)
    return answer


@overrule(InstanceBackend, "reboot_instances")
def _reboot(_old: Any, self: Any, instance_ids: list[str]) -> list[Instance]:
    instances = named(self, instance_ids)
    for instance in instances:
        if instance.state != "running":
            raise errors.incorrect_state(instance.id, "rebooted")
    for instance in instances:
        for watcher in world.watchers:
            watcher(instance, "running", "rebooting")
    return instances


def changed(key: str, pairs: list[tuple[Instance, InstanceState]]) -> ActionResult:
    """The answer of a call that changes states: what each was, and what each is now."""
    return ActionResult(
        {
            key: [
                {
                    "InstanceId": instance.id,
                    "CurrentState": {"Code": instance.state_code, "Name": instance.state},
                    "PreviousState": {"Code": before.code, "Name": before.name},
                }
                for instance, before in pairs
            ]
        }
    )


@overrule(InstanceResponse, "start_instances")
def _answer_start(_old: Any, self: InstanceResponse) -> ActionResult:
    return changed("StartingInstances", self.ec2_backend.start_instances(self._get_param("InstanceIds", [])))


@overrule(InstanceResponse, "stop_instances")
def _answer_stop(_old: Any, self: InstanceResponse) -> ActionResult:
    return changed("StoppingInstances", self.ec2_backend.stop_instances(self._get_param("InstanceIds", [])))


@overrule(InstanceResponse, "terminate_instances")
def _answer_terminate(_old: Any, self: InstanceResponse) -> ActionResult:
    return changed("TerminatingInstances", self.ec2_backend.terminate_instances(self._get_param("InstanceIds", [])))
