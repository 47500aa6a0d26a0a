"""Packets that are lost: an address that nothing reaches and from which nothing comes, as behind a network ACL that denies everything.

Rules of iptables in a chain of our own, in a network that leads nowhere: started in the machine's own network, the laboratory is given one
of its own (scripts/aws-lab), and its rules end with it. The chain is replaced as a whole, so that a zone goes and comes back at once."""

from __future__ import annotations

import subprocess


class Network:
    """`number`: the laboratory's; a network may hold several."""

    def __init__(self, number: int) -> None:
        self.chain = f"AWSLAB{number}"
        self.lost: set[str] = set()
        self.jumps = False
        # Of one that was killed here and had the same number.
        self.clear()

    def tend(self, wanted: set[str]) -> list[str]:
        """Makes exactly these addresses lose their packets. What went wrong, if anything."""
        if wanted == self.lost:
            return []
        lines = ["*filter", f":{self.chain} - [0:0]"]
        if not self.jumps:
            lines.append(f"-I OUTPUT -j {self.chain}")
        lines += [f"-A {self.chain} {way} {address} -j DROP" for address in sorted(wanted) for way in ("-d", "-s")]
        text = "\n".join([*lines, "COMMIT", ""])
        done = subprocess.run(
            ["iptables-restore", "--wait", "10", "--noflush"], input=text, capture_output=True, text=True, timeout=20, check=False
        )
        if done.returncode != 0:
            return [f"iptables-restore: {done.stderr.strip()}"]
        self.jumps, self.lost = True, set(wanted)
        return []

    def clear(self) -> None:
        """Takes the chain away, if there is one."""
        for words in (("-D", "OUTPUT", "-j", self.chain), ("-F", self.chain), ("-X", self.chain)):
            subprocess.run(["iptables", "-w", "10", *words], capture_output=True, timeout=20, check=False)

    def end(self) -> None:
        if self.jumps:
            self.clear()
            self.jumps = False


def is_private() -> bool:
    """Whether this network leads nowhere: in one that does, packets of others would be at stake."""
    with open("/proc/self/net/route") as table:
        return not any(line.split()[1:2] == ["00000000"] for line in table)
