"""A DBInstance of PostgreSQL: a real one, and with Multi-AZ a second one that has each transaction before it is acknowledged (synchronous
streaming replication).

As on RDS the master user is no superuser; the laboratory's own user `lab` is, and needs no password."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from ..world import Action
from .hosts import Host
from .store import Site, Store, Work

# Of a master user whose password AWS would manage.
MANAGED = "laboratory"

# A host dies here as a process does: what it has written to its files stays written, so that nothing need be forced to a disk.
SETTINGS = {
    "unix_socket_directories": "",
    "dynamic_shared_memory_type": "mmap",
    "shared_buffers": "16MB",
    "max_connections": "100",
    "fsync": "off",
    "wal_retrieve_retry_interval": "100ms",
    "wal_receiver_timeout": "3s",
    "wal_sender_timeout": "3s",
}
RULES = """\
host all lab all trust
host replication lab all trust
host all all all scram-sha-256
"""
# A file of its own, which each host has: who must have a transaction before it is acknowledged.
TOGETHER = "together.conf"
STANDBY = "synchronous_standby_names = 'walreceiver'\n"

STREAMS = "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'walreceiver' AND state = 'streaming'"
IS_TOGETHER = f"{STREAMS} AND sync_state = 'sync'"
MASTER = """\
CREATE ROLE :"name" LOGIN CREATEDB CREATEROLE PASSWORD :'password';
CREATE DATABASE :"database" OWNER :"name";
"""


def programs() -> Path:
    """Debian keeps each version's programs in a folder of its own, outside PATH. RuntimeError when there are none."""
    versions = [it for it in Path("/usr/lib/postgresql").glob("*/bin") if (it / "initdb").exists()]
    if versions:
        return max(versions, key=lambda it: float(it.parent.name))
    found = shutil.which("initdb")
    if found is None:
        raise RuntimeError("there is no PostgreSQL here: \"scripts/aws-lab install\" gets it")
    return Path(found).resolve().parent


