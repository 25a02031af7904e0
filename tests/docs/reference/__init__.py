"""The pages of docs/reference/, made from the code: `make reference` writes them, a test compares them."""

from __future__ import annotations

from collections.abc import Callable

from tests.docs.reference import actions, admin_api, alarms, commands, config, metrics, order_document, reasons

PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands.page,
    "config.md": config.page,
    "actions.md": actions.page,
    "metrics.md": metrics.page,
    "alarms.md": alarms.page,
    "reasons.md": reasons.page,
    "order-document.md": order_document.page,
    "admin-api.md": admin_api.page,
}
