"""Starts the laboratory and keeps it up until it is told to end (SIGTERM) or whoever started it has died.

Prints one line of JSON once it is ready: the endpoint, and where the sites listen."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="aws-lab", description=__doc__)
    parser.add_argument("folder", type=Path, help="where its files lie: logs, sockets, the number of its process")
    parser.add_argument("--port", type=int, default=0, help="the port of the endpoint on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--seed", type=int, default=42, help="ids repeat with the same seed")
    parser.add_argument("--speed", type=float, default=30.0, help="by how much faster than on AWS time runs")
    parser.add_argument("--time", action="append", default=[], metavar="NAME=SECONDS", help="how long something takes on AWS (times.py)")
    parser.add_argument("--firedrill", type=Path, default=binary(), help="the program whose verb what-time each instance runs; also FIREDRILL_LAB_BINARY")
    parser.add_argument("--rules-only", action="store_true", help="no real processes: instances are only in the books")
    parser.add_argument("--region", action="append", default=[], help="a region in which the site is deployed; eu-west-1 when none is named")
    parser.add_argument("--empty", action="store_true", help="no site: an account with nothing in it")
    parser.add_argument("--size", type=int, default=6, help="how many instances each site has")
    parser.add_argument("--stores", action="store_true", help="a Multi-AZ database and a cache with a replica beside each site")
    parser.add_argument("--beanstalk", action="store_true", help="three environments of Elastic Beanstalk in each region")
    options = parser.parse_args()
    options.region = [] if options.empty else options.region or ["eu-west-1"]
    return options


def binary() -> Path:
    built = Path(__file__).parents[3] / "target" / "debug" / "firedrill"
    return Path(os.environ.get("FIREDRILL_LAB_BINARY") or built)


def quiet() -> None:
    """Nothing of AWS's own is ever asked."""
    os.environ.update(
        AWS_EC2_METADATA_DISABLED="true",
        MOTO_ALLOW_NONEXISTENT_REGION="false",
        MOTO_IAM_LOAD_MANAGED_POLICIES="false",
        # Two images instead of thirteen hundred in each region: a start and a reset are as many times faster.
        MOTO_AMIS_PATH=str(Path(__file__).with_name("images.json")),
    )
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "MOTO_ACCOUNT_ID"):
        os.environ.pop(name, None)


def main() -> int:
    options = arguments()
    quiet()
    options.folder.mkdir(parents=True, exist_ok=True)
    from .world import world

    try:
        world.times.speed = options.speed
        for text in options.time:
            world.times.change(text)
    except ValueError as wrong:
        print(f"aws-lab: {wrong}", file=sys.stderr)
        return 2
    from . import rules, site  # noqa: F401 - the rules put moto right
    from .server import calls, control, listen

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    reality = None
    if not options.rules_only:
        from .reality.real import Reality

        if not os.access(options.firedrill, os.X_OK):
            print(f"aws-lab: there is no program {options.firedrill}: build it, name another with --firedrill, or say --rules-only", file=sys.stderr)
            return 2
        try:
            reality = Reality(options.firedrill.resolve(), options.folder.resolve())
        except RuntimeError as wrong:
            print(f"aws-lab: {wrong}", file=sys.stderr)
            return 2
    server = listen.start(options.port, options.folder / "access.log")
    control.begin(options.seed)
    engine = threading.Thread(target=world.run, name="engine", daemon=True)
    engine.start()
    ready = {"endpoint": f"http://127.0.0.1:{server.port}", "pid": os.getpid(), "seed": options.seed, "speed": options.speed}
    ready["regions"] = site.all_up(ready["endpoint"], options.region, options.size, options.stores, options.beanstalk) if options.region else {}
    ready["names"] = ready["regions"].pop("names", None)
    calls.calls.clear()
    ready["sites"] = {key: value for site_of in control.sites for key, value in site_of().items()}
    ready["stores"] = {
        region: {name: store["url"] for name, store in found["stores"].items()} for region, found in ready["sites"].items() if "stores" in found
    }
    ready["resolver"] = f"127.0.0.1:{reality.lookups.port}" if reality is not None else None
    ready["network"] = os.environ.get("FIREDRILL_AWS_LAB_NETWORK", "here")
    line = json.dumps(ready)
    (options.folder / "ready.json.new").write_text(line + "\n")
    (options.folder / "ready.json.new").rename(options.folder / "ready.json")
    print(line, flush=True)
    ended.wait()
    server.shutdown()
    world.end()
    engine.join(10)
    if reality is not None:
        reality.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
