"""How each upstream is, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MAX_SHOWN = 32  # upstreams shown to people; JSON has all


def upstream_lines(told: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of `blockd status` for what `UpstreamStatus.to_json` returns."""
    for one in told[:MAX_SHOWN]:
        of = "" if one["zones"] == ["."] else f" for {', '.join('all names' if z == '.' else z for z in one['zones'])}"
        if "since" not in one:
            yield f"upstream {one['upstream']}{of}: nothing is known of it yet"
            continue
        state = one["state"].upper() if one["state"] in ("failing", "down") else one["state"]
        trip = f", {one['round_trip_seconds'] * 1000:.1f} ms" if one["round_trip_seconds"] else ""
        yield (
            f"upstream {one['upstream']}{of}: {state} since {one['since']}{trip}, {one['asked']:,} asked, "
            f"{one['answered']:,} answered, {one['unanswered']:,} unanswered, {one['in_flight']:,} in flight"
        )
        failures = ", ".join(f"{count:,} {kind}" for kind, count in one["failures"].items() if count)
        if failures or one["looped"]:
            loops = f"; {one['looped']:,} came back" if one["looped"] else ""
            yield f"  failed: {failures or 'none'}{loops}"
    if len(told) > MAX_SHOWN:
        yield f"  and {len(told) - MAX_SHOWN:,} more upstreams (--json)"
