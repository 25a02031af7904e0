"""A resolver worker: one process, one event loop, its own sockets."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from dataclasses import asdict

import uvloop

from blockd.daemon.cache.desk import CacheDesk
from blockd.daemon.certificates.follower import CertificateFollower
from blockd.daemon.channel import DESCRIPTOR, Channel, Message, listen
from blockd.daemon.contexts import WorkerContext
from blockd.daemon.followers.leaving import Leaving
from blockd.daemon.process_name import name_process
from blockd.daemon.processes import pulse
from blockd.daemon.processes.signals import ENDING
from blockd.daemon.rights.confinement import Confinement
from blockd.daemon.upstreams.follower import ResolutionFollower
from blockd.daemon.upstreams.known import learn
from blockd.daemon.worker.caches import hand_over, take_over
from blockd.daemon.worker.streams import WorkerStreams
from blockd.errors import RulesetError
from blockd.feeds.transfer.addresses import remembered_hosts
from blockd.feeds.transfer.notify import Notified
from blockd.names import key_from_text
from blockd.names.suffixes import PublicSuffixes
from blockd.resolver import (
    CACHE_SEED,
    CacheOptions,
    Instruments,
    Resolver,
    SelfTestIdentity,
    Service,
    Sinkhole,
    UpstreamOptions,
)
from blockd.resolver.edge.rate_limit import RateLimiter
from blockd.resolver.edge.rates import SEED, RateLimits
from blockd.resolver.edge.server_cookies import ServerCookies
from blockd.resolver.forwarding.floods import FloodLimit
from blockd.resolver.machine.own_questions import OwnQuestions
from blockd.ruleset import Enforced
from blockd.ruleset.gate.lists import installed_suffixes
from blockd.settings.model import Forwarding, RateLimitSettings
from blockd.transports import UdpServer
from blockd.transports.descriptors import Shares, make_room

log = logging.getLogger(__name__)


def run(context: WorkerContext, channel: Channel, role: str = "") -> None:
    """Serve until the channel ends or the process is told to stop; `role` names one that is only tried."""
    name_process(role or f"worker {context.index}", role or f"w{context.index}")
    sockets = context.shared.sockets
    sockets.keep(*sockets.of_worker(context.index))
    settings, state = context.shared.settings, context.shared.state.folder
    make_room(Shares.of(settings).wanted(len(context.resolution.upstreams)), channel.fileno())
    Confinement.of_worker(settings, state, context.resolution.upstreams).apply()
    uvloop.run(_serve(context, channel))


async def _serve(context: WorkerContext, channel: Channel) -> None:
    pulse.begin(asyncio.get_running_loop())
    resolver = _resolver(context, channel)
    learn(resolver.healths, context.shared.upstreams)
    enforced: Enforced | None = None
    if context.version is not None:  # raises if it cannot be opened: no worker serves without the ruleset in force
        enforced = context.shared.state.open(context.version)
        resolver.enforce(enforced)
    if context.handed is not None:
        await take_over(resolver, context.handed, context.resolution)
    udp = UdpServer(context.shared.sockets.udp[context.index], resolver)
    resolver.ask_upstreams(udp.answer_later)
    certificates = CertificateFollower(context.certificates, context.shared.tickets)
    streams = WorkerStreams(context, resolver, certificates.server)
    channel.send({"enforcing": context.version or 0})  # now: whose place it takes may leave
    await _enforce_until_stopped(context, resolver, channel, certificates, enforced, udp, streams)
    streams.close()
    resolver.close()
    await udp.close()


async def _enforce_until_stopped(
    context: WorkerContext,
    resolver: Resolver,
    channel: Channel,
    certificates: CertificateFollower,
    enforced: Enforced | None,
    udp: UdpServer,
    streams: WorkerStreams,
) -> None:
    """Swap rulesets and certificates, and look into the cache, on messages of the channel.

    It lasts to the channel's end, to a signal, or until the servers are drained: also what they still answer is
    answered by the newest version.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    versions: asyncio.Queue[int] = asyncio.Queue()
    desk = CacheDesk(resolver.inspector, channel.send, time.monotonic, time.time)
    following = ResolutionFollower(context, resolver)
    following.start()
    certificates.start()
    leaving = Leaving([udp, *streams.servers], stop.set)
    writing: list[asyncio.Task[None]] = []  # of what is cached, for a successor; asked for by the supervisor alone

    def take(message: Message) -> None:
        if "cache" in message:
            desk.take(message["cache"])
        elif "resolution" in message:
            following.take(message["resolution"])
        elif "certificates" in message:
            certificates.take(message)
        elif "drain" in message:
            streams.pass_on_to(lambda number, octets: channel.try_send({"connection": octets.hex()}, number))
            leaving.begin(message)
        elif "connection" in message:
            if (number := message.pop(DESCRIPTOR, None)) is not None:
                streams.adopt(number, bytes.fromhex(message["connection"]))
        elif "hand_over" in message:
            writing.append(loop.create_task(hand_over(resolver, message, channel.send)))
        else:
            versions.put_nowait(context.shared.state.taken(message))

    listen(channel, take, stop.set)
    for number in ENDING:
        loop.add_signal_handler(number, stop.set)
    swapping = asyncio.create_task(_swap_in_turn(context, resolver, channel, versions, enforced))
    swapping.add_done_callback(lambda _: stop.set())
    await stop.wait()
    loop.remove_reader(channel.fileno())
    if swapping.done():
        swapping.result()
    swapping.cancel()
    leaving.stop()
    following.stop()
    certificates.stop()


