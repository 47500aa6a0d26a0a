"""Where instances live: 127.L.B.N, each its own loopback address. L is this laboratory's number, B stands for the region and the zone
(0 for load balancers and the endpoints of stores)."""

from __future__ import annotations

import socket

FIRST, LAST = 20, 250
# Zones of a region, instances of a zone.
ZONES, INSTANCES = 16, 250


class Full(RuntimeError):
    """There is no address left."""


class Addresses:
    """Takes a number that no other laboratory in this network has, for as long as the process lives."""

    def __init__(self) -> None:
        self.beacon = socket.socket()
        for number in range(FIRST, LAST):
            try:
                self.beacon.bind((f"127.{number}.0.1", 1))
            except OSError:
                continue
            self.beacon.listen(1)
            self.number = number
            break
        else:
            raise Full("every number from 20 to 249 is another laboratory's")
        self.blocks: dict[tuple[str, str], int] = {}
        self.regions: list[str] = []
        self.taken: dict[str, str] = {}
        self.endpoints: dict[str, str] = {}
        self.last: dict[int, int] = {}

    def block(self, region: str, zone: str) -> int:
        if region not in self.regions:
            self.regions.append(region)
        index = self.regions.index(region)
        if index >= 255 // ZONES:
            raise Full(f"there is room for {255 // ZONES} regions")
        letter = (ord(zone[-1:] or "a") - ord("a")) % (ZONES - 1)
        return index * ZONES + letter + 1

    def give(self, region: str, zone: str, who: str) -> str:
        """A new address; not one that was given back just now, as clients may still know it."""
        block = self.block(region, zone)
        for step in range(INSTANCES):
            last = (self.last.get(block, 0) + step) % INSTANCES + 1
            address = f"127.{self.number}.{block}.{last}"
            if address not in self.taken:
                self.last[block], self.taken[address] = last, who
                return address
        raise Full(f"zone {zone} has {INSTANCES} instances already")

    def of_endpoint(self, who: str) -> str:
        """A load balancer and the endpoint of a store have one for as long as the laboratory runs."""
        if who not in self.endpoints:
            self.endpoints[who] = f"127.{self.number}.0.{len(self.endpoints) % 200 + 10}"
        return self.endpoints[who]

    def back(self, address: str) -> None:
        self.taken.pop(address, None)
