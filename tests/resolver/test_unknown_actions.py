"""An action that nobody has taught the engine is left to the pipeline, and never answered as another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockd.errors import RulesetError
from blockd.metrics import Transport
from blockd.orders import Action, Reason, Verdict
from blockd.resolver.answers import BlockAnswers
from blockd.resolver.query import Query
from tests.effort import LONG
from tests.resolver import corpus
from tests.resolver.rig import SINKHOLE, order, question
from tests.resolver.twins import SERVED, Twins

ANSWERED = [action for action in Action if action not in (Action.CNAME, Action.MONITOR, Action.ALLOW, Action.PASSTHRU)]
NO_ACTION = 200  # no action's number


@pytest.mark.parametrize("action", ANSWERED)
@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_the_pipeline_answers_for_an_action_that_the_engine_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: Action, transport: Transport
) -> None:
    answering = pytest.importorskip("blockd.resolver.engine._answering", reason="the native engine was not built")
    monkeypatch.setitem(answering.ACTIONS, action, NO_ACTION)
    twins = Twins(tmp_path)
    twins.enforce(corpus.feeds())
    for message in corpus.responses():
        twins.fill(message)
    left: list[bytes] = []
    pipeline = twins.native.resolver.pipeline
    begin = pipeline.begin

    def noted(packet: bytes, host: str, transport: Transport, idle: float = 0) -> object:
        left.append(packet)
        return begin(packet, host, transport, idle)

    monkeypatch.setattr(pipeline, "begin", noted)
    for kind in ("A", "AAAA", "HTTPS", "TXT", "ANY"):
        packet = question(f"{action.value}.example", kind, use_edns=0).to_wire()
        twins.ask(packet, SERVED[0], transport)
        assert left[-1:] == [packet]
    for packet in corpus.questions() if LONG else corpus.questions()[::13]:
        twins.ask(packet, SERVED[0], transport)


def test_the_pipeline_has_no_answer_for_an_action_that_it_does_not_know() -> None:
    query = Query(question("a.example").to_wire(), Transport.UDP)
    for action in (Action.MONITOR, Action.ALLOW, Action.PASSTHRU, Action.CNAME):
        made = order(action=action, cname="info.example" if action is Action.CNAME else "")
        with pytest.raises(RulesetError, match="no answer"):
            BlockAnswers(SINKHOLE, 1).give(query, Verdict(Reason.LISTED, made, order_index=0))
