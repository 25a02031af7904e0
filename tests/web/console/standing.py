# ruff: noqa: E501 - answers as they are on the wire: a value of many fields is read more easily as one line

"""How things stand in the story: the duty clock, hits, the resolver, what ends soon, overrides."""

from __future__ import annotations

from typing import Any

from tests.web.console.story import DAY, HOSTILE, ORDERS, at


def duty() -> dict[str, Any]:
    return {
        "deadline": 300.0, "since": at(-90 * DAY),
        "imposed": {"count": 214, "median": 11.2, "p95": 38.0, "worst": 412.5, "late": 1}, "lifted": {"count": 19, "median": 9.8, "p95": 21.4, "worst": 44.0, "late": 0},
        "recent": [
            {"time": at(-2400), "change": "imposed", "order": "kominfo/2026-1190", "feed": "kominfo", "authority": "Kominfo", "seconds": 12.1, "is_late": False},
            {"time": at(-90000), "change": "lifted", "order": "court/2026-11", "feed": "kominfo", "authority": "PN Jakarta Pusat", "seconds": 9.0, "is_late": False},
            {"time": at(-190000), "change": "imposed", "order": "ojk/2026-0302", "feed": "kominfo", "authority": "OJK", "seconds": 412.5, "is_late": True},
        ],
    }  # fmt: skip


def hits(by: str, span: str) -> dict[str, Any]:
    counts = [482_110, 40_280, 8_120, 77]
    rows = [
        {
            "key": f"kominfo/{key}",
            "label": key,
            "authority": found["authority"],
            "feed": "kominfo",
            "hits": number,
            "in_force": index != 2,
        }
        for index, ((key, found), number) in enumerate(zip(ORDERS.items(), counts, strict=True))
    ]
    others = {"key": "other", "label": "other", "authority": "", "feed": "", "hits": 12, "in_force": True}
    if by == "authority":
        rows = [{**row, "key": row["authority"], "label": row["authority"]} for row in rows]
    return {
        "span": span,
        "by": by,
        "since": at(-DAY),
        "total": sum(counts) + 12,
        "rows": [*rows, others],
        "more": 0,
        "without_hit": [f"kominfo/court/2026-{number}" for number in range(1, 9)],
        "without_more": 0,
        "together": 1200,
    }


def resolver() -> dict[str, Any]:
    def upstream(name: str, state: str, trip: float | None, **failures: int) -> dict[str, Any]:
        return {
            "upstream": name,
            "zones": ["."],
            "state": state,
            "since": at(-4000),
            "heard": at(-2),
            "round_trip_seconds": trip,
            "probe_seconds": trip,
            "in_flight": 2,
            "asked": 188_201,
            "answered": 187_000,
            "unanswered": 1_201,
            "late": 3,
            "hedged": 10,
            "looped": 0,
            "failures": {"silent": 0, "unreachable": 0, "servfail": 0, **failures},
        }

    transport = {
        "connections": None,
        "handshakes": None,
        "handshakes_failed": None,
        "closed": None,
        "error_share": None,
    }
    return {
        "transports": {"udp": {"queries": 931.0, **transport}, "tcp": {"queries": 23.0, **transport, "connections": 4.0, "error_share": 0.0}, "dot": {"queries": 80.0, **transport, "connections": 2.1, "error_share": 0.012}, "doh": {"queries": 115.0, **transport, "connections": 5.5, "error_share": 0.11}},
        "answers": {"blocked": {"rate": 35.6, "seconds": 0.00008}, "cached": {"rate": 897.0, "seconds": 0.00009}, "stale": {"rate": 1.2, "seconds": None}, "local": {"rate": 4.0, "seconds": None}, "missed": {"rate": 195.0, "seconds": 0.0214}, "failed": {"rate": 3.1, "seconds": 4.0}},
        "upstreams": [upstream("192.0.2.53", "up", 0.0112), upstream("tls://192.0.2.54#dns.example.net", "doubtful", 0.0871, silent=41), upstream("198.51.100.53", "down", None, unreachable=1201)],
        "failing_names": [{"name": "broken.example", "type": "A", "why": "the upstreams failed to answer: SERVFAIL", "until": at(22), "upstream": ".", "workers": 2}, {"name": HOSTILE, "type": "AAAA", "why": HOSTILE, "until": at(5), "upstream": ".", "workers": 1}],
        "more_failing": 0, "silent": [],
    }  # fmt: skip


def ending(within: float) -> dict[str, Any]:
    def item(kind: str, what: str, seconds: float, en: str, id_: str, href: str) -> dict[str, Any]:
        return {
            "kind": kind,
            "what": what,
            "ends": at(seconds),
            "in": int(seconds),
            "sentence": {"en": en, "id": id_},
            "href": href,
        }

    items = [
        item("certificate", "dns.example.net", -3600, "The certificate dns.example.net has ended.", "Sertifikat dns.example.net telah berakhir.", "#/certificates"),
        item("signature", "court of kominfo", 0.6 * DAY, "The signatures of court end; its orders stay in force.", "Tanda tangan court berakhir; perintahnya tetap berlaku.", "#/feeds/kominfo"),
        item("override", "sekolah.example", 3 * DAY, "sekolah.example is blocked again.", "sekolah.example diblokir lagi.", "#/overrides"),
        item("review", "court/2026-17", 6 * DAY, "Order court/2026-17 is to be reviewed.", "Perintah court/2026-17 harus ditinjau.", "#/orders/kominfo/court/2026-17"),
        item("token", "support", 21 * DAY, "The token support ends.", "Token support berakhir.", "#/tokens"),
    ]  # fmt: skip
    return {"within": within, "items": [one for one in items if one["in"] < within], "more": 0}


def overrides() -> dict[str, Any]:
    return {
        "overrides": [
            {"id": "override-1", "name": "sekolah.example", "scope": "both", "reason": "Ticket 4711: a school's own site", "officer": "sari", "authority": "NusantaraNet", "created": at(-9000), "until": at(3 * DAY), "ended": None, "ended_reason": "", "over": False, "in_force": True},
            {"id": "override-2", "name": "news.example", "scope": "exact", "reason": HOSTILE, "officer": "", "authority": "NusantaraNet", "created": at(-90000), "until": at(9 * DAY), "ended": None, "ended_reason": "", "over": False, "in_force": True},
        ]
    }  # fmt: skip


def reload(outcome: str, *, dry_run: bool = False, reason: str = "a second upstream") -> dict[str, Any]:
    good = outcome == "taken"
    return {
        "id": f"{outcome}{dry_run}", "by": "token budi", "reason": reason, "dry_run": dry_run, "at": at(-40 if good else -9000), "outcome": outcome,
        "before": "ab" * 32, "after": "cd" * 32, "seconds": 2.4,
        "changes": ["upstreams: 192.0.2.53, 198.51.100.53 in place of 192.0.2.53", f"feeds: {HOSTILE} is new"] if good else [],
        "replaced": ["workers", "page"] if good else [], "restart": ["state_dir"] if good else [],
        "problems": [] if good else ["upstreams[1]: 'tls://' has no address", f"feeds[3].name: {HOSTILE!r} is no name"],
    }  # fmt: skip


def upgrade(outcome: str, *, dry_run: bool) -> dict[str, Any]:
    return {
        "id": f"{outcome}{dry_run}",
        "by": "token sari",
        "reason": "",
        "program": "/opt/blockd/bin/blockd",
        "dry_run": dry_run,
        "at": at(-3),
        "outcome": outcome,
        "before": "0.17.0",
        "after": "0.18.0",
        "problems": [],
        "seconds": 1.2,
    }
