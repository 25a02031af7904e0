"""docs/reference/config.md: every key of the config file, from the settings themselves."""

from __future__ import annotations

import re

from blockd.settings import reference
from tests.docs.reference.markdown import document, table

_FEED_KEY = re.compile(r"feeds\[(?P<type>[a-z-]+)\]\.(?P<key>.+)")


def page() -> str:
    """Return the page."""
    return document(
        "Config file",
        "The config is one YAML file: `config/blockd.yaml` in a checkout, `/etc/blockd/blockd.yaml` for a service. "
        "`blockd check` reads it as a start does, and reports all errors at once, each with its line.",
        """
* An unknown key is an error.
* A relative path is relative to the folder of the config file.
* Write a time as `800ms`, `5s`, `10m`, `1h` or `7d`, and a size as `64M` or `1G`.
* An upstream is `system` (the resolvers of resolv.conf), `192.0.2.1`, `192.0.2.1:5353`, `fe80::1%eth0`,
  `tcp://192.0.2.1`, `tls://192.0.2.1#dns.example.net` or `https://192.0.2.1/dns-query#dns.example.net`, the last two
  with pinned keys if wanted. See [upstreams](../operator/upstreams.md).
* A change of the file takes effect at the next start.
""",
        "## Keys",
        table(
            ("key", "default", "meaning"),
            [(f"`{path}`", _default(default), meaning) for path, default, meaning in reference() if "[" not in path],
        ),
        "## Keys of a feed",
        "Each entry of `feeds` has a `type`. The second column names the types that take the key.",
        _feeds(),
    )


def _feeds() -> str:
    """Return every key of a feed; types that have the same key with the same default share a row."""
    types: dict[tuple[str, str, str], list[str]] = {}
    for path, default, meaning in reference():
        if found := _FEED_KEY.fullmatch(path):
            types.setdefault((found["key"], default, meaning), []).append(found["type"])
    every = max(types.values(), key=len)
    rows = [
        (f"`{key}`", "all" if of == every else ", ".join(f"`{kind}`" for kind in of), _default(default), meaning)
        for (key, default, meaning), of in types.items()
    ]
    return table(("key", "types", "default", "meaning"), rows)


def _default(text: str) -> str:
    """Show a value as code, and a word about it as it is."""
    return text if text in ("required", "none") or " for a " in text or " else " in text else f"`{text}`"
