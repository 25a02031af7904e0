"""What each part of a node says of a name: the answer that a client gets, and all that is said about it."""

from __future__ import annotations

from dataclasses import dataclass

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from blockd.audit.database import Database
from blockd.audit.inquiry import prove_name
from blockd.audit.log import DATABASE
from blockd.cli.audit.trusted import roots_of
from blockd.daemon.lookup.past import snapshot_now
from blockd.errors import RulesetError
from blockd.metrics import Transport
from blockd.resolver import Outcome, QueryContext
from blockd.ruleset import Ruleset
from blockd.ruleset.explain import Explanation, explain
from blockd.web.answers import answer_to
from blockd.web.request_head import RequestReader
from blockd.web.writing import Writer
from tests.worlds.node import SINKHOLE, Node

RESOLVED = "resolved"  # an upstream would be asked

Hits = dict[tuple[tuple[str, str], ...], float]
"""Each series of `blockd_hits_total` by its labels."""

Risen = tuple[dict[str, str], ...]
"""The labels of the series that have risen."""


@dataclass(frozen=True, slots=True)
class Dig:
    """What a client gets: what is done with its question, the EDE text, and the series of hits that went up.

    `over_tcp` is what is done with the same question over TCP.
    """

    done: str
    over_tcp: str
    ede: str
    hits: Risen


def dig(node: Node, name: str, before: Hits) -> Dig:
    """Ask for a name's IPv4 address over UDP; `before` is the last scrape, and is brought up to date."""
    over_tcp, _ = _answered(node, name, Transport.TCP)
    _risen(node, before)
    done, ede = _answered(node, name, Transport.UDP)
    return Dig(done, over_tcp, ede, _risen(node, before))


def _risen(node: Node, before: Hits) -> Risen:
    """Return the labels of the series that have risen; `before` is the last scrape, and is brought up to date."""
    after = hits(node)
    risen = tuple(dict(labels) for labels, value in after.items() if value > before.get(labels, 0.0))
    before.clear()
    before |= after
    return risen


def hits(node: Node) -> Hits:
    """Return the series that a scrape has; a set of labels that comes twice is an error."""
    series: Hits = {}
    family = next(family for family in node.control.parts.collector.collect() if family.name == "blockd_hits")
    for sample in family.samples:
        labels = tuple(sample.labels.items())
        assert labels not in series, f"two series have the labels {labels}"
        series[labels] = sample.value
    return series


def _answered(node: Node, name: str, transport: Transport) -> tuple[str, str]:
    query = dns.message.make_query(name, "A", use_edns=0)
    begun = node.worker.resolver.begin(query.to_wire(), "127.0.0.1", transport)
    if isinstance(begun, QueryContext):
        node.worker.resolver.pipeline._counted(begun, Outcome.SILENCE)  # as once its answer has come
        return (RESOLVED if begun.target is None else "cname"), ""
    if isinstance(begun, Outcome):
        return "drop", ""
    answer = dns.message.from_wire(begun, ignore_trailing=True)
    ede = next((option.text or "" for option in answer.options if isinstance(option, dns.edns.EDEOption)), "")
    if answer.flags & dns.flags.TC:
        return "tcp-only", ede
    if answer.rcode() is not dns.rcode.NOERROR:
        return {"NXDOMAIN": "nxdomain", "REFUSED": "refused"}[dns.rcode.to_text(answer.rcode())], ede
    if not answer.answer:
        return "nodata", ede
    return ("sinkhole" if answer.answer[0][0].to_text() == SINKHOLE.ipv4 else "local"), ede


def verdict_of(node: Node, name: str) -> str:
    """Return what is done with a question for a name's IPv4 address over UDP."""
    return _answered(node, name, Transport.UDP)[0]


def lookup(node: Node, name: str) -> Explanation:
    """Explain the verdict as the running daemon does."""
    return explain(node.control.parts.enforced, name)


def lookup_offline(node: Node, name: str) -> Explanation:
    """Explain the verdict from the files of the state folder alone, as `blockd lookup` does without a daemon.

    Before the first version there is no file, and nothing to explain.
    """
    if node.control.parts.state.versions.current() is None:
        return explain(None, name)
    snapshot = snapshot_now(node.settings, node.time.clock())
    assert snapshot.enforced is not None
    try:
        return explain(snapshot.enforced, name)
    finally:
        snapshot.enforced.close()


def page_of(node: Node, name: str, before: Hits) -> tuple[int, str, Risen]:
    """Return status and text of the block page for a name, and the series of hits that went up."""
    head = RequestReader().feed(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
    assert head is not None
    site = node.worker.page.sinkhole.site()
    site.arrived("http")
    answer = Writer(site).response(head, answer_to(site, head, b""))
    return int(answer.split(b" ", 2)[1]), answer.decode(), _risen(node, before)


def proof(node: Node, name: str) -> dict[str, object]:
    """Prove what is enforced for a name now."""
    versions = node.control.parts.state.versions

    def kept(version: int, digest: str) -> Ruleset | None:
        try:
            ruleset = Ruleset.open(versions.ruleset(version))
        except RulesetError:
            return None
        assert ruleset.digest == digest
        return ruleset

    node.log.wait()
    database = Database.read(node.control.parts.state.folder / DATABASE)
    try:
        return prove_name(database, name, node.time.clock(), roots_of(node.settings), (), kept)
    finally:
        database.close()
