"""Domain names and networks as values: on the wire, as text, as table keys. Pure: no clock, no file, no socket."""

from blockd.names.domain import (
    MAX_KEY,
    MAX_LABEL,
    MAX_LABELS,
    MAX_NAME,
    DomainName,
    key_from_text,
    key_from_wire,
    label_ends,
)
from blockd.names.hashed import hashed_key, is_hashed_key, name_digest
from blockd.names.network import Network, address_key, client_key, is_client_key, is_network_key, network_from_key
from blockd.names.translation import WELL_KNOWN_TRANSLATIONS, translations

__all__ = [
    "MAX_KEY",
    "MAX_LABEL",
    "MAX_LABELS",
    "MAX_NAME",
    "WELL_KNOWN_TRANSLATIONS",
    "DomainName",
    "Network",
    "address_key",
    "client_key",
    "hashed_key",
    "is_client_key",
    "is_hashed_key",
    "is_network_key",
    "key_from_text",
    "key_from_wire",
    "label_ends",
    "name_digest",
    "network_from_key",
    "translations",
]
