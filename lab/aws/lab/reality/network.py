"""Packets that are lost: an address that nothing reaches and from which nothing comes, as behind a network ACL that denies everything.

Rules of iptables in a chain of our own, in a network that is nobody else's: started in the machine's own network, the laboratory is given
one of its own (scripts/aws-lab), and its rules end with it."""

from __future__ import annotations

import subprocess


class Network:
    """`own`: whether the network is the laboratory's alone; in one that it shares, its chain is taken away at the end."""

    def __init__(self, number: int) -> None:
        self.chain = f"AWSLAB{number}"
        self.lost: set[str] = set()
        self.ready = False

    def run(self, *words: str) -> str | None:
        """None, or what iptables said against it."""
        done = subprocess.run(["iptables", "-w", "10", *words], capture_output=True, text=True, timeout=20, check=False)
        return None if done.returncode == 0 else f"iptables {' '.join(words)}: {done.stderr.strip()}"

    def begin(self) -> str | None:
        if self.ready:
            return None
        self.run("-N", self.chain)
        self.run("-F", self.chain)
        if self.run("-C", "OUTPUT", "-j", self.chain) is not None:
            wrong = self.run("-I", "OUTPUT", "-j", self.chain)
            if wrong:
                return wrong
        self.ready = True
        return None

    def tend(self, wanted: set[str]) -> list[str]:
        """Makes exactly these addresses lose their packets. What went wrong, if anything."""
        if wanted == self.lost:
            return []
        wrong = [self.begin()]
        for address in sorted(wanted - self.lost):
            wrong += [self.run("-A", self.chain, way, address, "-j", "DROP") for way in ("-d", "-s")]
        for address in sorted(self.lost - wanted):
            wrong += [self.run("-D", self.chain, way, address, "-j", "DROP") for way in ("-d", "-s")]
        self.lost = set(wanted)
        return [it for it in wrong if it]

    def end(self) -> None:
        if self.ready:
            self.run("-D", "OUTPUT", "-j", self.chain)
            self.run("-F", self.chain)
            self.run("-X", self.chain)
            self.ready = False


def is_private() -> bool:
    """Whether this network leads nowhere: in one that does, packets of others would be at stake."""
    with open("/proc/self/net/route") as table:
        return not any(line.split()[1:2] == ["00000000"] for line in table)
