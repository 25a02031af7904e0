"""Random configs, one after the other, while clients go on asking: `python -m tests.daemon.reload.random_configs`."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.daemon.harness import Daemon, free_port, write_list
from tests.daemon.load.load import MAX_TOLD, Load
from tests.daemon.load.upstreams import elsewhere

BLOCKED = "always.example"
OPEN_BELOW = "open.example"
CONFIGS = 1_000
OTHER_HOST = "127.0.0.2"  # where no question to upstreams on 127.0.0.1 has its port
OFTEN = 50  # reloads until it is told what the daemon's processes have
ROLES = ("w0", "w1", "page", "control")
BROKEN = 0.2  # the share of configs that must be refused

Config = dict[str, Any]


def settings_of(chance: random.Random, base: Config, upstreams: list[str], spare: list[int]) -> Config:
    """Return a config at random: the list that has BLOCKED, the first address and the page stay in all of them."""
    config: Config = {**base, "listen": {**base["listen"]}}
    config["workers"] = chance.choice([1, 1, 2, 2, 3, 4])
    config["upstreams"] = chance.sample(upstreams, chance.randint(1, len(upstreams)))
    config["sinkhole"] = {"ttl": chance.randint(1, 3600)}
    config["cache"] = {"size": chance.choice(["8M", "16M", "32M"]), "max_ttl": chance.choice(["1h", "1d"])}
    config["operator"] = {"name": chance.choice(["", "Provider", "Penyedia"])}
    config["audit"] = {"statement": "off"}
    config["gate"] = {"max_rejects": f"{chance.randint(20, 90)}%"}
    others = chance.sample(range(4), chance.randint(0, 4))
    config["feeds"] = [base["feeds"][0], *({**base["feeds"][0], "name": f"other-{n}"} for n in others)]
    names = [feed["name"] for feed in config["feeds"]]
    if chance.random() < 0.5:
        groups = [{"name": "school", "networks": ["10.1.0.0/16"], "feeds": chance.sample(names, 1)}]
        config["groups"] = [*groups, {"name": "exempt", "networks": ["10.2.0.0/16"], "feeds": []}]
    if chance.random() < 0.5:
        config["forward"] = [{"zone": "corp.example", "upstreams": [chance.choice(upstreams)]}]
    if chance.random() < 0.5:
        config["local"] = {"names": {"printer.lan": [f"10.0.0.{chance.randint(1, 9)}"]}}
    config["upstream"] = {"flood_limit": 0}  # the clients ask for new names all the time
    ports = chance.sample(spare[1:], chance.randint(0, len(spare) - 1))
    config["listen"]["dns"] = [base["listen"]["dns"][0], *(f"{OTHER_HOST}:{port}" for port in ports)]
    config["listen"]["decide"] = [f"127.0.0.1:{spare[0]}"] if chance.random() < 0.5 else []
    return config


def broken(chance: random.Random, config: Config) -> Config:
    """Return a config that must be refused."""
    wrong: list[Config] = [
        {"upstreams": ["127.0.0.1:9"]},  # where nobody answers
        {"certificates": [{"chain": "absent.pem", "key": "absent.key"}]},
        {"gate": {"protected": ["absent.txt"]}},
        {"clients": {"cookie_secrets": "absent"}},
    ]
    return {**config, **chance.choice(wrong)}


def run(folder: Path, count: int, seed: int) -> Iterator[str]:
    """Reload so many random configs, some of them broken; yield what is wrong, and print what was measured."""
    chance = random.Random(seed)  # noqa: S311 - the same configs each time
    write_list(folder / "list", [BLOCKED])
    feed = {"name": "national", "type": "domains", "path": str(folder / "list")}
    with elsewhere() as one, elsewhere() as other:
        upstreams, spare = [one, other], [free_port() for _ in range(3)]
        with Daemon(folder / "daemon", feed, upstream=one, fresh=True) as daemon:
            daemon.stop()
            daemon.settings["upstream"] = {"flood_limit": 0}
            daemon.start()
            daemon.wait_for_version(1)
            base: Config = {**daemon.settings, "upstreams": upstreams}
            taken = 0
            with Load(daemon, BLOCKED, OPEN_BELOW, programs=True) as load:
                for number in range(count):
                    config = settings_of(chance, base, upstreams, spare)
                    is_broken = chance.random() < BROKEN
                    daemon.settings = broken(chance, config) if is_broken else config
                    daemon.write_config()
                    if number % OFTEN == 0:
                        print(f"before reload {number}: {held_by(daemon)}", flush=True)
                    begun = time.time()
                    done = daemon.run_verb("reload")
                    at = time.strftime("%H:%M:%S", time.gmtime(begun))
                    print(f"{number} at {at}: {time.time() - begun:.1f} s, {done.returncode}", flush=True)
                    if done.returncode != (1 if is_broken else 0):
                        yield f"reload {number} ended with {done.returncode}: {done.stdout}{done.stderr}"
                    taken += done.returncode == 0
            print(f"in the end: {held_by(daemon)}")
            yield from load.figures.lost[:MAX_TOLD]
            if load.figures.lost:
                yield f"{len(load.figures.lost)} questions were lost; the log:\n{daemon.log[-4000:]}"
    print(f"{taken} configs of {count} taken; {load.figures.answers:,} answers")
    print(*load.figures.lines(), sep="\n")


def held_by(daemon: Daemon) -> str:
    """Say what the processes of a daemon have: KiB that are no file's, and descriptors."""
    found = []
    for name, pids in {"supervisor": [daemon.pid], **{role: daemon.children(role) for role in ROLES}}.items():
        each = [f"{_resident(pid):,} KiB and {len(list(Path(f'/proc/{pid}/fd').iterdir()))} files" for pid in pids]
        found.append(f"{name} {', '.join(each) or 'none'}")
    return "; ".join(found)


def _resident(pid: int) -> int:
    """Return the KiB of a process that are its own, and of no file (proc_pid_status(5))."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


def main() -> int:
    """Run it as the arguments say; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=CONFIGS)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="blockd-reload-") as folder:
        wrong = list(run(Path(folder), args.count, args.seed))
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
