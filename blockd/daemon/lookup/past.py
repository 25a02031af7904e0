"""What is enforced, read from the state folder: now, without asking a daemon, or at another time."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from blockd.daemon.update.expiry import ended, orders_of
from blockd.daemon.update.feed_state import FeedState
from blockd.errors import AuditError, RulesetError
from blockd.names import translations
from blockd.ruleset import Enforced, Ruleset, Versions
from blockd.ruleset.states import StatesAt
from blockd.settings import Settings
from blockd.settings.groups import ClientGroups

LATER = "It is about a time to come: lists and orders may change until then, and be renewed."
STALE_UNKNOWN = "Whether each list had been renewed in time by then is not looked up; `blockd audit` has it."


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is enforced at a time, None if nothing is or that is not known; and what is to be said of it."""

    enforced: Enforced | None
    at: float
    notes: tuple[str, ...] = ()
    is_known: bool = True


def snapshot_now(settings: Settings, now: float) -> Snapshot:
    """Return what the version in force enforces at `now`; raises CommandError if there is none, RulesetError."""
    versions = Versions(settings.state_dir / "rulesets")
    version = versions.needed()
    ruleset = Ruleset.open(versions.ruleset(version), verify=False)
    feeds = [(feed, FeedState.load(settings.state_dir / "feeds" / feed.name)) for feed in settings.feeds]
    orders, stale = orders_of(ruleset.catalogue, ruleset.header.created, ended(feeds, now))
    flags = bytes(index in stale for index in range(len(orders)))
    prefixes = translations(settings.clients.nat64_prefixes)
    groups = ClientGroups(settings.groups)
    return Snapshot(Enforced(version, ruleset, StatesAt(orders, now, flags), prefixes, groups), now)


def snapshot_at(settings: Settings, at: float, now: float) -> Snapshot:
    """Return what was or will be enforced at a time, as far as that is known; all in seconds since the epoch."""
    if at > now:
        found = snapshot_now(settings, at)
        return Snapshot(found.enforced, at, (LATER,))
    # Only now: they import what verifies signatures, which takes long and no other lookup needs.
    from blockd.audit.database import Database
    from blockd.audit.gap import read_alive
    from blockd.audit.in_force import exceptions_then, in_force_at
    from blockd.audit.inquiry import enforced_then
    from blockd.audit.log import DATABASE

    try:
        database = Database.read(settings.state_dir / DATABASE)
        try:
            then = in_force_at(database, at, read_alive(settings.state_dir))
            noted = list(database.last_states(at)) if then.record is not None else []
            feeds = [part["name"] for part in then.record.body["feeds"]] if then.record is not None else []
            exceptions = exceptions_then(database, at, feeds)
        finally:
            database.close()
        if then.record is None:
            return Snapshot(None, at, (then.note,), is_known=then.had_stopped)
        version, digest = int(then.record.body["version"]), str(then.record.body["digest"])
    except (AuditError, sqlite3.Error, KeyError, TypeError, ValueError) as error:
        note = f"What was enforced then is not known, since the audit log does not say it: {error}"
        return Snapshot(None, at, (note,), is_known=False)
    versions = Versions(settings.state_dir / "rulesets")
    try:
        ruleset = Ruleset.open(versions.ruleset(version))
    except RulesetError:
        return _dropped(version, at)
    if ruleset.digest != digest:
        ruleset.close()
        return _dropped(version, at)
    then_enforced = enforced_then(version, ruleset, at, noted)
    then_enforced.translations = translations(settings.clients.nat64_prefixes)  # of now: the audit log has no config
    return Snapshot(then_enforced, at, (STALE_UNKNOWN, *exceptions))


def _dropped(version: int, at: float) -> Snapshot:
    note = (
        f"Version {version} was in force then, and is no longer kept; "
        "`blockd audit prove NAME TIME` says what the audit log still proves."
    )
    return Snapshot(None, at, (note,), is_known=False)
