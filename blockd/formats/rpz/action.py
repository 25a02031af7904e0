"""The actions of a policy zone's rules, as a CNAME record says them (draft-vixie-dnsop-dns-rpz)."""

from __future__ import annotations

from dataclasses import dataclass

from blockd.errors import BadName
from blockd.names import DomainName, key_from_text, key_from_wire
from blockd.orders import Action, LocalRecord

_ACTIONS = {b"rpz-passthru": Action.PASSTHRU, b"rpz-drop": Action.DROP, b"rpz-tcp-only": Action.TCP_ONLY}


@dataclass(frozen=True, slots=True)
class RpzAction:
    """What a rule does: `target` with the action cname, `records` with local.

    With cname, `records` are those of the target if the zone itself has it.
    """

    action: Action
    target: str = ""
    records: tuple[LocalRecord, ...] = ()


def action_of(rdata: bytes) -> RpzAction:
    """Return the action of a CNAME record's data; raises BadName if it is not a name, or an unknown action."""
    key = key_from_wire(rdata)
    if not key:
        return RpzAction(Action.NXDOMAIN)
    if key == b"\x01*":
        return RpzAction(Action.NODATA)
    labels = DomainName(key).labels
    if labels[-1].startswith(b"rpz-"):
        if len(labels) > 1 or labels[0] not in _ACTIONS:
            raise BadName("unknown action")
        return RpzAction(_ACTIONS[labels[0]])
    text = DomainName(key).text
    below = labels[0] == b"*"
    if below:
        text = DomainName(key[:-2]).text
    try:
        key_from_text(text)
    except BadName as error:
        raise BadName("target is not a host name") from error
    return RpzAction(Action.CNAME, f"*.{text}" if below else text)
