"""What is said in the log of how names are resolved: at a start, and whenever that changes."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from blockd.resolver.forwarding.upstream_groups import ALL_NAMES
from blockd.resolver.resolution import Resolution

MAX_TOLD = 8  # upstreams that are left out, told one by one

log = logging.getLogger(__name__)


def tell(before: Resolution | None, now: Resolution) -> None:
    """Log what is another than before; None stands for a start."""
    for level, sentence in news(before, now):
        log.log(level, "%s", sentence)


def news(before: Resolution | None, now: Resolution) -> Iterator[tuple[int, str]]:
    """Yield the levels and sentences of what is another than before."""
    seen, earlier = now.observation, before.observation if before else None
    if now.follows_system:
        if earlier is not None and seen.name_servers != earlier.name_servers:
            named, were = (", ".join(one.name_servers) or "none" for one in (seen, earlier))
            yield logging.INFO, f"/etc/resolv.conf names other resolvers: {named}; before: {were}. They are asked now."
        if seen.trouble and seen.trouble != (earlier.trouble if earlier else ""):
            stay = (
                "the resolvers that it named last stay in use"
                if seen.name_servers
                else "it is read again once it changes"
            )
            yield logging.WARNING, f"The system's upstreams are unknown: {seen.trouble}; {stay}."
        elif earlier is not None and earlier.trouble and not seen.trouble and seen.name_servers == earlier.name_servers:
            yield logging.INFO, "/etc/resolv.conf names the system's upstreams again."
    known = {one.why for one in before.left_out} if before else set()
    left_out = [one for one in now.left_out if one.why not in known]
    for one in left_out[:MAX_TOLD]:
        yield logging.WARNING, f"{one.why[0].upper()}{one.why[1:]}; it is left out."
    if len(left_out) > MAX_TOLD:
        yield logging.WARNING, f"{len(left_out) - MAX_TOLD} more upstreams are blockd itself; they are left out."
    taken_back = {one.upstream for one in before.left_out} & set(now.upstreams) if before else set()
    for upstream in sorted(taken_back, key=str)[:MAX_TOLD]:
        yield logging.INFO, f"The upstream {upstream.label} leads back to blockd no more; it is asked again."
    if not now.groups[ALL_NAMES].upstreams and (before is None or before.groups[ALL_NAMES].upstreams):
        yield (
            logging.WARNING,
            "There is no upstream: names that are not listed will get SERVFAIL. Set `upstreams` in the config.",
        )
