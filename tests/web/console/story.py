"""What a daemon might answer one night, in the shapes of the API: a list refused for its size, one late order, one upstream down.

Names and texts of others are hostile where they may be: markup, scripts, and characters that turn text around.
"""

# ruff: noqa: E501 - answers as they are on the wire: a value of many fields is read more easily as one line

from __future__ import annotations

import math
import time
from typing import Any

from blockd.times import time_text

HOSTILE = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>'
TURNED = "moc.elpmaxe\u202egro.dab"
DAY = 86400


def at(seconds: float) -> str:
    """Return a time so many seconds from now."""
    return time_text(time.time() + seconds)


def order(number: str, authority: str, platform: str, **more: str) -> dict[str, Any]:
    return {
        "schema": "1.0", "id": number, "called": number, "action": "sinkhole", "mandate": "law",
        "authority": authority, "platform": platform, "legal_basis": "Permen Kominfo 5/2020, article 9",
        "summary": "Online gambling that is offered to people in Indonesia.", "contact": "aduankonten@example.go.id",
        "in_force_from": at(-40 * DAY), "expires": at(300 * DAY), "published": at(-41 * DAY), **more,
    }  # fmt: skip


ORDERS = {
    "kominfo/2026-1184": order("kominfo/2026-1184", "Kominfo", "Slot88"),
    "court/2026-17": order("court/2026-17", "Pengadilan Negeri Jakarta Pusat", "FilmKita", reference="112/Pdt.G/2026"),
    "ojk/2026-0302": order("ojk/2026-0302", "OJK", "PinjamCepat"),
    "kominfo/2026-1190": order("kominfo/2026-1190", HOSTILE, HOSTILE, summary=HOSTILE),
}


def overview(level: str = "alarm") -> dict[str, Any]:
    alarms = [
        {
            "name": "BlockdNoUpstream", "severity": "critical", "feed": "", "authority": "",
            "what": "No upstream for names that are neither listed nor local is up: 192.0.2.53, 192.0.2.54.",
            "in_force": "blocks, the cache and local names; everything else gets SERVFAIL",
            "todo": "Check the network and the resolvers: `blockd doctor` asks each of them.",
            "sentence": {"en": "No upstream answers.", "id": "Tidak ada upstream yang menjawab."},
            "next_step": {"en": "Check the network.", "id": "Periksa jaringan dan resolver: `blockd doctor` menanyakan masing-masing."},
        },
        {
            "name": "BlockdFeedRefused", "severity": "warning", "feed": "national", "authority": "",
            "what": "The new content of feed national is refused: it removes 41% of the names.",
            "in_force": "the content of 02:10, 3,712,004 names", "todo": "Ask the publisher; `blockd accept national --show` shows what it would change.",
            "sentence": {"en": "A feed's new content is refused.", "id": "Isi baru umpan ditolak."},
            "next_step": {"en": "Ask the publisher.", "id": "Tanyakan kepada penerbit; `blockd accept national --show` menunjukkan perubahannya."},
        },
    ]  # fmt: skip
    said = {
        "ok": ("Everything is enforced, and every part answers.", "Semuanya ditegakkan, dan setiap bagian menjawab.", "Nothing to do.", "Tidak ada yang perlu dilakukan.", ""),
        "attention": ("Blocks are enforced; the feed national is refused since 02:25.", "Pemblokiran ditegakkan; feed national ditolak sejak 02.25.", "See what the refused list would change:", "Lihat apa yang akan diubah daftar itu:", "blockd accept national --show"),
        "alarm": ("Blocks are enforced, but no upstream answers: other names fail.", "Pemblokiran ditegakkan, tetapi tidak ada upstream yang menjawab: nama lain gagal.", "Check the network and ask each upstream:", "Periksa jaringan dan tanyakan setiap upstream:", "blockd doctor"),
    }[level]  # fmt: skip
    return {
        "level": level, "sentence": {"en": said[0], "id": said[1]}, "next_step": {"en": said[2], "id": said[3]},
        "command": said[4], "version": 4711, "names": 3_712_004, "since": at(-19 * DAY),
        "alarms": {"ok": [], "attention": alarms[1:], "alarm": alarms}[level],
    }  # fmt: skip


