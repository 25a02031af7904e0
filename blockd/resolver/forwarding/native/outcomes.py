"""What the engine tells who waits in Python: a response that it has taken, or a failure."""

from __future__ import annotations

from blockd.dns import types
from blockd.errors import BadMessage
from blockd.resolver.forwarding.failures import Failure
from blockd.resolver.response import Response


def response_of(message: bytes, question_size: int, do: bool, source: str) -> Response:
    """Return a response that the engine has taken, read by it: the reading in Python takes forty times as long."""
    return _read(message, question_size, do, source)[1]


def answer_of(message: bytes, question_size: int, do: bool) -> Response:
    """Return a message that the engine reads as an answer; raises BadMessage for any other, as `parse` may."""
    from blockd.resolver.engine._reading import ANSWER  # only here: it may not be built

    said, response = _read(message, question_size, do, "")
    if said != ANSWER:
        raise BadMessage(types.SERVFAIL, "it is not an answer")
    return response


def _read(message: bytes, question_size: int, do: bool, source: str) -> tuple[int, Response]:
    from blockd.resolver.engine._reading import read  # only here: it may not be built

    said, rcode, authentic, negative, counts, records, ttls, lifetime, names, addresses, extras, extra, errors = read(
        message, question_size, do
    )
    return said, Response(
        rcode,
        authentic,
        False,
        counts,
        records,
        ttls,
        lifetime,
        negative,
        names,
        addresses,
        extras,
        errors,
        extra,
        source,
    )


def outcome_of(errors: bytes, is_said: bool) -> Response | Failure:
    """Return the SERVFAIL of an upstream, or a failure if nobody said that."""
    if not is_said:
        return Failure(int.from_bytes(errors[4:6]), errors[types.EDE_CODE_ONLY :].decode())
    return Response(types.SERVFAIL, False, False, (0, 0, 0), b"", (), 0, False, (), (), (), errors)
