"""A bulk list and a policy zone from a web server, and a zone by transfer: their news, their faults, and a model."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.feeds.transfer.messages import ZONE, soa
from tests.feeds.transfer.primary import Primary
from tests.webserver import QuietHandler, QuietServer, running

FEEDS = ("bulk", "zone", "transferred")
BULK = 1_500  # names of the list, over the floor of the gate's limits on changes of size
MAX_SIZE = 256 << 10  # octets that the config lets the list and the zone have
LIST_FAULTS = ("cut", "shrunk", "garbage", "over-budget", "faulty-line", "503", "empty")
ZONE_FAULTS = ("cut", "garbage", "older", "conflict", "over-budget", "503")
TRANSFER_FAULTS = ("refused", "older", "bad-differences")
_ACTIONS = {"nxdomain": "CNAME .", "nodata": "CNAME *.", "drop": "CNAME rpz-drop.", "passthru": "CNAME rpz-passthru."}


class Pages(QuietServer):
    """Serves `pages`: for each path a status, and a body of which only a part is sent if it is `cut`."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.pages: dict[str, tuple[int, bytes]] = {}
        self.cut: set[str] = set()
        self.lock = threading.Lock()


class _Handler(QuietHandler):
    server: Pages

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        with self.server.lock:
            status, body = self.server.pages[self.path]
            is_cut = self.path in self.server.cut
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if is_cut else body)


@contextmanager
def pages() -> Iterator[Pages]:
    """Yield a server of pages on a free port of loopback."""
    with running(Pages()) as server:
        yield server