def blocks() -> dict[str, Any]:
    names = [
        ("slot88-gacor.example", "kominfo/2026-1184", "udp", 12), ("cdn.filmkita.example", "court/2026-17", "doh", 3),
        (None, "", "udp", 1), ("pinjam-cepat.example", "ojk/2026-0302", "dot", 1), (HOSTILE, "kominfo/2026-1190", "udp", 1),
        (TURNED, "kominfo/2026-1184", "tls", 2), ("a-very-long-name-that-somebody-made-to-see-what-happens.with-many-labels.and-more-labels.example", "kominfo/2026-1184", "udp", 40),
        ("198.51.100.0/24", "court/2026-17", "udp", 7), ("judi-online.example", "kominfo/2026-1184", "http", 2),
        ("slot-maxwin.example", "kominfo/2026-1184", "tcp", 1), ("togel.example", "kominfo/2026-1184", "udp", 5),
        ("film-baru.example", "court/2026-17", "udp", 9), ("investasi-bodong.example", "ojk/2026-0302", "udp", 1),
    ]  # fmt: skip
    return {
        "blocks": [
            {
                "time": at(-3 * index - 1), "name": name, "feed": "national", "order": number, "authority": ORDERS[number]["authority"] if number else "",
                "platform": "", "action": "sinkhole", "via": via, "count": count,
            }
            for index, (name, number, via, count) in enumerate(names)
        ]
    }  # fmt: skip


def feeds() -> dict[str, Any]:
    common: dict[str, Any] = {
        "priority": 10, "rejected": 0, "held": {"held": 0, "enforced": True, "reasons": {}, "sentence": ""}, "digest": "ab" * 32, "version": "1184",
        "expires": at(29 * DAY), "ended": False, "at_expiry": "keep", "refusal": None, "acceptable": None, "refused": {}, "stale": 0,
        "authorities": [], "mirrors": [], "refused_orders": [], "notes": [], "limits": {}, "phase": "enforced", "phase_words": "enforced",
    }  # fmt: skip
    refused = "The list has 2,190,082 names, 41% fewer than the 3,712,004 in force: more than gate.max_shrink of 20%."
    return {
        "feeds": [
            {
                **common, "name": "kominfo", "type": "signed", "names": 48_210, "age_seconds": 41.0, "next_poll": at(20),
                "authorities": [
                    {"role": "kominfo", "version": 88, "expires": at(29 * DAY), "ended": False, "at_expiry": "keep", "orders": 1184, "stale": 0, "refusal": None, "without_room": 0},
                    {"role": "court", "version": 17, "expires": at(0.6 * DAY), "ended": False, "at_expiry": "keep", "orders": 17, "stale": 0, "refusal": None, "without_room": 0},
                ],
            },
            {
                **common, "name": "national", "type": "domains", "names": 3_663_541, "age_seconds": 2460.0, "next_poll": at(300), "expires": None,
                "version": None, "refusal": refused, "acceptable": {"digest": "9f3a" * 16, "reason": "shrunk", "sentence": refused, "names": 2_190_082},
                "refused": {"shrunk": 3}, "rejected": 214, "held": {"held": 3, "enforced": False, "reasons": {}, "sentence": ""},
            },
            {**common, "name": "addresses", "type": "addresses", "names": 253, "age_seconds": 1200.0, "next_poll": at(600), "expires": None, "version": None},
        ]
    }  # fmt: skip


def held() -> dict[str, Any]:
    def entry(name: str, reason: str, number: int, *, is_held: bool = True) -> dict[str, Any]:
        return {
            "entry": name,
            "scope": "both",
            "reason": reason,
            "held": is_held,
            "line": {"number": number, "text": name},
        }

    return {
        "version": 4711,
        "feeds": {
            "national": {"held": 3, "reported": 0, "more": 0, "entries": [entry("co.id", "public suffix", 88_412), entry("bca.co.id", "popular", 91_007), entry(HOSTILE, "popular", 7)]},
            "kominfo": {"held": 0, "reported": 1, "more": 0, "entries": [entry("t.me", "popular", 3, is_held=False)]},
        },
        "releases": [{"entry": "blogspot.example", "created": at(-9 * DAY), "officer": "Sari", "reason": "Ministry confirmed by letter 44/2026"}],
    }  # fmt: skip


