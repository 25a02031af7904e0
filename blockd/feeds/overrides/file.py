"""Local overrides: names and addresses that the operator exempts from blocking, with a reason and an end.

The file is one JSON object: `format`, and `overrides`, each with the fields of `Override`. As a feed it yields a bundle
of `allow` orders, so that an override is compiled, shown and ended on the second like any order.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from blockd.errors import BadName, BadOrder, CommandError, FeedRefused, FileTooLarge, cause_of
from blockd.files import read_kept, replace_file
from blockd.formats.subject import name_from_text, reason_of, subject_of
from blockd.names import is_network_key
from blockd.orders import Action, Entry, Mandate, Order, OrderDocument, Scope, begin_of
from blockd.orders.coverage import MIN_PREFIX
from blockd.orders.fields import fit_text
from blockd.orders.operator_line import needed_reason, operator_line
from blockd.orders.stored import order_to_json, parse_order
from blockd.ruleset.gate.guard import Guard
from blockd.times import time_text

FILE = "overrides.json"  # in the state folder, and as evidence
FORMAT = 1
MAX_OVERRIDES = 1_000  # at a time; more than that should be a list
MAX_LIFE = 90 * 86400  # seconds; time for the issuer of the order to respond
MAX_FILE = 8 << 20  # octets: all overrides, with the longest texts escaped
KEPT = 30 * 86400  # seconds for which an override is shown after its end
PLATFORM = "local override"
UNNAMED_OPERATOR = "the operator of this resolver"  # who overrides, if the config has no operator.name


@dataclass(frozen=True, slots=True)
class Override:
    """One override. Times are whole seconds since the epoch; `ended` is None unless it was ended early."""

    id: str
    name: str  # in small A-labels, with other octets as `\DDD`; or an address or a network
    scope: str  # exact, subdomains or both
    reason: str
    officer: str  # the person responsible, empty if not named
    authority: str  # the operator
    created: int
    until: int
    ended: int | None = None
    ended_reason: str = ""

    def is_over(self, now: float) -> bool:
        """Return whether it has ended, by its date or by hand."""
        return self.ended is not None or now >= self.until  # ended by hand is over, wherever the clock is set to

    def ended_before(self, moment: float) -> bool:
        """Return whether it had ended at a moment in the past."""
        return moment >= (self.until if self.ended is None else min(self.ended, self.until))

    @classmethod
    def of(cls, document: OrderDocument) -> Override:
        """Return the override that `document` returned as an order."""
        order, [entry] = document.order, document.entries
        return cls(
            order.id, entry.text, entry.scope.text, order.summary, order.decided_by, order.authority,
            begin_of(order), begin_of(order) if order.expires is None else order.expires,
            order.lifted_on, order.lifted_reason,
        )  # fmt: skip

    def document(self) -> OrderDocument:
        """Return it as an order; raises BadOrder or BadName if a value is not valid in an order."""
        order = Order(
            id=self.id,
            authority=self.authority,
            platform=PLATFORM,
            action=Action.ALLOW,
            mandate=Mandate.OPERATOR,
            in_force_from=self.created,
            summary=self.reason,
            decided_by=self.officer,
            expires=self.until,
            lifted_on=self.ended,
            lifted_reason=self.ended_reason,
            published=self.created,
        )
        return OrderDocument(parse_order(order_to_json(order), self.id), (override_entry(self.name, self.scope),))


def override_entry(name: str, scope: str) -> Entry:
    """Return the entry of a name, an address or a network that may be overridden, as `subject_of` reads it.

    Raises BadName, also for a top-level name with what is under it and for a network that is wider than an order may
    list, and KeyError for another scope.
    """
    covers = Scope.from_text(scope)
    subject = subject_of(name)
    if subject.is_client:
        raise BadName("a rule for clients")
    if subject.is_network:
        if subject.network.prefix_length < MIN_PREFIX[subject.network.version]:
            raise BadName("network too wide")
        return Entry(subject.key, Scope.BOTH)
    key = name_from_text(name)
    if not key:
        raise BadName("empty")
    if len(key) == key[0] + 1 and covers & Scope.SUBDOMAINS:
        raise BadName("a top-level name")
    return Entry(key, covers)


def new_override(
    known: Sequence[Override],
    *,
    name: str,
    scope: str,
    reason: str,
    until: int,
    officer: str,
    authority: str,
    now: float,
    guard: Guard | None = None,
) -> Override:
    """Return an override that begins now; raises CommandError if it is not allowed.

    Overriding a public suffix that `guard` knows is refused, as it would end orders against unrelated parties.
    """
    try:
        entry = override_entry(name, scope)
    except BadName as error:
        raise CommandError(f"{name!r} cannot be overridden: {reason_of(error)}; nothing was changed.") from error
    except KeyError as error:
        raise CommandError(f"{scope!r} is not a scope; expected exact, subdomains or both.") from error
    text = entry.text
    is_name = not is_network_key(entry.key)
    if is_name and entry.scope & Scope.SUBDOMAINS and guard is not None and guard.shared(entry.key):
        raise CommandError(
            f"{text} is a public suffix, and every block of a name under it would end; nothing was changed. Override "
            "the individual names, or the suffix itself with --scope exact."
        )
    reason, officer = needed_reason(reason, "An override"), operator_line(officer, "officer's name")
    if not now < until <= now + MAX_LIFE:
        raise CommandError(
            f"An override must end in the future, at most {MAX_LIFE // 86400} days from now, and {time_text(until)} "
            "does not; nothing was changed."
        )
    if any(one.name == text and not one.is_over(now) for one in known):
        raise CommandError(f"{text} is overridden already; end that first: blockd override end {text} --reason TEXT")
    if len(known) >= MAX_OVERRIDES:
        raise CommandError(f"There are {MAX_OVERRIDES} overrides, and no more are kept; nothing was changed.")
    taken = {one.id for one in known}
    stem = f"override-{time_text(now).replace(':', '').replace('-', '').lower()}"
    identifier = next(one for one in (stem, *(f"{stem}-{n}" for n in range(2, MAX_OVERRIDES + 2))) if one not in taken)
    return Override(identifier, text, scope, reason, officer, authority, int(now), until)


def end_override(known: Sequence[Override], *, name: str, reason: str, now: float) -> Override:
    """Return the override of a name, ended now; raises CommandError if it cannot be ended."""
    reason = needed_reason(reason, "The end of an override")
    try:
        text = subject_of(name).text
    except BadName as error:
        raise CommandError(f"{name!r} is not a valid name: {reason_of(error)}; nothing was changed.") from error
    found = next((one for one in known if one.name == text and not one.is_over(now)), None)
    if found is None:
        raise CommandError(f"{text} is not overridden; nothing was changed.")
    return replace(found, ended=int(now), ended_reason=reason)


def read_overrides(path: Path) -> tuple[Override, ...]:
    """Return the overrides in the file, none if it is missing; raises FeedRefused if it is damaged."""
    octets = read_octets(path)
    return () if octets is None else overrides_from(octets, path)


def write_overrides(path: Path, overrides: Sequence[Override]) -> None:
    """Write the overrides to the file; raises OSError."""
    told = {"format": FORMAT, "overrides": [asdict(override) for override in overrides]}
    replace_file(path, json.dumps(told, indent=1).encode() + b"\n")


STAYS = (
    "What was accepted of it stays in force. Restore the file from a backup, or start without any override: remove the "
    "file, and add again what is still needed."
)


def read_octets(path: Path) -> bytes | None:
    """Return the file's content, None if there is no file; raises FeedRefused if it cannot be read."""
    try:
        return read_kept(path, MAX_FILE)
    except FileNotFoundError:
        return None
    except FileTooLarge as error:
        sentence = f"The file of overrides {path} is larger than {MAX_FILE >> 20} MiB. {STAYS}"
        raise FeedRefused("too large", sentence) from error
    except PermissionError as error:
        sentence = (
            f"The overrides in {path} are not for this user to read: permission denied. What was accepted of the file "
            "stays in force. Run this as root, or as the user that blockd runs as, whose the file has to be."
        )
        raise FeedRefused("missing", sentence) from error
    except OSError as error:
        raise FeedRefused("missing", f"The overrides in {path} cannot be read: {error.strerror}. {STAYS}") from error


