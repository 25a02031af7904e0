"""Answers with a CNAME to the target of a `cname` action, and what upstreams say of that.

What an upstream said is kept in the cache under the target's name, as for any question. Everything that policy decides
(the CNAME, its TTL, which order it is, and since when) is added to each answer, so that none of it is ever out of date.
"""

from __future__ import annotations

from blockd.dns import types
from blockd.errors import BadMessage
from blockd.names import DomainName
from blockd.resolver.answers import answer
from blockd.resolver.cache import Cached
from blockd.resolver.composing.moving import moving
from blockd.resolver.query import Query
from blockd.resolver.records import alias_record, error_option


def answer_behind(
    query: Query, target: bytes, cached: Cached, records: bytes, *, ttl: int, errors: bytes, said: bytes
) -> bytes:
    """Answer with a CNAME to the name with the key `target`, for `ttl` seconds, and the response for that.

    `records` are the response's, with TTLs as they are now; `errors` is the EDE option that names the order,
    `said` are those that go with the response. The rcode
    is that of the last name of the chain (RFC 6604 section 3); nothing of the answer is authentic (AD).
    """
    response = cached.response
    try:
        how = cached.moving
        if how is None:
            how = cached.moving = moving(target, response, do=query.do)
        counts, records = how.behind(query.question, alias_record(DomainName(target).wire, ttl), records)
    except BadMessage as bad:
        return answer(query, types.SERVFAIL, errors=errors + error_option(types.EDE_OTHER, str(bad)))
    return answer(query, response.rcode, counts, records, errors=errors + said)
