"""Hostile load, all of it at once, until SIGTERM: `python -m tests.soak.enemies DNS HTTP TLS ADMIN`.

The arguments are loopback's ports, 0 for none. What comes are names that fail, packets that are cut, flipped or random,
TCP connections that say nothing or an octet a second, many questions in one segment, pages that nobody reads, heads
without end, handshakes that are none, scrapes of metrics.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator

import dns.message

FAILING_RATE = 300  # names a second for each kind of failing
BROKEN_RATE = 200  # packets a second
HOARDERS = 10  # addresses
HOARD = 120  # connections of each
BUSY = 6  # tasks that each open one page or handshake after the other
ZONES = ("silent.example", "servfail.example")
HEADS = (
    b"GET / HTTP/1.1\r\nHost: " + b"x" * 1000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: " + "ä.".encode() * 400 + b"\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: blocked.example\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n",
    b"GET /" + b"a" * 70_000,
    b"\x16\x03\x01\xff\xff" + bytes(3000),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"",
)


async def _failing(port: int, chance: random.Random) -> None:
    """Ask for names that were never asked for, each once, and read no answer."""
    number = chance.randrange(1 << 48)
    with _datagrams(port) as sock:
        while True:
            for zone in ZONES:
                for _ in range(FAILING_RATE // 50):
                    number += 1
                    _send(sock, dns.message.make_query(f"n{number}.{zone}", "A").to_wire())
            await asyncio.sleep(0.02)


async def _broken(port: int, chance: random.Random) -> None:
    """Send packets that are nearly questions."""
    good = dns.message.make_query("blocked.example", "A", use_edns=0).to_wire()
    with _datagrams(port) as sock:
        while True:
            for _ in range(BROKEN_RATE // 50):
                packet = bytearray(good)
                for _ in range(chance.randrange(1, 6)):
                    packet[chance.randrange(len(packet))] = chance.randrange(256)
                kind = chance.randrange(4)
                if kind == 0:
                    packet = packet[: chance.randrange(len(packet))]
                elif kind == 1:
                    packet += chance.randbytes(chance.randrange(4000))
                _send(sock, bytes(packet))
            await asyncio.sleep(0.02)


async def _hoard(port: int, chance: random.Random) -> None:
    """Hold connections from several addresses; some send an octet now and then, all are opened anew once closed."""

    async def hold(host: str) -> None:
        while True:
            with contextlib.suppress(OSError, TimeoutError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(host, 0))
                try:
                    while not reader.at_eof() and not writer.is_closing():
                        if chance.random() < 0.3:
                            writer.write(b"\0")
                        with contextlib.suppress(TimeoutError):
                            await asyncio.wait_for(reader.read(100), chance.uniform(0.5, 2))
                finally:
                    writer.transport.abort()
            await asyncio.sleep(chance.uniform(0.1, 1))

    await asyncio.gather(*(hold(f"127.0.{place}.1") for place in range(2, 2 + HOARDERS) for _ in range(HOARD)))


async def _pipeline(port: int, chance: random.Random) -> None:
    """Send hundreds of questions at once over TCP, and leave most answers unread."""
    while True:
        with contextlib.suppress(OSError, TimeoutError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(500):
                wire = dns.message.make_query(f"p{chance.randrange(1 << 40)}.cached.example", "A").to_wire()
                writer.write(len(wire).to_bytes(2) + wire)
                if writer.is_closing():
                    break
            await asyncio.sleep(0.5)
            writer.transport.abort()


async def _pages(port: int, chance: random.Random) -> None:
    while True:
        with contextlib.suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(chance.choice(HEADS))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(2000), 0.3)
            writer.transport.abort()
        await asyncio.sleep(0.01)


async def _scrape(port: int, chance: random.Random) -> None:
    while True:
        with contextlib.suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            path = chance.choice(("/metrics", "/api/status", "/healthz", "/api/lookup?name=blocked.example"))
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(), 5)
            writer.close()
        await asyncio.sleep(0.5)


@contextlib.contextmanager
def _datagrams(port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(("127.0.0.1", port))
        yield sock


def _send(sock: socket.socket, packet: bytes) -> None:
    with contextlib.suppress(OSError):
        sock.send(packet)


async def _run(dns_port: int, http: int, tls: int, admin: int) -> None:
    chance = random.Random(3)  # noqa: S311 - a soak repeats itself
    enemies: list[tuple[Callable[[int, random.Random], Awaitable[None]], int]] = [
        (_failing, dns_port),
        (_broken, dns_port),
        (_hoard, dns_port),
        (_pipeline, dns_port),
        *[(_pages, http), (_pages, tls)] * BUSY,
        (_scrape, admin),
    ]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    tasks = [asyncio.ensure_future(enemy(port, random.Random(chance.random()))) for enemy, port in enemies if port]  # noqa: S311
    stopped = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in done - {stopped}:
        task.result()
    os._exit(0)  # its thousand connections are ended by the kernel


if __name__ == "__main__":
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # that connections are lost is no news here
    asyncio.run(_run(*map(int, sys.argv[1:5])))
