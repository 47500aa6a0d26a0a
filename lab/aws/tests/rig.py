"""A laboratory of its own for a test: started, asked, and ended."""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from lab import site

PROGRAM = Path(__file__).parents[1]
REGION = "eu-west-1"
ACCOUNT = "123456789012"


def _die_with_us() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Lab:
    """One that runs. `flags` as `scripts/aws-lab up` takes them."""

    def __init__(self, *flags: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="aws-lab."))
        command = [sys.executable, "-m", "lab", str(self.folder), *flags]
        self.log = (self.folder / "log").open("w")
        self.process = subprocess.Popen(
            command,
            cwd=PROGRAM,
            stdout=subprocess.PIPE,
            stderr=self.log,
            preexec_fn=_die_with_us,
            env={**os.environ, "FIREDRILL_AWS_LAB": str(self.folder), "PYTHONHASHSEED": "0"},
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            said = (self.folder / "log").read_text()[-4000:]
            self.end()
            raise RuntimeError(said)
        self.ready = json.loads(line)
        self.endpoint = self.ready["endpoint"]

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self.log.close()
        shutil.rmtree(self.folder)

    def client(self, service: str, region: str = REGION) -> Any:
        return site.client(service, self.endpoint, region)

    def ask(self, method: str, path: str, value: Any = None) -> tuple[int, Any]:
        """The control endpoint: status and answer."""
        data = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(self.endpoint + path, data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as wrong:
            return wrong.code, json.load(wrong)

    def get(self, path: str) -> Any:
        status, value = self.ask("GET", path)
        if status != 200:
            raise AssertionError(f"{path}: {status} {value}")
        return value

    def trouble(self, *rules: dict[str, Any]) -> None:
        status, value = self.ask("PUT", "/lab/trouble", list(rules))
        if status != 200:
            raise AssertionError(value)

    def calls(self, action: str | None = None) -> list[dict[str, Any]]:
        return [it for it in self.get("/lab/calls")["calls"] if action in (None, it["action"])]

    def state(self, region: str = REGION) -> dict[str, Any]:
        return self.get("/lab/state")[ACCOUNT].get(region, {})

    def reset(self) -> None:
        status, _ = self.ask("POST", "/lab/reset")
        assert status == 200

    def site(self, region: str = REGION, **parameters: Any) -> dict[str, str]:
        outputs = site.deploy(self.endpoint, region, **parameters)
        site.wait_until_settled(self.endpoint)
        return outputs


def wait(what: str, condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Until it holds; its value then."""
    limit = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > limit:
            raise AssertionError(f"not within {seconds} s: {what}; the last value was {value!r}")
        time.sleep(0.02)


_running: dict[tuple[str, ...], Lab] = {}


def shared(flags: tuple[str, ...]) -> Lab:
    """One laboratory for all tests that want the same; it ends with them."""
    if flags not in _running:
        _running[flags] = Lab(*flags)
        atexit.register(_running[flags].end)
    return _running[flags]


class LabTest(unittest.TestCase):
    """One laboratory for all tests of its kind, emptied and with a site of its own before each."""

    flags: tuple[str, ...] = ("--rules-only", "--empty", "--speed", "50")
    with_site = True
    lab: Lab

    @classmethod
    def setUpClass(cls) -> None:
        cls.lab = shared(cls.flags)

    def setUp(self) -> None:
        self.lab.reset()
        self.ec2 = self.lab.client("ec2")
        self.asg = self.lab.client("autoscaling")
        self.elb = self.lab.client("elbv2")
        if self.with_site:
            self.outputs = self.lab.site()
            self.group_name = self.outputs["Group"]
        self.faulty = False

    def tearDown(self) -> None:
        if not self.faulty:
            self.assertEqual(self.lab.get("/lab/health")["faults"], [])

    # ── asking ──

    def group(self, name: str | None = None) -> dict[str, Any]:
        found = self.asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name or self.group_name])
        return found["AutoScalingGroups"][0]

    def members(self, zone: str | None = None, states: tuple[str, ...] = ("InService",)) -> list[str]:
        return [
            it["InstanceId"]
            for it in self.group()["Instances"]
            if it["LifecycleState"] in states and zone in (None, it["AvailabilityZone"])
        ]

    def spread(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for it in self.group()["Instances"]:
            counts[it["AvailabilityZone"][-1]] = counts.get(it["AvailabilityZone"][-1], 0) + 1
        return counts

    def instance(self, identity: str) -> dict[str, Any]:
        return self.ec2.describe_instances(InstanceIds=[identity])["Reservations"][0]["Instances"][0]

    def instance_state(self, identity: str) -> str:
        return self.instance(identity)["State"]["Name"]

    def health(self, identity: str | None = None) -> dict[str, str]:
        found = self.elb.describe_target_health(TargetGroupArn=self.outputs["TargetGroup"])
        return {it["Target"]["Id"]: it["TargetHealth"]["State"] for it in found["TargetHealthDescriptions"]}

    def activities(self) -> list[dict[str, Any]]:
        return self.asg.describe_scaling_activities(AutoScalingGroupName=self.group_name)["Activities"]

    def settled(self, seconds: float = 20) -> None:
        site.wait_until_settled(self.lab.endpoint, seconds)

    def refused(self, code: str, status: int | None, call: Callable[[], Any]) -> str:
        """The call is refused with this code; its words."""
        with self.assertRaises(ClientError) as caught:
            call()
        answer = caught.exception.response
        self.assertEqual(answer["Error"]["Code"], code, answer["Error"]["Message"])
        if status is not None:
            self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], status)
        return answer["Error"]["Message"]


def processes_of(folder: Path) -> list[str]:
    """The names of the processes that the laboratory in this folder started. PostgreSQL writes its title over its environment: it works there."""
    found = []
    for place in Path("/proc").iterdir():
        try:
            marked = f"FIREDRILL_AWS_LAB={folder}".encode() in (place / "environ").read_bytes().split(b"\0")
            works_there = (place / "cwd").readlink().is_relative_to(folder)
            if (marked or works_there) and b"State:\tZ" not in (place / "status").read_bytes():
                found.append((place / "comm").read_text().strip())
        except OSError:
            continue
    return found


def ask(resolver: str, name: str, kind: int = 1) -> tuple[int, list[str]]:
    """One question to the laboratory's name server: the answer's code, and its addresses."""
    host, port = resolver.split(":")
    labels = b"".join(bytes([len(it)]) + it.encode() for it in name.split("."))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(5)
        connection.sendto(struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1), (host, int(port)))
        answer = connection.recv(4096)
    number, flags, _, count, _, _ = struct.unpack("!HHHHHH", answer[:12])
    assert number == 7
    place = 12 + sum(1 + len(it) for it in name.split(".")) + 1 + 4
    found = []
    for _ in range(count):
        (length,) = struct.unpack("!H", answer[place + 10 : place + 12])
        found.append(socket.inet_ntoa(answer[place + 12 : place + 12 + length]))
        place += 12 + length
    return flags & 15, found