def lookup(name: str) -> dict[str, Any]:
    listed = {
        "versions_kept": 30,
        "first": {"version": 4402, "compiled": at(-31 * DAY)},
        "last": {"version": 4711, "compiled": at(-2400)},
        "since_before": False,
        "until_now": True,
    }
    base: dict[str, Any] = {
        "name": name,
        "kind": "name",
        "taken_from": None,
        "version": 4711,
        "compiled": at(-2400),
        "claims": [],
        "refused": [],
        "held": [],
        "notes": [],
        "resolved": {"by": "upstreams", "zone": "", "source": "upstreams", "upstreams": ["192.0.2.53"]},
    }
    if name.startswith("free"):
        return {
            **base, "verdict": "resolved", "why": "no order covers the name", "blocked": False, "listed": {**listed, "first": None, "last": None, "until_now": False},
            "help_desk": {"en": f"{name} is not blocked here. If it does not open, the site itself or the connection to it is at fault.", "id": f"{name} tidak diblokir di sini. Jika tidak terbuka, masalahnya ada pada situs itu sendiri atau koneksinya."},
        }  # fmt: skip
    number = "kominfo/2026-1190" if "<" in name else "kominfo/2026-1184"
    claim = {
        "entry": name,
        "scope": "both",
        "feed": "kominfo",
        "role": "kominfo",
        "state": "in force",
        "since": at(-40 * DAY),
        "until": at(300 * DAY),
        "stale": False,
        "order": ORDERS[number],
    }
    lifted = {
        **claim,
        "entry": "example",
        "state": "lifted",
        "order": ORDERS["court/2026-17"],
        "decides": False,
        "because": "it is lifted",
        "priority": 10,
        "line": None,
    }
    shown = ORDERS[number]
    return {
        **base, **claim, "verdict": "sinkhole", "why": "an order in force covers the name", "blocked": True, "listed": listed,
        "claims": [{**claim, "decides": True, "because": "it decides", "priority": 10, "line": {"number": 41_883, "text": name}}, lifted],
        "held": [{"feed": "national", "entry": name, "scope": "both", "reason": "popular", "held": False, "line": None, "release": None}],
        "aliases": {"followed": True, "why": None, "questions": [
            {"type": "A", "outcome": "sinkhole", "why": "the name leads to a blocked one", "steps_left_out": 0,
             "steps": [{"owner": name, "type": "CNAME", "to": "edge.cdn.example", "verdict": "resolved", "decides": False, "claim": None, "line": None}],
             "answer": {"rcode": "NOERROR", "records": ["A 203.0.113.9"], "errors": ["EDE 16"]}}]},
        "help_desk": {
            "en": f"{name} is blocked by order {shown['called']} of {shown['authority']}, in force since 21 October 2026. We carry out the order and may not lift it. Objections go to {shown['contact']}; please state the number of the order.",
            "id": f"{name} diblokir berdasarkan perintah {shown['called']} dari {shown['authority']}, berlaku sejak 21 Oktober 2026. Kami melaksanakan perintah ini dan tidak boleh mencabutnya. Keberatan disampaikan ke {shown['contact']}; sebutkan nomor perintahnya.",
        },
    }  # fmt: skip


def rates(moment: float) -> dict[str, float]:
    wave = 0.6 + 0.4 * math.sin(moment / 2400) + 0.05 * math.sin(moment / 37)
    queries = 1150 * wave
    return {
        "queries": queries, "blocked": queries * 0.031, "cached": queries * 0.78, "missed": queries * 0.17, "failed": 3 + 40 * (moment % 9000 > 8100),
        "udp": queries * 0.81, "tcp": queries * 0.02, "dot": queries * 0.07, "doh": queries * 0.1, "http": 2.0, "tls": 4.0,
    }  # fmt: skip


