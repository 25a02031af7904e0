"""An example of each figure, for tests of what shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from blockd.web.figures.blocks import RecentBlock, RecentBlocks
from blockd.web.figures.both_languages import BothLanguages
from blockd.web.figures.duty import DutyClock, DutyTimes, DutyTurn
from blockd.web.figures.ending import USUAL_WITHIN, EndingItem, EndingSoon
from blockd.web.figures.events import FeedsChanged, SeriesTick, VersionEnforced
from blockd.web.figures.hits import HitRow, HitsBy, HitTable, Span
from blockd.web.figures.overview import Overview, OverviewAlarm
from blockd.web.figures.resolver import AnswerRates, FailingName, ResolverHealth, TransportRates
from blockd.web.figures.series import SERIES_NAMES, USUAL_POINTS, RateSeries, SeriesName
from blockd.web.figures.timeline import Timeline, TimelineEvent

STALE = OverviewAlarm(
    name="BlockdFeedStale",
    severity="warning",
    feed="ministry",
    authority="",
    what="It has not been fetched successfully for a long time.",
    in_force="all of it",
    todo="Check that its source can be reached from here, and ask its operator.",
    sentence=BothLanguages(
        "Feed ministry: it has not been fetched successfully for a long time.",
        "Feed ministry: sudah lama tidak berhasil diambil.",
    ),
    next_step=BothLanguages(
        "Check that its source can be reached from here, and ask its operator.",
        "Periksa apakah sumbernya dapat dijangkau dari sini, dan hubungi pengelolanya.",
    ),
)

OVERVIEW = Overview(
    level="attention",
    sentence=BothLanguages(
        "Version 42 is enforced by every worker; 1 warning: it has not been fetched successfully for a long time.",
        "Versi 42 diberlakukan oleh semua worker; 1 peringatan: sudah lama tidak berhasil diambil.",
    ),
    next_step=STALE.next_step,
    command="blockd refresh ministry",
    version=42,
    names=3_712_004,
    since="2026-11-24T08:00:00Z",
    alarms=(STALE,),
)

BLOCKS = RecentBlocks(
    (
        RecentBlock(
            "2026-11-24T12:00:07Z", "casino.example", "ministry", "games/2026-17", "Directorate of Games", "Casino",
            "sinkhole", "udp", 12,
        ),
        RecentBlock(
            "2026-11-24T12:00:06Z", None, "ministry", "2026-3", "Ministry", "confidential", "nxdomain", "doh", 1
        ),
        RecentBlock(
            "2026-11-24T12:00:05Z", "<b>odd</b>.example", "national", "national", "National list", "national",
            "sinkhole", "http", 2,
        ),
    )
)  # fmt: skip

TIMELINE = Timeline(
    (
        TimelineEvent(
            "2026-11-24T11:58:00.250Z", 913, "version", 42, "", "",
            BothLanguages("Version 42 is enforced by every worker.", "Versi 42 diberlakukan oleh semua worker."),
            "", "", "",
        ),
        TimelineEvent(
            "2026-11-24T11:40:00.000Z", 910, "override", None, "", "L-7",
            BothLanguages("bank.example is let through.", "bank.example diloloskan."),
            "", "siti", "Wrong name, see ticket 4711",
        ),
        TimelineEvent(
            "2026-11-24T09:00:00.000Z", 902, "refusal", None, "national", "",
            BothLanguages(
                "New content of feed national is refused: it would remove 41% of the names.",
                "Isi baru dari national ditolak: kehilangan lebih banyak entri daripada yang diizinkan gate.",
            ),
            "it would remove 41% of the names.", "", "",
        ),
    ),
    truncated=False,
)  # fmt: skip

SERIES = RateSeries(
    60,
    tuple(range(1_795_521_600, 1_795_521_600 + 5 * 60, 60)),
    {
        "queries": (1021.5, 1043.2, None, 998.0, 1010.7),
        "blocked": (41.0, 44.2, None, 39.9, 40.3),
        "cached": (871.0, 880.1, None, 850.5, 861.0),
        "missed": (109.5, 118.9, None, 107.6, 109.4),
        "failed": (0.5, 0.7, None, 12.9, 0.4),
    },
)

DUTY = DutyClock(
    deadline=86400.0,
    since="2026-10-01T07:00:00.000Z",
    imposed=DutyTimes(count=214, median=41.2, p95=310.0, worst=90_112.4, late=1),
    lifted=DutyTimes(count=12, median=20.5, p95=44.0, worst=44.0, late=0),
    recent=(
        DutyTurn(
            "2026-11-24T11:58:00.250Z", "imposed", "games/2026-17", "ministry", "Directorate of Games", 38.2, False
        ),
        DutyTurn("2026-11-20T02:11:00.000Z", "imposed", "2026-3", "ministry", "Ministry", 90_112.4, True),
    ),
)

HITS = HitTable(
    span="1d",
    by="order",
    since="2026-11-23T12:00:00Z",
    total=20_117,
    rows=(
        HitRow("ministry/games/2026-17", "games/2026-17", "Directorate of Games", "ministry", 19_004, True),
        HitRow("ministry/2026-3", "2026-3", "Ministry", "ministry", 1_113, True),
    ),
    more=0,
    without_hit=("ministry/games/2024-1",),
    without_more=0,
)

HITS_BY_AUTHORITY = HitTable(
    "30d", "authority", "2026-10-25T00:00:00Z", 20_117,
    (HitRow("Directorate of Games", "Directorate of Games", "Directorate of Games", "", 19_004, True),),
    0, ("ministry/games/2024-1",), 0,
)  # fmt: skip

RESOLVER = ResolverHealth(
    transports={
        "udp": TransportRates(980.2, None, None, None, None, None),
        "tcp": TransportRates(12.0, 3.1, None, None, 0.0, 0.0),
        "dot": TransportRates(20.4, 2.0, 1.9, 0.1, 0.0, 0.05),
        "doh": TransportRates(30.9, 4.0, 4.0, 0.0, 0.0, 0.0),
    },
    answers={
        "blocked": AnswerRates(41.0),
        "cached": AnswerRates(871.0),
        "stale": AnswerRates(0.0),
        "local": AnswerRates(2.0),
        "missed": AnswerRates(109.5, 0.0182),
        "failed": AnswerRates(0.5),
    },
    upstreams=(
        {
            "upstream": "192.0.2.1", "zones": ["."], "state": "up", "since": "2026-11-24T08:00:01Z",
            "heard": "2026-11-24T12:00:07Z", "round_trip_seconds": 0.0123, "probe_seconds": 0.0101, "in_flight": 3,
            "asked": 120_004, "answered": 119_990, "unanswered": 11, "late": 2, "hedged": 40, "looped": 0,
            "failures": {"silent": 11, "servfail": 3},
        },
    ),
    failing_names=(
        FailingName("broken.example", "A", "no upstream has answered in time", "2026-11-24T12:00:12Z", ".", 2),
    ),
    more_failing=0,
    silent=(),
)  # fmt: skip

ENDING = EndingSoon(
    within=30 * 86400.0,
    items=(
        EndingItem(
            "certificate", "/etc/blockd/tls/chain.pem", "2026-11-30T00:00:00Z", 475_200,
            BothLanguages(
                "The certificate for dns.example ends in 5 days.", "Sertifikat untuk dns.example berakhir dalam 5 hari."
            ),
            "#/certificates",
        ),
        EndingItem(
            "override", "bank.example", "2026-12-01T00:00:00Z", 561_600,
            BothLanguages(
                "The override of bank.example ends in 6 days.", "Override bank.example berakhir dalam 6 hari."
            ),
            "#/overrides",
        ),
    ),
    more=0,
)  # fmt: skip

TICK = SeriesTick(1_795_521_902, 2.0, {"queries": 1021.5, "blocked": 41.0, "cached": 871.0, "missed": 109.5})
FEEDS_CHANGED = FeedsChanged(("ministry",))
ENFORCED = VersionEnforced(42, None)
EXAMPLES = (
    OVERVIEW, BLOCKS, TIMELINE, SERIES, DUTY, HITS, HITS_BY_AUTHORITY, RESOLVER, ENDING, TICK, FEEDS_CHANGED, ENFORCED,
)  # fmt: skip
HELP_DESK = BothLanguages(
    "casino.example is blocked here by order 2026-17 of Directorate of Games.",
    "casino.example diblokir di sini atas perintah 2026-17 dari Directorate of Games.",
)


@dataclass
class Figures:
    """A source of these examples; `asked` is what it was asked for."""

    asked: list[tuple[object, ...]] = field(default_factory=list)

    def overview(self) -> Overview:
        return OVERVIEW

    def blocks(self) -> RecentBlocks:
        return BLOCKS

    async def timeline(self, since: float | None = None, until: float | None = None, /) -> Timeline:
        self.asked.append((since, until))
        return TIMELINE

    async def series(
        self,
        names: Sequence[SeriesName] = SERIES_NAMES,
        since: float | None = None,
        until: float | None = None,
        points: int = USUAL_POINTS,
        /,
    ) -> RateSeries:
        self.asked.append((tuple(names), since, until, points))
        return SERIES

    async def duty(self) -> DutyClock:
        return DUTY

    async def hits(self, span: Span = "1d", by: HitsBy = "order", /) -> HitTable:
        self.asked.append((span, by))
        return HITS if by == "order" else HITS_BY_AUTHORITY

    async def resolver(self) -> ResolverHealth:
        return RESOLVER

    def ending(self, within: float = USUAL_WITHIN, /) -> EndingSoon:
        self.asked.append((within,))
        return ENDING