async def _swap_in_turn(
    context: WorkerContext,
    resolver: Resolver,
    channel: Channel,
    versions: asyncio.Queue[int],
    enforced: Enforced | None,
) -> None:
    """Enforce one version after the other; each is opened in a thread, so that no question waits for it."""
    while True:
        enforced = await _enforce(context, resolver, channel, await versions.get(), enforced)


def _resolver(context: WorkerContext, channel: Channel) -> Resolver:
    shared = context.shared
    settings, cache = shared.settings, shared.settings.cache
    notified = Notified(
        settings.feeds,
        lambda feed: channel.send({"notified": feed}),
        time.monotonic,
        refuse=lambda refused: channel.send({"refused_notify": asdict(refused)}),
        remembered=lambda feed: remembered_hosts(feed, shared.state.feed_folder(feed.name)),
    )
    service = Service(
        networks=tuple(settings.clients.allow),
        sinkhole=Sinkhole(
            str(settings.sinkhole.ipv4),
            str(settings.sinkhole.ipv6),
            settings.block_ttl,
            settings.operator.disclosed,
            settings.structured_errors.reply,
        ),
        refuse_unready=settings.at_first_start == "refuse",
        selftest=SelfTestIdentity(shared.selftest_key, context.index),
        notify=notified or None,
        client_ttl=int(cache.client_ttl),
        local=shared.loop_token.with_zone(context.resolution.local),
        own=OwnQuestions(shared.loop_token, context.resolution.upstreams),
        front_ends=tuple(settings.clients.front_ends),
        proxies=tuple(settings.proxy_protocol.networks),
        limiter=RateLimiter(_rate_limits(settings.clients.rate_limit), secrets.token_bytes(SEED)),
        cookies=ServerCookies(shared.cookie_secrets) if shared.cookie_secrets else None,
        client_option=settings.structured_errors.client_option,
        server_id=settings.server_id.encode(),
    )
    instruments = Instruments(
        clock=time.monotonic,
        wall_clock=time.time,
        row=shared.counters.row(context.row),
        traffic=shared.traffic.row(context.row),
    )
    options = UpstreamOptions(
        settings.upstream.timeout,
        settings.upstream.attempts,
        secrets.randbelow,
        mixed_case=settings.upstream.mixed_case,
        cookies=settings.upstream.cookies,
        avoid_ports=settings.upstream.avoid_ports,
        floods=_flood_limit(settings.upstream),
        cookie_for=shared.loop_token.cookie_for,
        sockets=Shares.of(settings).upstreams,
    )
    return Resolver(
        context.engine,
        service,
        CacheOptions(
            size=cache.size // settings.workers,
            max_ttl=cache.max_ttl,
            max_negative_ttl=cache.max_negative_ttl,
            seed=secrets.token_bytes(CACHE_SEED),
            stale=cache.stale,
            stale_after=cache.stale_after,
            prefetch=cache.prefetch,
        ),
        context.resolution.groups,
        options,
        instruments,
    )


def _rate_limits(settings: RateLimitSettings) -> RateLimits:
    return RateLimits(
        settings.responses_per_second, settings.errors_per_second, settings.strangers_per_second, settings.slip
    )


def _flood_limit(settings: Forwarding) -> FloodLimit:
    suffixes = installed_suffixes() if settings.flood_limit else PublicSuffixes.none()
    return FloodLimit(settings.flood_limit, frozenset(map(key_from_text, settings.flood_exempt)), suffixes)


async def _enforce(
    context: WorkerContext, resolver: Resolver, channel: Channel, version: int, before: Enforced | None
) -> Enforced | None:
    """Verify, swap, notify; a version that cannot be opened leaves `before` in force. Return the one in force."""
    try:
        enforced = await asyncio.to_thread(context.shared.state.open, version, before.ruleset if before else None)
        resolver.enforce(enforced)
    except RulesetError as error:
        log.error("Worker %d keeps the ruleset in force: %s", context.index, error)
        channel.send({"failed": version, "why": str(error)})
        return before
    channel.send({"enforcing": version})
    return enforced