def series(names: list[str], start: float, end: float, points: int) -> dict[str, Any]:
    step = max(10, int((end - start) / points))
    times = list(range(int(start) // step * step, int(end), step))
    gap = times[len(times) // 3 : len(times) // 3 + 3]
    return {
        "step": step,
        "times": times,
        "series": {name: [None if moment in gap else rates(moment)[name] for moment in times] for name in names},
    }


def timeline() -> dict[str, Any]:
    def event(
        ago: float,
        kind: str,
        en: str,
        id_: str,
        version: int | None = None,
        by: str = "",
        reason: str = "",
        detail: str = "",
    ) -> dict[str, Any]:
        return {
            "time": at(-ago),
            "record": int(9000 - ago / 60),
            "kind": kind,
            "version": version,
            "feed": "national",
            "order": "",
            "sentence": {"en": en, "id": id_},
            "detail": detail,
            "by": by,
            "reason": reason,
        }

    return {
        "events": [
            event(900, "refusal", "The new content of national was refused: it removes 41% of the names.", "Isi baru dari national ditolak: kehilangan lebih banyak entri daripada yang diizinkan gate.", detail="it removes 41% of the names."),
            event(2400, "version", "Version 4711 is in force: 214 names came, 3 went.", "Versi 4711 berlaku: 214 nama datang, 3 pergi.", 4711),
            event(2405, "order", f"Order kominfo/2026-1190 of {HOSTILE} is in force.", f"Perintah kominfo/2026-1190 dari {HOSTILE} berlaku.", 4711),
            event(9000, "override", "sekolah.example resolves until 7 December.", "sekolah.example diloloskan hingga 7 Desember.", 4710, "sari", "Ticket 4711: a school's own site"),
            event(30000, "rollback", "Version 4702 was enforced again and released later.", "Versi 4702 ditegakkan lagi dan kemudian dilepas.", 4702, "budi", "the ministry published a test list"),
            event(52000, "reload", "The config was taken: listeners, upstreams.", "Konfigurasi diambil: pendengar, upstream.", None, "budi"),
        ],
        "truncated": False,
    }  # fmt: skip


def versions() -> dict[str, Any]:
    return {
        "current": 4711, "pinned": None, "max_size": 10**10,
        "versions": [{"version": number, "current": number == 4711, "pinned": False, "size": 10**8, "since": at(-2400 - 6000 * index), "until": None, "names": 3_712_004 - 211 * index, "networks": 253, "orders": 1201, "compiled": at(-2400 - 6000 * index)} for index, number in enumerate(range(4711, 4703, -1))],
    }  # fmt: skip


def difference(old: int, new: int) -> dict[str, Any]:
    return {
        "old": old, "new": new, "added": 214, "removed": 3, "changed": 1,
        "orders": {"came": [{"feed": "kominfo", "called": "kominfo/2026-1190", "id": "2026-1190", "role": "kominfo", "action": "sinkhole", "names": 11}], "went": [], "changed": []},
        "popular": {"ranked": False, "covered": [], "no_longer_covered": [], "counts": {"covered": 0, "no_longer_covered": 0}},
        "added_names": [f"slot{number}.example" for number in range(18)] + [HOSTILE], "removed_names": ["old-one.example", "old-two.example", "old-three.example"],
        "contradictions": {"came": [], "went": [], "is_whole": True}, "held": {},
    }  # fmt: skip


def acceptable(feed: str) -> dict[str, Any]:
    changes = {key: value for key, value in difference(1, 2).items() if key not in ("old", "new", "held")}
    removed = [f"gone{number}.example" for number in range(200)]
    return {
        "feed": feed, "digest": "9f3a" * 16, "refused": {"reason": "shrunk", "sentence": "it has 41% fewer names."},
        "names_before": 3_663_541, "names": 2_190_082, "rejected": 3, "held": {"held": 2, "enforced": True, "reasons": {}},
        "changes": {**changes, "removed": 1_473_462, "removed_names": removed},
    }  # fmt: skip
