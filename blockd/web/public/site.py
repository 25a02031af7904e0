"""What the incident's page needs from the daemon, beside what the block page does."""

from __future__ import annotations

import typing
from dataclasses import dataclass

from blockd.orders import Verdict
from blockd.orders.dossier import Dossier
from blockd.web.site import Site


class IsSubscriber(typing.Protocol):
    """Whether an address may ask this resolver by DNS (`clients.allow`)."""

    def __call__(self, client: bytes, /) -> bool:
        """Return that of an address in network order, which is empty if it is not known."""


class PublishedVerdict(typing.Protocol):
    """What anybody may be told of a name: that an order that was published with its names blocks it."""

    def __call__(self, key: bytes, /) -> Verdict | None:
        """Return the verdict by such an order; None if there is none, NOT_READY if no list is enforced yet."""


class DossierOf(typing.Protocol):
    """The history of an order, and the signatures behind it."""

    def __call__(self, verdict: Verdict, /) -> Dossier | None:
        """Return those of the very order of a verdict; None if they are not known."""


class DocumentOf(typing.Protocol):
    """The signed document of an order."""

    def __call__(self, verdict: Verdict, dossier: Dossier, /) -> bytes | None:
        """Return its octets, as they were signed; None if they are not the ones that the dossier names."""


@dataclass(frozen=True, slots=True)
class PublicSite:
    """The page about orders of one operator; nothing that is counted or told here says who asks."""

    site: Site
    is_subscriber: IsSubscriber
    published: PublishedVerdict
    dossier_of: DossierOf
    document_of: DocumentOf
