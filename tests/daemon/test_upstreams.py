"""Upstreams in a running daemon: they follow resolv.conf in every worker, and their states are told."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from tests.daemon.harness import Daemon, put, until
from tests.upstream import Fault, UpstreamSimulator


def figures(daemon: Daemon) -> dict[str, dict[str, Any]]:
    return {one["upstream"]: one for one in daemon.status()["upstreams"]}


def alarms(daemon: Daemon) -> set[str]:
    return {alarm["name"] for alarm in daemon.status()["alarms"]}


def test_upstreams_follow_the_machine_and_are_told(tmp_path: Path) -> None:
    with UpstreamSimulator() as upstream:
        upstream.plan("open.example", "A", "open.example. 60 IN A 192.0.2.1")
        daemon = Daemon(tmp_path / "daemon", program="tests.daemon.other_machine")
        daemon.listen["dns"] = [f"0.0.0.0:{daemon.dns_port}"]
        daemon.settings["upstreams"] = [upstream.address, "system", f"127.0.0.2:{daemon.dns_port}"]
        with daemon:
            address = upstream.upstream.text
            until(lambda: figures(daemon)[address]["state"] == "up", "probes say that it is up")
            assert daemon.ask("open.example", "A").message.answer
            until(lambda: figures(daemon)[address]["answered"] >= 1, "the answer is counted")
            until(lambda: "BlockdUpstreamLoop" in alarms(daemon), "blockd itself is left out")
            assert f"127.0.0.2:{daemon.dns_port} is blockd itself; it is left out." in daemon.log
            assert "/etc/resolv.conf cannot be read: No such file or directory" in daemon.log

            # Nobody is at port 53 of that address: the network says so at once.
            put(daemon.folder / "resolv.conf", b"nameserver 127.0.0.99\n")
            until(lambda: "127.0.0.99:53" in figures(daemon), "resolv.conf is followed")
            until(lambda: figures(daemon)["127.0.0.99:53"]["state"] in ("failing", "down"), "workers have followed")
            assert daemon.status()["resolution"]["system"]["name_servers"] == ["127.0.0.99"]
            assert "BlockdUpstreamFailing" in alarms(daemon)
            until(lambda: "The upstream 127.0.0.99:53 is" in daemon.log, "the log tells of it")
            assert figures(daemon)[address]["answered"] >= 1, "what is known of the other one is kept"
            assert daemon.ask("open.example", "A").message.answer
            shown = daemon.run_verb("status").stdout
            assert "system: 127.0.0.99, by /etc/resolv.conf\n" in shown
            assert f"upstream {address}: up since " in shown
            assert daemon.metric("blockd_upstream_up", upstream="127.0.0.99:53") == 0
            assert daemon.metric("blockd_upstreams_usable", zone=".") == 1

            before = [worker["pid"] for worker in daemon.status()["workers"]]
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            until(
                lambda: not {one["pid"] for one in daemon.status()["workers"]} & {*before, None},
                "both are started anew",
            )
            assert set(figures(daemon)) == {address, "127.0.0.99:53"}
            until(lambda: figures(daemon)[address]["state"] == "up", "new workers ask the same ones")
            assert daemon.ask("open.example", "A").message.answer

            upstream.faults.add(Fault.SILENCE)
            daemon.ask("other.example", "A")
            until(lambda: "BlockdNoUpstream" in alarms(daemon), "all are silent", 60.0)
