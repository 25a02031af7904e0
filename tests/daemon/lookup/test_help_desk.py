"""What the help desk tells a caller: the same in both languages, and nothing that is confidential."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blockd.daemon.lookup.help_desk import help_desk_text
from blockd.orders import Action, Entry, Order, Reason, Scope, State, Verdict
from tests.ruleset.lists import key_of, order

ORDER = replace(
    order("2026-17", start=1_795_521_600, expires=1_800_000_000, role="games"),
    legal_basis="Law 11/2008", contact="keberatan@ministry.example",
)  # fmt: skip


def verdict(subject: Order | None, reason: Reason = Reason.LISTED) -> Verdict:
    entry = Entry(key_of("casino.example"), Scope.BOTH) if subject else None
    return Verdict(reason, subject, entry, "ministry", 0 if subject else None, state=State.IN_FORCE)


def test_a_block_is_told_with_its_order_dates_basis_and_where_to_object() -> None:
    said = help_desk_text("casino.example", verdict(ORDER))
    assert said.en == (
        "casino.example is blocked here by order games/2026-17 of Sample Authority. It has been in force since "
        "2026-11-24. It ends on 2027-01-15. Legal basis: Law 11/2008. Objections go to keberatan@ministry.example. "
        "Changing a setting or a device does not lift it, and this help desk cannot."
    )
    assert said.id.startswith("casino.example diblokir di sini oleh perintah games/2026-17 dari Sample Authority.")
    for word in ("2026-11-24", "2027-01-15", "Law 11/2008", "keberatan@ministry.example"):
        assert word in said.id


def test_nothing_is_said_that_nobody_has_stated() -> None:
    plain = Order("", "", "", Action.SINKHOLE, None, None, list_name="national")
    said = help_desk_text("a.example", verdict(plain))
    assert said.en.startswith("a.example is blocked here by list national. Changing")
    assert "None" not in said.en + said.id


def test_a_confidential_order_tells_no_name_and_no_basis_that_may_reveal_it() -> None:
    said = help_desk_text("casino.example", verdict(replace(ORDER, salt=bytes(16))))
    for text in (said.en, said.id):
        assert "casino" not in text
        assert "games/2026-17" in text
    assert "confidential" in said.en


def test_a_name_that_leads_to_what_is_blocked_is_told_so() -> None:
    said = help_desk_text("cdn.example", verdict(ORDER), is_led=True)
    assert said.en.startswith("cdn.example leads to what is blocked here by order")
    assert said.id.startswith("cdn.example mengarah ke yang diblokir di sini oleh perintah")


@pytest.mark.parametrize("reason", [Reason.NOT_LISTED, Reason.NOT_IN_FORCE, Reason.MONITORED])
def test_a_name_that_is_open_sends_the_caller_elsewhere(reason: Reason) -> None:
    said = help_desk_text("open.example", verdict(ORDER if reason is not Reason.NOT_LISTED else None, reason))
    assert said.en.startswith("open.example is not blocked here. If it cannot be reached, the cause is elsewhere")


def test_an_override_is_told() -> None:
    said = help_desk_text("bank.example", verdict(replace(ORDER, action=Action.ALLOW), Reason.ALLOWED))
    assert said.en.startswith("bank.example is let through here")
