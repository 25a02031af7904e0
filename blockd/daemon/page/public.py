"""The page about orders of a running daemon: what it asks of the policy, and whom it tells what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from blockd.daemon.page.dossier_files import DossierFiles
from blockd.daemon.page.sinkhole import SinkholeService
from blockd.metrics.counters import Row
from blockd.orders import Action, Reason, State, Verdict
from blockd.orders.incident import has_page
from blockd.ruleset import Catalogue, Enforced
from blockd.settings import Settings
from blockd.settings.feeds import SIGNED_TYPES
from blockd.web.public.site import PublicSite

_LETTING_PASS = (Action.ALLOW, Action.PASSTHRU, Action.MONITOR, Action.TCP_ONLY)


class PublicService:
    """The policy behind the page about orders, see `SinkholeService`; `folder` has the dossiers."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        row: Row,
        enforced: Callable[[], Enforced | None],
        where_it_leads: Callable[[bytes, bytes], Awaitable[Verdict | None]],
    ) -> None:
        self._enforced = enforced
        self._sinkhole = SinkholeService(settings, row, enforced, where_it_leads)
        self._dossiers = DossierFiles(folder)

    def site(self) -> PublicSite:
        """Return what the servers of the page need; it has no links to itself at another address."""
        site = replace(self._sinkhole.site(), incidents="")
        return PublicSite(
            site, self._sinkhole.is_subscriber, self._published, self._dossiers.dossier, self._dossiers.document
        )

    def _published(self, key: bytes) -> Verdict | None:
        """Return the verdict of an order that was published with its names, if the name is blocked for everybody."""
        enforced = self._enforced()
        if enforced is None:
            return Verdict(Reason.NOT_READY)
        verdict = enforced.verdict(key)
        if not verdict.stops:
            return None
        catalogue = enforced.ruleset.catalogue
        if _blocks_openly(verdict, catalogue):  # as most: what else covers the name need not be found out
            return verdict
        covering = (found.verdict for found in enforced.covering(key) if found.below is None)
        return next((one for one in covering if _blocks_openly(one, catalogue)), None)


def _blocks_openly(verdict: Verdict, catalogue: Catalogue) -> bool:
    """Return whether a claim on a name is an order's in force that blocks, and was published with its names."""
    order = verdict.order
    if order is None or order.is_confidential or order.action in _LETTING_PASS or not has_page(verdict):
        return False
    feed = catalogue.feed(verdict.feed)
    return verdict.state is State.IN_FORCE and feed is not None and feed.type in SIGNED_TYPES
