"""What the control process consists of: each part is made from those before it, and is named here once.

Its loops and the messages that it hears stand here as well, each in one line: a new part is added in this module alone,
with what it answers at the admin port in `blockd.daemon.control_answers`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Coroutine, Mapping

from blockd.audit import AuditLog, AuditRecorder
from blockd.audit.gap import read_alive
from blockd.daemon.answers.acceptable import AcceptPreviews
from blockd.daemon.answers.differences import VersionDiffer
from blockd.daemon.cache.service import CacheService
from blockd.daemon.certificates.watch import CertificateWatch
from blockd.daemon.channel import Message
from blockd.daemon.clock_watch import ClockWatch
from blockd.daemon.contexts import ControlContext
from blockd.daemon.damage import Damage
from blockd.daemon.environment import Environment
from blockd.daemon.figures.history import History
from blockd.daemon.figures.hits import EnforcedOrders, owners_of
from blockd.daemon.figures.log_reader import LogReader
from blockd.daemon.figures.service import Figures, FigureSources
from blockd.daemon.followers.watch import Followers
from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.lookup.asking import WorkerAsker
from blockd.daemon.lookup.online import Lookups, World
from blockd.daemon.operator.accepting import AcceptService
from blockd.daemon.operator.overrides import OverrideService
from blockd.daemon.operator.releases import ReleaseService, released_keys
from blockd.daemon.operator.token_watch import watch_tokens
from blockd.daemon.order_clock import OrderClock
from blockd.daemon.page.dossiers import DossierService
from blockd.daemon.processes.background import forget_traffic, set_apart
from blockd.daemon.processes.supervisor_watch import SupervisorWatch
from blockd.daemon.reload.service import ReloadService
from blockd.daemon.report import conditions
from blockd.daemon.report.held_back import HeldBack
from blockd.daemon.report.of_enforced import OfEnforced
from blockd.daemon.report.order_counts import OrderCounts
from blockd.daemon.report.scrape import sample
from blockd.daemon.report.state_sentence import StateTelling
from blockd.daemon.report.statements import Sources, StatementService
from blockd.daemon.report.status import Observed
from blockd.daemon.ruleset_switcher import RulesetSwitcher
from blockd.daemon.switching import ControlChannel, Store, WorkerLink
from blockd.daemon.update.compile_child import Compiling
from blockd.daemon.update.current_gate import CurrentGate
from blockd.daemon.update.feed_set import FeedSet, resolving
from blockd.daemon.update.updater import Updater
from blockd.daemon.upgrade.service import UpgradeService
from blockd.daemon.upstreams.service import UpstreamService
from blockd.daemon.workers import Workers
from blockd.feeds.overrides.file import FILE as OVERRIDES_FILE
from blockd.feeds.overrides.file import UNNAMED_OPERATOR
from blockd.feeds.reasons import REASONS
from blockd.metrics import Collector, Sample
from blockd.resolver.own_networks import own_networks
from blockd.resolver.resolution import Resolution
from blockd.ruleset import Enforced
from blockd.ruleset.gate.lists import popular_path
from blockd.ruleset.versions.keeping import Retention
from blockd.settings import OverridesFeed
from blockd.web.api.control import Condition
from blockd.web.api.events import Events
from blockd.web.bounds.admin_closings import AdminClosings
from blockd.web.callers.admin_tls import AdminTlsContexts
from blockd.web.callers.attempts import WrongAttempts
from blockd.web.callers.local import LocalUsers
from blockd.web.callers.recognition import Callers
from blockd.web.callers.role import role_of
from blockd.web.callers.sessions import Sessions
from blockd.web.callers.token_file import TokenFile

log = logging.getLogger(__name__)


class ControlParts:
    """The parts of a control process, by name. They are made, and none of them runs yet."""

    def __init__(self, context: ControlContext, channel: ControlChannel, environment: Environment) -> None:
        shared, timing = context.shared, environment.timing
        settings, state, gate = shared.settings, shared.state, context.gate.gate()
        own = OverridesFeed(path=state.folder / OVERRIDES_FILE)
        self.context = context
        self.settings = settings
        self.state = state
        self.channel = channel
        self.timing = timing
        self.is_blind = state.is_out_of_reach()  # then nothing is made of feeds whose state could not be read
        # From here on each part depends only on those above it.
        self.slots = HitSlots.load(state.folder / "hit-slots.json", clear=shared.counters.clear_hits)
        self.workers = Workers.of(settings.workers, context.workers)
        self.followers = Followers.of(
            context.followers, timing.monotonic, has_page=shared.sockets.has_page, decides=bool(shared.sockets.decide)
        )
        self.upstreams = UpstreamService(shared, context.resolution, channel, timing)
        self.certificates = CertificateWatch.of(settings, context.certificates.pairs(), channel, timing)
        source = resolving(environment.source, self.upstreams.for_all_names)
        self.feeds = FeedSet.load((*settings.feeds, own), state.feed_folder, gate, timing, source, settings.limits)
        self.upstreams.follow(self.feeds)
        self.tests = environment.self_tests(settings, shared.selftest_key)
        self.audit = AuditLog(state.folder, timing.clock, state.room.no_evidence)
        self.recorder = AuditRecorder(self.audit, self.feeds.settings, timing.clock)
        store = Store(state, self.slots, Retention.of(settings), environment.compare)
        link = WorkerLink(self.workers, channel)
        self.switcher = RulesetSwitcher(store, link, self.feeds, self.tests, self.recorder, timing)
        self.caches = CacheService(link, lambda: self.enforced, timing)
        self.clock_watch = ClockWatch(timing.clock)
        self.clock_watch.know([read_alive(state.folder), *(found.state.checked for found in self.feeds.values())])
        self.order_clock = OrderClock(state, self.switcher, self.feeds, self.recorder, timing, self.clock_watch)
        released, trouble = released_keys(state.folder)
        self.gate = CurrentGate(gate, released)
        self.gate.stand_on(own_networks(settings, context.resolution.observation))
        compiling = Compiling(self.gate, state.compiling / "compiled", environment.compiler, state.room)
        self.updater = Updater(self.feeds, compiling, self.switcher, self.recorder, timing)
        watch = SupervisorWatch(context.supervisor)
        self.damage = Damage(
            state, self.switcher, channel, timing, context.damaged, watch, self.updater, context.unverified
        )
        self.damage.note_restarts(context.restarts)
        self.upstreams.listen(self._stand_on)
        self.overrides = OverrideService(
            own.path, settings.operator.name or UNNAMED_OPERATOR, self.recorder, self.updater, self.switcher,
            gate.guard, timing.clock,
        )  # fmt: skip
        self.acceptance = AcceptService(self.recorder, self.updater)
        self.releases = ReleaseService(state.folder, self.gate, self.recorder, self.updater, timing.clock, trouble)
        sources = Sources(self.switcher, self.feeds, self.workers, self.recorder, self.tests, settings.groups)
        self.statements = StatementService(settings.operator.name, sources, timing)
        self.dossiers = DossierService(settings, state, self.recorder, lambda: self.enforced, timing)
        self.held = HeldBack(state.versions)
        self.differ = VersionDiffer(state.versions, environment.differ, popular_path(settings.gate))
        self.previews = AcceptPreviews(
            self.feeds, self.gate, lambda: self.switcher.ruleset, (environment.previewer, environment.differ),
            state.compiling, state.room, popular_path(settings.gate),
        )  # fmt: skip
        self.events = Events()
        tls = settings.listen.admin_tls
        self.admin_tls = None if tls is None else AdminTlsContexts(lambda: self.certificates.pairs, tls.client_ca)
        tokens = TokenFile(state.folder, timing.clock, self.recorder.tokens.tokens_are)
        self.callers = Callers(
            tokens,
            Sessions(state.folder, tokens, timing.clock),
            WrongAttempts(timing.monotonic),
            LocalUsers(settings.admin_socket, os.getppid()),
            certificates={one.name: role_of(one.role) for one in (tls.clients if tls else ())},
        )
        self.closings = AdminClosings(timing.monotonic)
        self.reloads = ReloadService(channel, self.audit, context.reloads, context.running, timing)
        self.upgrades = UpgradeService(channel, self.audit, timing)
        self.counts = OfEnforced(OrderCounts.of)
        orders = OfEnforced(EnforcedOrders.of)
        self.history = History(
            state.folder,
            shared.counters,
            lambda: owners_of(self.slots, orders(self.enforced)),
            lambda: not state.room.keeps_history,
        )
        self.observed = Observed(
            self.switcher, self.feeds, self.workers, self.followers, self.damage, self.tests, self.overrides,
            self.audit, self.releases, shared.sockets.bound, self.clock_watch, context.running, self.held,
            self.updater.maker, state.room, self.upstreams, self.certificates, self.history,
            settings, self.reloads, self.counts, timing.clock(), context.since,
        )  # fmt: skip
        self.figures = Figures(
            FigureSources(
                settings, shared.counters, self.observed, self.slots, self.caches, self.history,
                LogReader(state.folder), timing, lambda: self.enforced, orders, lambda: self.callers.tokens.tokens,
            )
        )  # fmt: skip
        self.figures.tell_state = StateTelling(channel)
        self.figures.is_heard = lambda: self.events.listening > 0
        self.figures.publish = lambda name, told: self.events.publish(name, told.to_json())
        asker = WorkerAsker(settings.listen.dns, shared.selftest_key)
        world = World(settings, lambda: self.enforced, asker, timing.clock, self.held, self.upstreams.resolution)
        self.lookups = Lookups(world)
        self.collector = Collector(shared.counters, list(REASONS), self._sample)
        self.hears: Mapping[str, Callable[[Message], None]] = {  # by the key that a message has; the first counts
            "reloaded": self.reloads.heard,
            "upgraded": self.upgrades.heard,
            "restarts": lambda message: self.damage.note_restarts(message["restarts"]),
            "unverified": lambda message: self.damage.note_unverified(message["unverified"]),
            "cache": self.caches.heard,
            "notified": lambda message: self.feeds.hint(str(message["notified"])),
            "refused_notify": lambda message: self.feeds.notify.heard(message["refused_notify"]),
        }

    @property
    def enforced(self) -> Enforced | None:
        """The version in force."""
        return self.switcher.enforced

    @property
    def condition(self) -> Condition:
        """Whether all processes are running, and all that follow the workers do so."""
        return conditions.health(self.workers, self.followers, self.damage.supervisor, self.switcher.version)

    @property
    def readiness(self) -> Condition:
        """Whether every worker enforces the current version."""
        return conditions.readiness(self.workers, self.switcher.version, self.settings)

    def needed(self) -> list[Coroutine[None, None, None]]:
        """Return the loops of which each ends the process if it ends."""
        needed = [self.order_clock.run(), self.upstreams.run(), self.damage.run()]
        return needed + ([] if self.is_blind else [self.updater.run()])

    def beside(self) -> list[Coroutine[None, None, None]]:
        """Return the loops that run beside those."""
        return [
            forget_traffic(self.context.shared.traffic, self.timing),
            self.statements.state_forever(self.settings.audit.statement),
            self.certificates.run(),
            watch_tokens(self.callers.tokens, self.timing),
            self.dossiers.run(),
            self.figures.run(),
            set_apart(lambda: self.switcher.version, self.timing),
        ]

    def _stand_on(self, resolution: Resolution) -> None:
        """Have no list block the upstreams of now, if they are others."""
        if self.gate.stand_on(own_networks(self.settings, resolution.observation)):
            log.info("Other upstreams are asked: no list may block their addresses from the next ruleset on.")
            self.updater.note_gate()

    def _sample(self) -> Sample:
        return sample(
            self.enforced, self.feeds, self.slots, self.recorder, self.held, self.counts(self.enforced),
            is_pinned=self.switcher.pin is not None, is_ready=self.readiness.is_ok,
            history_failing=bool(self.history.trouble),
            followers=self.followers, tests=self.tests,
            releases_failed=bool(self.releases.trouble), clock_behind=self.clock_watch.behind(),
            contradictions=self.switcher.journal.contradictions.count,
            damage=self.damage,
            compiling=self.updater.maker.seconds, room=self.state.room, upstreams=self.upstreams.sample(),
            certificates=self.certificates.sample(self.timing.clock()), reloads=self.reloads.sample(),
            admin_refused=self.callers.attempts.count, admin_closed=self.closings.counts, now=self.timing.clock(),
        )  # fmt: skip