class Lists:
    """What the three say next; `expected` is what the node has to make of what they said well last, by name."""

    def __init__(self, served: Pages, primary: Primary, chosen: random.Random) -> None:
        self.expected: dict[str, str] = {}
        self.gone: list[str] = []  # names that were listed lately, and are not any more
        self._heeded: dict[str, dict[str, str]] = {}
        self._served = served
        self._primary = primary
        self._chosen = chosen
        self._bulk = [f"b-{number}.bulk.example" for number in range(BULK)]
        self._bulk_count = BULK
        self._zone = {f"z-{number}.zone.example": "nxdomain" for number in range(20)}
        self._transferred = [f"t-{number}.transfer.example" for number in range(20)]
        self._serial = 1
        self._transfer_serial = 10
        self._count = 20
        self._give("/list", self._list_text())
        self._give("/zone", self._zone_text())
        self._transfer()
        self.heed(*FEEDS)

    def config(self) -> list[dict[str, object]]:
        """Return the three feeds."""
        url = self._served.url
        more = {"max_size": f"{MAX_SIZE >> 10}K"}
        primary = [f"127.0.0.1:{self._primary.port}"]
        return [
            {"name": "bulk", "type": "domains", "url": f"{url}/list", "action": "sinkhole", "priority": 90, **more},
            {"name": "zone", "type": "rpz", "url": f"{url}/zone", "priority": 50, **more},
            {"name": "transferred", "type": "rpz-transfer", "primary": primary, "zone": ZONE.rstrip("."),
             "min_refresh": "1s", "priority": 60},
        ]  # fmt: skip

    def heed(self, *feeds: str) -> None:
        """Take what these feeds say now for what has to be enforced of them."""
        before = self.expected
        said = {
            "bulk": dict.fromkeys(self._bulk, "sinkhole"),
            "zone": {name: "resolved" if action == "passthru" else action for name, action in self._zone.items()},
            "transferred": dict.fromkeys(self._transferred, "nxdomain"),
        }
        self._heeded |= {feed: said[feed] for feed in feeds}
        self.expected = {name: action for names in self._heeded.values() for name, action in names.items()}
        self.gone = [*self.gone, *(name for name in before if name not in self.expected)][-10:]

    def publish_list(self) -> None:
        """Have the list lose some names and gain as many."""
        self._bulk = self._bulk[30:] + [f"b-{self._bulk_count + number}.bulk.example" for number in range(30)]
        self._bulk_count += 30
        self._give("/list", self._list_text())

    def fail_list(self) -> str:
        """Have the list's server give something bad; return the fault, of which `faulty-line` is the only one taken."""
        fault, text = self._chosen.choice(LIST_FAULTS), self._list_text()
        if fault == "faulty-line":
            self.publish_list()
            text = self._list_text() + b"com..\nb ad\x00.example\n" + b"x" * 300 + b".example\n"
        bodies = {
            "shrunk": b"".join(text.splitlines(keepends=True)[: BULK // 2]),
            "garbage": b"<html><body>" + self._chosen.randbytes(20_000) + b"</body></html>\n",
            "over-budget": b"".join(b"over-%d.example\n" % number for number in range(20_000)),
            "empty": b"",
            "cut": self._list_text() + b"never.bulk.example\n",
        }
        self._give("/list", bodies.get(fault, text), 503 if fault == "503" else 200, is_cut=fault == "cut")
        return fault

    def publish_zone(self) -> None:
        """Have the zone file lose a rule, change one and gain one."""
        self._count += 1
        del self._zone[next(iter(self._zone))]
        self._zone[self._chosen.choice(list(self._zone))] = self._chosen.choice(list(_ACTIONS))
        self._zone[f"z-{self._count}.zone.example"] = self._chosen.choice(list(_ACTIONS))
        self._serial += 1
        self._give("/zone", self._zone_text())

    def fail_zone(self) -> str:
        """Have the zone file be bad; return the fault, of which `conflict` is the only one taken."""
        fault = self._chosen.choice(ZONE_FAULTS)
        more = b"never.zone.example CNAME .\n"
        if fault == "conflict":  # the first rule of a name counts, wherever the second stands
            self.publish_zone()
            more = b"".join(b"%s A 192.0.2.77\n" % name.encode() for name in list(self._zone)[:5])
        serial = self._serial + (0 if fault == "conflict" else -1 if fault == "older" else 1)
        text = self._zone_text(serial) + more
        if fault == "garbage":
            text = b"<html><body>" + self._chosen.randbytes(20_000) + b"</body></html>\n"
        if fault == "over-budget":
            text += b"".join(b"over-%d.example CNAME .\n" % number for number in range(20_000))
        self._give("/zone", text, 503 if fault == "503" else 200, is_cut=fault == "cut")
        return fault

    def publish_transfer(self) -> None:
        """Have the zone at the primary lose a rule and gain one, by differences or as a whole."""
        self._count += 1
        gone, come, serial = self._transferred.pop(0), f"t-{self._count}.transfer.example", self._transfer_serial
        self._transferred.append(come)
        self._transfer()
        if self._chosen.random() < 0.7:
            now = self._primary.serial
            self._primary.ixfr = [[soa(now), soa(serial), _rule(gone), soa(now), _rule(come), soa(now)]]

    def fail_transfer(self) -> str:
        """Have the primary misbehave; return the fault. `bad-differences` is mended by taking the whole zone."""
        fault, serial = self._chosen.choice(TRANSFER_FAULTS), self._transfer_serial
        if fault == "bad-differences":
            self.publish_transfer()
            now = self._primary.serial
            self._primary.ixfr = [[soa(now), soa(serial), _rule("never.transfer.example"), soa(now), soa(now)]]
        elif fault == "refused":
            self._primary.rcode = 5
        else:
            self._primary.serial = serial - 5
        return fault

    def heal(self) -> None:
        """Have all three be good again, with newer content."""
        self.publish_list()
        self.publish_zone()
        self.publish_transfer()

    def _transfer(self) -> None:
        self._transfer_serial += 1
        self._primary.serial, self._primary.rcode = self._transfer_serial, 0
        whole = [soa(self._primary.serial), *map(_rule, self._transferred)]
        self._primary.axfr = self._primary.ixfr = [whole, [soa(self._primary.serial)]]

    def _give(self, path: str, body: bytes, status: int = 200, *, is_cut: bool = False) -> None:
        with self._served.lock:
            self._served.pages[path] = status, body
            (self._served.cut.add if is_cut else self._served.cut.discard)(path)

    def _list_text(self) -> bytes:
        return "".join(f"{name}\n" for name in self._bulk).encode()

    def _zone_text(self, serial: int | None = None) -> bytes:
        number = self._serial if serial is None else serial
        head = f"$ORIGIN rpz.invalid.\n$TTL 60\n@ SOA ns.invalid. h.invalid. {number} 60 60 60 60\n@ NS ns.invalid.\n"
        return (head + "".join(f"{name} {_ACTIONS[action]}\n" for name, action in self._zone.items())).encode()


def _rule(name: str) -> str:
    return f"{name}.{ZONE} 60 IN CNAME ."
