"""The config of a zone transfer: the primaries, and the key shared with them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PlainValidator

from blockd.settings.addresses import Primary, primaries_from_value
from blockd.settings.paths_and_urls import ConfigPath
from blockd.settings.section import Section, setting
from blockd.settings.values import ZoneName

Primaries = Annotated[tuple[Primary, ...], PlainValidator(primaries_from_value)]


class Tsig(Section):
    """A key shared with a primary (RFC 8945)."""

    name: ZoneName = Field(description="The key's name, as the primary knows it.")
    algorithm: Literal["hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"] = setting(
        "hmac-sha256", "The key's algorithm: hmac-sha256, hmac-sha384, hmac-sha512, or hmac-sha1 for old primaries."
    )
    secret_file: ConfigPath = Field(description="The file with the secret in base64, closed to other users.")
