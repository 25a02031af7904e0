"""Who makes a request of the admin port or its socket: a name for the records, and a role."""

from __future__ import annotations

from aiohttp import web

from blockd.web.callers.role import NOBODY, AccessRole, Caller, How

__all__ = ["CALLER", "NOBODY", "AccessRole", "Caller", "How"]

CALLER = web.RequestKey("caller", Caller)
