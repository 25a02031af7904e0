"""Changes to a staged order: lifting, extending, and setting fields. Pure, except for the checks.

Each function takes the decoded document and returns the changed one, which is to be checked like a new one
(`blockd.publish.documents`). Each raises PublishError if the change makes no sense.
"""

from __future__ import annotations

from collections.abc import Mapping

from blockd.errors import BadOrder, PublishError
from blockd.publish.document_files import from_yaml
from blockd.publish.lint import FIELDS, MAX_FIELD
from blockd.times import time_from_text, time_text

NEVER = "never"  # the date of an order without an end
_FIXED = {"schema", "id", "published"}  # an order keeps its id; the other two are blockd's
_STRUCTURED = {"names", "hashed", "list", "notices", "confidential"}  # fields that hold more than text
_DATES = {"expires", "review_by", "lifted_on"}
_WAYS = {"names", "hashed", "list"}  # the ways in which a document says what it covers; it has one of them

Document = dict[str, object]


def moment(text: str, what: str) -> int:
    """Return a date as people write it in seconds since the epoch; raises PublishError."""
    try:
        return time_from_text(text)
    except (ValueError, OverflowError) as error:
        raise PublishError(f"{what} {text!r} is not an RFC 3339 date (2017-08-10); nothing was changed.") from error


def lifted(document: Mapping[str, object], on: str, reason: str) -> Document:
    """Lift an order at `on` (RFC 3339) for a reason."""
    at = moment(on, "The date of lifting")
    if not reason.strip():
        raise PublishError(f"Lifting an order needs a reason; {document['id']} was not lifted.")
    if document.get("lifted_on") is not None:
        raise PublishError(
            f"{document['id']} is already lifted on {document['lifted_on']}; nothing was changed. "
            "Change that with: order edit --set lifted_on=DATE"
        )
    return {**document, "lifted_on": time_text(at), "lifted_reason": reason.strip()}


def extended(document: Mapping[str, object], until: str, reason: str, now: float) -> Document:
    """Extend an order to a later date, or to `never`. A reason is added to its summary, for people to read."""
    name = document["id"]
    if document.get("lifted_on") is not None:
        raise PublishError(f"{name} is lifted on {document['lifted_on']}; it cannot be extended. Make a new order.")
    old = document.get("expires")
    if old is None:
        raise PublishError(f"{name} has no end; there is nothing to extend.")
    ends = None if until == NEVER else moment(until, "The new end")
    if ends is not None and ends <= moment(str(old), "The old end"):
        raise PublishError(f"{name} lasts until {old}, which is not before {until}; it was not extended.")
    if ends is not None and ends <= now:
        raise PublishError(f"The new end {until} has already passed; {name} was not extended.")
    changed = {**document, "expires": None if ends is None else time_text(ends)}
    if reason.strip():
        said = "without an end" if ends is None else f"until {_day(ends)}"
        told = f"Extended on {_day(now)} {said}: {reason.strip()}"
        changed["summary"] = f"{document.get('summary', '')} {told}".strip()
    return changed


def with_fields(document: Mapping[str, object], settings: list[str]) -> Document:
    """Set fields, each `field=value`; an empty value removes the field.

    A value is the text itself, or `null` for no date; if the field holds more than text, it is YAML.
    """
    changed = dict(document)
    ways: set[str] = set()
    for setting in settings:
        name, is_set, text = setting.partition("=")
        if not is_set or name not in FIELDS:
            raise PublishError(
                f"{name[:MAX_FIELD]!r} is not field=value; the fields are: {', '.join(sorted(FIELDS - _FIXED))}."
            )
        if name in _FIXED:
            raise PublishError(f"{name} cannot be changed; nothing was changed. Make a new order instead.")
        if not text:
            changed.pop(name, None)
            continue
        changed[name] = _value(name, text)
        ways.update(_WAYS & {name})
    for other in _WAYS - ways if ways else ():  # what is set replaces what was covered before
        changed.pop(other, None)
    return changed


def notice(text: str) -> Document:
    """Parse an option's notice to the platform: `sent=2017-07-14;channel=e-mail;text=…;answer=…`."""
    found: Document = {}
    last = ""
    for part in text.split(";"):
        name, is_set, value = part.partition("=")
        if is_set and name.strip() in ("sent", "channel", "text", "answer") and name.strip() not in found:
            last = name.strip()
            found[last] = value.strip()
        elif last:
            found[last] = f"{found[last]};{part}"  # a semicolon in a text
        else:
            break
    if "sent" not in found:
        raise PublishError(
            f"{text!r} is not a notice; expected sent=2017-07-14;channel=e-mail;text=…;answer=… with at least sent."
        )
    return found


def _value(name: str, text: str) -> object:
    if name not in _STRUCTURED:
        return None if name in _DATES and text in ("null", NEVER) else text
    try:
        return from_yaml(text, name)
    except BadOrder as error:
        raise PublishError(f"The value of {name} cannot be parsed; nothing was changed: {error}") from error


def _day(seconds: float) -> str:
    return time_text(seconds)[:10]
