"""Checks of the addresses that blockd listens on."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from blockd.doctor.finding import Context, Finding, bad, ok, warning
from blockd.doctor.kernel_sockets import KernelSocket, Program
from blockd.settings import Settings, SocketAddress
from blockd.settings.listening import UnixSocket
from blockd.transports.binding import why_not
from blockd.transports.listening.served import served_lines
from blockd.transports.unix_socket import trouble_at

PRIVILEGED = 1024  # ports below are reserved for root, unless the system is configured otherwise
STUB_NAME = "systemd-resolve"  # systemd-resolved's name, cut by the kernel to 15 characters
_NO_IPV6 = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def listened(settings: Settings) -> Iterator[tuple[str, SocketAddress, socket.SocketKind]]:
    """Yield each address to listen on, with its setting and the kind of socket bound there."""
    listen = settings.listen
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        yield from (("listen.dns", address, kind) for address in listen.dns)
    for setting, addresses in (
        ("listen.dot", listen.dot),
        ("listen.doh", listen.doh),
        ("listen.block_page.http", listen.block_page.http),
        ("listen.block_page.https", listen.block_page.https),
        ("listen.public.http", listen.public.http),
        ("listen.public.https", listen.public.https),
        ("listen.decide", tuple(one for one in listen.decide if isinstance(one, SocketAddress))),
        ("listen.admin", (listen.admin,)),
    ):
        yield from ((setting, address, socket.SOCK_STREAM) for address in addresses)


def privileges(case: Context) -> Iterator[Finding]:
    """Check that this user may bind the ports below 1024."""
    low = sorted({address.port for _, address, _ in listened(case.settings) if address.port < PRIVILEGED})
    refused = [port for port in low if not case.machine.may_bind(port)]
    shown = ", ".join(map(str, refused))
    if not refused:
        yield ok(f"ports {', '.join(map(str, low))} may be bound" if low else "no port below 1024 is listened on")
    elif case.running.is_alive:
        yield ok(f"the running blockd has its ports; this user could not bind {shown}")
    else:
        yield bad(
            f"this user may not bind ports {shown}",
            "Start blockd as root (see the key `user`) or with CAP_NET_BIND_SERVICE, as the systemd unit does.",
        )


def ports(case: Context) -> Iterator[Finding]:
    """Check that every address can be listened on, or that the running blockd listens there."""
    held = 0
    troubles: list[Finding] = []
    for setting, address, kind in listened(case.settings):
        place = f"{setting} {address.text} ({'UDP' if kind == socket.SOCK_DGRAM else 'TCP'})"
        error = case.machine.attempt(address, kind)
        if error is None:
            if case.running.is_alive:
                advice = "`blockd reload` applies the current config."
                troubles.append(warning(f"the running blockd does not listen on {place}", advice))
        elif error.errno in _NO_IPV6 and ":" in address.host:
            continue  # reported by the check of IPv6
        elif error.errno in (errno.EADDRINUSE, errno.EACCES):
            there = [one for one in case.machine.sockets(kind) if _is_in_the_way(one.address, address)]
            if error.errno == errno.EACCES and not there:
                continue  # reported by the check of privileges
            others = _others(case, there)
            if others is None:
                held += 1
            else:
                troubles.append(_taken(place, setting, address, others))
        else:
            advice = f"Set {setting} to addresses of this machine (`ip address` shows them)."
            troubles.append(bad(f"{place} cannot be listened on: {why_not(error, address)}", advice))
    if not case.running.is_alive:  # else it listens there itself, as the check after this one tells
        troubles += _unix_sockets(case.settings)
    if troubles:
        yield from troubles
    elif held:
        yield ok(f"the running blockd has {held} sockets as configured")
    else:
        yield ok("no program has an address of the config")


def _unix_sockets(settings: Settings) -> Iterator[Finding]:
    for place in settings.listen.decide:
        if isinstance(place, UnixSocket) and (why := trouble_at(place.path)):
            yield bad(f"listen.decide {place.text} cannot be listened on: {why}", "Mend that, or name another path.")


def bound(case: Context) -> Iterator[Finding]:
    """Tell where the running blockd listens, by protocol, as it says itself."""
    told = (case.running.status or {}).get("bound")
    if not isinstance(told, dict):
        yield ok("no running blockd says where it listens")
        return
    places = (f"{label} {where}" for label, where in served_lines(told, "nowhere"))
    yield ok(f"the running blockd listens: {'; '.join(places)}")
    if told["left_out"]:
        yield warning(
            f"the running blockd has left out {', '.join(told['left_out'])}",
            "Configure IPv6 on the machine and restart blockd, or remove the address.",
        )


def ipv6(case: Context) -> Iterator[Finding]:
    """Check that the IPv6 addresses of the config belong to this machine."""
    absent: dict[str, list[SocketAddress]] = {}
    counts: dict[str, int] = {}
    configured = False
    for setting, address, kind in listened(case.settings):
        if kind == socket.SOCK_STREAM:
            counts[setting] = counts.get(setting, 0) + 1
            if ":" in address.host:
                configured = True
                if not case.machine.has_address(address.host):
                    absent.setdefault(setting, []).append(address)
    for setting, addresses in absent.items():
        shown = ", ".join(address.text for address in addresses)
        found = f"this machine has no such IPv6 address: {setting} {shown}"
        if len(addresses) < counts[setting] or counts[setting] > 1:
            yield warning(f"{found}; blockd starts without it", "Configure IPv6 on the machine, or remove the address.")
        else:
            yield bad(f"{found}; blockd cannot start", "Configure IPv6 on the machine, or name an IPv4 address.")
    if not absent:
        yield ok("every IPv6 address of the config is there" if configured else "no IPv6 address is listened on")


def dropped_questions(case: Context) -> Iterator[Finding]:
    """Check that no questions were lost because workers were too slow."""
    if not case.running.is_alive:
        yield ok("no blockd is running, so none were lost")
        return
    own = set(case.settings.listen.dns)
    drops = sum(one.drops for one in case.machine.sockets(socket.SOCK_DGRAM) if one.address in own)
    if drops:
        yield warning(
            f"the kernel dropped {drops:,} questions since blockd was started: its workers did not read them in time",
            "See the checks of the receive buffer, the engine and the workers; a flood has the same effect.",
        )
    else:
        yield ok("the kernel dropped none")


def _is_in_the_way(there: SocketAddress, wanted: SocketAddress) -> bool:
    """Return whether a socket at one address may prevent binding another; one at [::] may cover IPv4 too."""
    return there.clashes_with(wanted) or (there.host == "::" and there.port == wanted.port)


def _others(case: Context, there: list[KernelSocket]) -> list[Program] | None:
    """Return the programs that hold sockets; None if it is the running blockd.

    Holders that this user may not see are taken for blockd if it answers: it does not start without its ports.
    """
    programs = {program for one in there if (program := case.machine.holder(one.inode))}
    others = [program for program in programs if not {program.pid, program.parent} & case.running.pids]
    is_own = bool(programs) or (bool(there) and case.running.status is not None)
    return None if case.running.is_alive and is_own and not others else others


def _taken(place: str, setting: str, address: SocketAddress, others: list[Program]) -> Finding:
    if not others:
        return bad(
            f"{place} is taken by a program that this user cannot see",
            f"`ss -lnp 'sport = :{address.port}'` as root shows which.",
        )
    names = ", ".join(sorted(f"{program.name} (process {program.pid})" for program in others))
    advice = "Stop it, or configure another address for it or for blockd."
    if any(program.name == STUB_NAME for program in others):
        advice = (
            f"Name this machine's own addresses in {setting} instead of a wildcard, "
            "or set DNSStubListener=no in /etc/systemd/resolved.conf."
        )
    return bad(f"{place} is taken by {names}", advice)
