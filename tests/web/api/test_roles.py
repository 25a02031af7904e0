"""Each route is refused to whoever has less than the role that the table says, before anything of it is done."""

from __future__ import annotations

from typing import Any

import pytest

from blockd.web.api.route import ApiRoute, Opened
from blockd.web.api.table import ROUTES
from blockd.web.callers.caller import AccessRole
from tests.web.api.asking import Ask, served
from tests.web.known import TEXTS
from tests.web.test_admin import Daemon

PLACES = [(route, path) for route in ROUTES for path in route.paths]
LESS = {AccessRole.METRICS: None, AccessRole.READ: AccessRole.METRICS, AccessRole.OPERATOR: AccessRole.READ}


@pytest.mark.parametrize(("route", "path"), PLACES, ids=lambda one: one if isinstance(one, str) else one.method)
def test_a_route_is_refused_to_who_has_less_than_its_role(route: ApiRoute[Any], path: str) -> None:
    if route.role is AccessRole.NONE or route.opened is Opened.TO_LOOPBACK:
        return
    daemon, untouched = Daemon(), Daemon()

    async def use(ask: Ask) -> None:
        lesser = LESS[route.role]
        token = "" if lesser is None else f"Bearer {TEXTS[lesser]}"
        refused = await ask(route.method, path.replace("{order}", "1"), {}, Authorization=token)
        assert (refused.status, refused.json["status"]) == ((401, 401) if lesser is None else (403, 403))
        assert refused.headers["Content-Type"] == "application/problem+json"

    served(daemon, use)
    assert daemon == untouched


def test_who_asks_is_told_who_that_is() -> None:
    async def use(ask: Ask) -> None:
        told = await ask("GET", "/api/v1/whoami", Authorization=f"Bearer {TEXTS[AccessRole.READ]}")
        assert told.json == {"name": "token read", "role": "read", "how": "token", "may_write": False}

    served(Daemon(), use)
