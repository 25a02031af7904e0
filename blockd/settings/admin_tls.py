"""TLS of the admin port, and the certificates by which its callers are known: the section `listen.admin_tls`."""

from __future__ import annotations

from typing import Literal

from blockd.settings.paths_and_urls import ConfigPath
from blockd.settings.section import Section, ShortText, setting

MAX_CLIENTS = 64  # as many as tokens


class AdminClient(Section):
    """A certificate by which somebody is known at the admin port."""

    name: ShortText = setting(
        ..., "The certificate's common name, or one of its DNS names, in the same letters.", min_length=1
    )
    role: Literal["metrics", "read", "operator"] = setting(..., "What its holder may do, as with a token.")


class AdminTls(Section):
    """TLS of the admin port, with those of `certificates`."""

    client_ca: ConfigPath | None = setting(
        None, "The file with the authorities, in PEM, whose certificates callers may show; without it they show none."
    )
    clients: tuple[AdminClient, ...] = setting(
        (), "Whose certificates count; those of all others are as good as none.", max_length=MAX_CLIENTS
    )
