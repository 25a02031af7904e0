"""The first stages: whether it may be asked in this version of EDNS, and for this type and class."""

from __future__ import annotations

from blockd.dns import types
from blockd.metrics import TrafficRow
from blockd.resolver.answers import answer, error
from blockd.resolver.edge.server_identity import asks_for_server, server_answer
from blockd.resolver.options import Service
from blockd.resolver.query import type_rcode
from blockd.resolver.query_context import Outcome, QueryContext
from blockd.resolver.selftest_key import asks_for_identity, identity_answer


class Admission:
    """Stages that answer what is no matter of policy, nor of the Internet's names."""

    def __init__(self, service: Service, traffic: TrafficRow | None) -> None:
        """`traffic` samples the questions that are admitted."""
        self._selftest = service.selftest
        self._own = service.own
        self._server_id = service.server_id
        self._traffic = traffic

    def check_edns(self, context: QueryContext) -> bytes | Outcome:
        """Answer a version of EDNS other than 0 with BADVERS (RFC 6891 section 6.1.3)."""
        if context.query.version == 0:
            return Outcome.PASS
        context.extended = types.BADVERS >> 4
        return error(context.query, types.BADVERS)

    def refuse_own(self, context: QueryContext) -> bytes | Outcome:
        """Answer blockd's own questions, which an upstream that leads back has sent here, with SERVFAIL."""
        query = context.query
        if not query.cookie or self._own is None or not self._own.takes(query.cookie):
            return Outcome.PASS
        return error(query, types.SERVFAIL, types.EDE_NETWORK_ERROR, "questions loop: an upstream leads back to blockd")

    def give_cookie(self, context: QueryContext) -> bytes | Outcome:
        """Answer a message without a question, which asks for a server cookie (RFC 7873 section 5.4)."""
        return Outcome.PASS if context.query.question else answer(context.query)

    def check_kind(self, context: QueryContext) -> bytes | Outcome:
        """Answer types and classes that are not asked for: neither policy nor upstreams have to do with them."""
        query, selftest = context.query, self._selftest
        rcode = type_rcode(query.qtype)
        if rcode == types.FORMERR:
            return error(query, rcode, types.EDE_INVALID_TYPE)
        if context.is_selftest and selftest is not None and asks_for_identity(query):
            return identity_answer(query, selftest.worker)
        if self._server_id and asks_for_server(query):
            return server_answer(query, self._server_id)
        if query.qclass != types.CLASS_IN or rcode == types.REFUSED:
            return error(query, types.REFUSED)
        if self._traffic is not None and not context.is_selftest:
            self._traffic.pass_by(query.key)
        return Outcome.PASS