def overrides_from(octets: bytes, path: Path) -> tuple[Override, ...]:
    """Return the overrides in `octets`, the content of the file at `path`; raises FeedRefused if it is damaged."""
    try:
        return parse_overrides(octets)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, BadOrder, BadName) as error:
        raise FeedRefused("format", f"The file of overrides {path} is damaged: {cause_of(error)}. {STAYS}") from error


def parse_overrides(octets: bytes) -> tuple[Override, ...]:
    """Parse the content of the file; raises ValueError, TypeError, KeyError, BadOrder or BadName."""
    told = json.loads(octets)
    if not isinstance(told, dict) or told.get("format") != FORMAT or not isinstance(told.get("overrides"), list):
        raise ValueError("it is not a file of overrides in the format that this blockd reads")
    if len(told["overrides"]) > MAX_OVERRIDES:
        raise ValueError(f"it holds more than {MAX_OVERRIDES} overrides")
    overrides = tuple(_override(one) for one in told["overrides"])
    if len({override.id for override in overrides}) != len(overrides):
        raise ValueError("two overrides have the same id")
    return overrides


def _override(told: object) -> Override:
    if not isinstance(told, dict) or told.keys() != {field.name for field in fields(Override)}:
        raise ValueError("an override has missing or unknown fields")
    times = [told["created"], told["until"], *([] if told["ended"] is None else [told["ended"]])]
    texts = [told[name] for name in ("id", "name", "scope", "reason", "officer", "authority", "ended_reason")]
    if not all(type(time) is int for time in times) or not all(isinstance(text, str) for text in texts):
        raise ValueError("an override has a value of the wrong type")
    for text in texts:
        fit_text(text)
    override = Override(**told)
    if not override.reason or not override.created < override.until <= override.created + MAX_LIFE:
        raise ValueError(f"{override.id} has no reason, or ends before it began or too late")
    override.document()
    return override