class Postgres(Store):
    """`copy`: the folder of the snapshot from which it is made; an empty one without."""

    def __init__(self, site: Site, database: Any, copy: Path | None) -> None:
        super().__init__(site, database, database.db_instance_identifier, database.region, int(database.port))
        database.lab_address = self.endpoint.address
        self.copy = copy

    # ── words ──

    def program(self, name: str) -> str:
        return str(self.site.postgres / name)

    def psql(self, host: Host, *words: str) -> tuple[str, ...]:
        return (self.program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", host.address, "-p", str(self.port), "-U", "lab", "-d", "postgres", *words)

    def until_says(self, host: Host, wanted: str, question: str) -> subprocess.Popen[bytes]:
        return self.until(wanted, *self.psql(host, "-c", question))

    def start(self, host: Host) -> None:
        settings = {**SETTINGS, "listen_addresses": host.address, "port": str(self.port)}
        host.start([self.program("postgres"), "-D", str(data(host)), *(word for it in settings.items() for word in ("-c", "=".join(it)))])

    def master(self) -> tuple[str, str, str]:
        """The master user, its password, and the database."""
        password = getattr(self.of, "_master_user_password", None) or MANAGED
        return self.of.master_username or "postgres", password, self.of.db_name or "postgres"

    def url(self) -> str:
        name, password, database = self.master()
        return f"postgres://{name}:{password}@{self.endpoint.address}:{self.port}/{database}"

    # ── work ──

    def create(self, done: Action) -> Work:
        self.primary = self.host(self.of.availability_zone, "first")
        if self.copy is not None:
            yield self.run("cp", "-a", str(self.copy), str(data(self.primary)))
            (data(self.primary) / TOGETHER).write_text("")
            self.start(self.primary)
            yield self.until_says(self.primary, "f", "SELECT pg_is_in_recovery()")
        else:
            yield from self.empty(self.primary)
        if self.of.multi_az:
            yield from self.attach()
        done()

    def empty(self, host: Host) -> Work:
        """The master user and the database that was asked for, and nothing in it."""
        yield self.run(
            *(self.program("initdb"), "-D", str(data(host)), "-U", "lab", "--auth=trust", "-E", "UTF8", "--no-locale", "--no-sync")
        )
        (data(host) / "pg_hba.conf").write_text(RULES)
        (data(host) / TOGETHER).write_text("")
        with (data(host) / "postgresql.conf").open("a") as settings:
            settings.write(f"include '{TOGETHER}'\n")
        self.start(host)
        yield self.until_says(host, "t", "SELECT true")
        name, password, database = self.master()
        words = MASTER if database != "postgres" else MASTER.splitlines()[0]
        variables = (f"name={name}", f"password={password}", f"database={database}")
        yield self.run(*self.psql(host, *(word for it in variables for word in ("-v", it))), text=words)

    def copied(self, host: Host, into: Path) -> subprocess.Popen[bytes]:
        """Everything that it has, as of now."""
        return self.run(
            *(self.program("pg_basebackup"), "-d", f"host={host.address} port={self.port} user=lab connect_timeout=2"),
            *("-D", str(into), "--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
        )

    def save(self, into: Path, done: Action) -> Work:
        """For a snapshot: what is started from it is nobody's standby."""
        assert self.primary is not None
        yield self.copied(self.primary, into)
        (into / "standby.signal").unlink()
        self.saving = False
        done()

    def attach(self) -> Work:
        """Another host becomes the standby, as a copy of the primary; from then on nothing is acknowledged before it has it."""
        assert self.primary is not None
        standby = self.host(self.of.secondary_availability_zone or self.of.availability_zone, "second" if self.primary.name == "first" else "first")
        self.others = [standby]
        yield self.copied(self.primary, data(standby))
        (data(standby) / TOGETHER).write_text("")
        self.start(standby)
        yield self.until_says(self.primary, "1", STREAMS)
        self.together(True)
        yield self.until_says(self.primary, "1", IS_TOGETHER)

    def together(self, wanted: bool) -> None:
        assert self.primary is not None
        (data(self.primary) / TOGETHER).write_text(STANDBY if wanted else "")
        self.primary.tell(signal.SIGHUP)

    def promote(self, to: str, done: Action) -> Work:
        """Nobody waits for a standby until there is one again."""
        lost, self.primary = self.primary, self.others.pop()
        yield self.run(*self.psql(self.primary, "-c", "SELECT pg_promote(true, 30)"))
        yield self.until_says(self.primary, "f", "SELECT pg_is_in_recovery()")
        yield from self.lead()
        if lost is not None:
            lost.end()
        done()

    def recover(self, done: Action) -> Work:
        yield from self.attach()
        done()

    def halt(self) -> None:
        """A fast shutdown: transactions are rolled back, connections end."""
        if self.primary is not None:
            self.primary.halt(signal.SIGINT)
        self.endpoint.cut()

    def restart(self, done: Action) -> Work:
        assert self.primary is not None
        self.primary.die()
        self.start(self.primary)
        yield self.until_says(self.primary, "t", "SELECT true")
        if self.others:
            yield self.until_says(self.primary, "1", IS_TOGETHER)
        yield from self.lead()
        done()

    def as_booked(self) -> None:
        if self.of.multi_az == bool(self.others) or self.of.status != "available":
            return
        self.of.status = "modifying"
        self.begin(self.alone() if self.others else self.recover(self.available))

    def alone(self) -> Work:
        """It is Multi-AZ no more."""
        self.together(False)
        assert self.primary is not None
        yield self.until_says(self.primary, "", "SHOW synchronous_standby_names")
        for host in self.others:
            host.end()
        self.others = []
        self.available()

    def available(self) -> None:
        self.of.status = "available"


def data(host: Host) -> Path:
    return host.folder / "data"
