"""What an upstream's message means for the try that it answers."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from blockd.dns import types
from blockd.errors import BadMessage
from blockd.resolver.forwarding.failures import rcode_text
from blockd.resolver.forwarding.health import MALFORMED, REFUSING, SERVFAILING
from blockd.resolver.forwarding.tries import Try
from blockd.resolver.reading.refusals import refusal_text
from blockd.resolver.response import Response, is_header_only, parse


class Meaning(Enum):
    """What is done with a message."""

    ANSWER = "it is given to those who ask, and kept"
    NEXT = "another upstream is asked"
    WITHOUT_EDNS = "the same is asked again without OPT"


class Judgement(NamedTuple):
    """A message's meaning; `failure` is one of the kinds of `health`, and says nothing about an answer."""

    meaning: Meaning
    response: Response | None = None
    failure: int = MALFORMED
    said: str = ""  # follows the upstream's name
    is_about_name: bool = False  # rather than about the upstream


def judge(made: Try, message: bytes) -> Judgement:
    """Judge a message that has been matched with a try."""
    if is_header_only(message):
        return _judge_error(made, message[3] & types.RCODE, None)
    try:
        response = parse(message, len(made.question), do=made.key[2])
    except BadMessage as error:
        return Judgement(Meaning.NEXT, said=refusal_text(error), is_about_name=True)
    if response.rcode in (types.NOERROR, types.NXDOMAIN, types.YXDOMAIN):  # the last is about a DNAME, RFC 6672
        return Judgement(Meaning.ANSWER, response)
    return _judge_error(made, response.rcode, response)


def _judge_error(made: Try, rcode: int, response: Response | None) -> Judgement:
    is_edns = made.has_opt and rcode in (types.FORMERR, types.NOTIMP, types.BADVERS)  # RFC 6891 section 7
    return Judgement(
        Meaning.WITHOUT_EDNS if is_edns else Meaning.NEXT,
        response,
        SERVFAILING if rcode == types.SERVFAIL else REFUSING,
        f"answered {rcode_text(rcode)}",
        response is not None,
    )
