"""The summary of what a signature would change, for the person who is asked to sign."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from tuf.api.metadata import Metadata, Root, TargetFile, Targets

from blockd.errors import BadOrder, PublishError, cause_of
from blockd.orders import Order, OrderDocument, parse_document
from blockd.publish.delegations import authority_name, may_lift_of, roles_of
from blockd.publish.next_metadata import called, content_of, identifier_of
from blockd.publish.pending import Pending
from blockd.publish.workshop import Workshop
from blockd.times import time_text


@dataclass(frozen=True, slots=True)
class PublishedNews:
    """One difference: `what` is new, changed, lifted or removed; `subject` is an order, a key or a role."""

    what: str
    subject: str
    detail: str = ""

    def line(self) -> str:
        """Return it as a line of text."""
        return f"{self.what:8} {self.subject}" + (f": {self.detail}" if self.detail else "")


def news(
    workshop: Workshop, role: str, metadata: Pending, name: Callable[[str], str] = str
) -> tuple[PublishedNews, ...]:
    """Return what metadata would change in what is signed; `name` returns a key as people read it.

    Raises PublishError if a document is not in the workshop or was changed, since it cannot be shown.
    """
    if isinstance(metadata.signed, Root):
        last = workshop.root().signed if workshop.root_versions() else None
        return tuple(_root_news(last, metadata.signed, name))
    before = workshop.accepted(role)
    found = list(_order_news(workshop, before, metadata.signed))
    found += _authority_news(before.signed if before else None, metadata.signed, name)
    return tuple(found)


def _order_news(workshop: Workshop, before: Metadata[Targets] | None, signed: Targets) -> list[PublishedNews]:
    last = before.signed.targets if before else {}
    found = []
    for path, target in sorted(signed.targets.items()):
        if last.get(path) == target or not identifier_of(path):
            continue
        document = _document(workshop, target)
        old = content_of(workshop, last[path]) if path in last else None
        found.append(PublishedNews(_what(path in last, old, document), called(path), _told(document)))
    found += [PublishedNews("removed", name) for path in sorted(last.keys() - signed.targets) if (name := called(path))]
    return found


def _document(workshop: Workshop, target: TargetFile) -> OrderDocument:
    content = content_of(workshop, target)
    if content is None:
        raise PublishError(
            f"{target.path} is not in {workshop.folder} as it is to be signed; nothing was signed. Restore the "
            "folder as it was when this was prepared."
        )
    try:
        return parse_document(json.loads(content), target.path)
    except (ValueError, BadOrder) as error:
        raise PublishError(f"{target.path} cannot be read: {cause_of(error)}; nothing was signed.") from error


def _what(was_there: bool, old: bytes | None, document: OrderDocument) -> str:
    was_lifted = old is not None and bool(json.loads(old).get("lifted_on"))
    if document.order.lifted_on is not None and not was_lifted:
        return "lifted"
    return "changed" if was_there else "new"


def _told(document: OrderDocument) -> str:
    order = document.order
    count = document.names.last.count if document.names else len(document.entries)
    end = "without an end" if order.expires is None else f"until {time_text(order.expires)}"
    lifted = f", lifted on {time_text(order.lifted_on)}" if order.lifted_on is not None else ""
    return f"{order.platform}, {order.action}, {count} names, {_from(order)} {end}{lifted}"


def _from(order: Order) -> str:
    return "without a date" if order.in_force_from is None else f"from {time_text(order.in_force_from)}"


def _authority_news(before: Targets | None, signed: Targets, name: Callable[[str], str]) -> list[PublishedNews]:
    old, new = roles_of(before) if before else {}, roles_of(signed)
    found = []
    for role, delegated in new.items():
        if old.get(role) != delegated:
            keys = ", ".join(map(name, delegated.keyids))
            lifted = may_lift_of(delegated)
            may_lift = f", may lift the orders of {', '.join(lifted)}" if lifted else ""
            detail = f"{authority_name(delegated)}, {delegated.threshold} of {keys}{may_lift}"
            found.append(PublishedNews("changed" if role in old else "new", f"authority {role}", detail))
    return found + [PublishedNews("removed", f"authority {role}") for role in old if role not in new]


def _root_news(last: Root | None, root: Root, name: Callable[[str], str]) -> list[PublishedNews]:
    found = []
    for role, told in root.roles.items():
        old = last.roles[role] if last else None
        found += [
            PublishedNews("new", f"key of {role}", name(it)) for it in told.keyids if not old or it not in old.keyids
        ]
        found += [
            PublishedNews("removed", f"key of {role}", name(it))
            for it in (old.keyids if old else ())
            if it not in told.keyids
        ]
        if not old or old.threshold != told.threshold:
            found.append(
                PublishedNews(
                    "changed" if old else "new", f"threshold of {role}", f"{told.threshold} of {len(told.keyids)}"
                )
            )
    if last is None or last.expires != root.expires:
        found.append(
            PublishedNews("changed" if last else "new", "end of the root", time_text(root.expires.timestamp()))
        )
    return found
