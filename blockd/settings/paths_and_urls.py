"""Paths and URLs of the config file; paths are relative to the file's folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import PlainValidator, ValidationInfo

from blockd.settings.values import shown

MAX_PATH = 4096  # characters: PATH_MAX of Linux
SHIPPED = Path(__file__).parents[1] / "ruleset" / "gate" / "protected.txt"
MAX_URL = 2048  # characters: what servers and proxies are known to accept

# Words that other readers of YAML, or blockd for other keys, take for no value or for a truth value.
_WORDS = frozenset(("none", "null", "nil", "yes", "no", "y", "n", "on", "off", "true", "false", "auto", "default"))
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")


def path_from_text(value: object, info: ValidationInfo) -> Path:
    """Return an absolute path; a relative one starts at the config file's folder."""
    if not isinstance(value, str) or not value.strip() or "\0" in value or len(value) > MAX_PATH:
        raise ValueError(f"expected a path such as /srv/lists/domains or lists/domains, got {shown(value)}")
    _refuse_shorthand(value)
    return _placed(value, info)


def list_url_from_text(value: object) -> str:
    """Return an http or https URL to fetch a list from."""
    _web_url(value, "https://lists.example.net/domains.txt")
    return str(value)


def repository_url_from_text(value: object, info: ValidationInfo) -> str:
    """Return an http or https URL, or a file URL made absolute: `file:lists/a` starts at the config file's folder."""
    if not isinstance(value, str) or not value.startswith("file:"):
        _web_url(value, "https://lists.example.net/ or file:lists/sample")
        return str(value)
    parts = _split(value)
    path = unquote(parts.path) if parts else ""
    if parts is None or parts.netloc not in ("", "localhost") or not path or "\0" in path or len(path) > MAX_PATH:
        raise ValueError(f"expected a file URL such as file:lists/sample or file:///srv/lists, got {shown(value)}")
    _refuse_shorthand(path)
    return _placed(path, info).as_uri()


def proxy_from_text(value: object) -> str:
    """Return the http URL of a proxy without a path, or an empty text."""
    if value == "":
        return ""
    _web_url(value, "http://proxy.example:3128")
    parts = urlsplit(str(value))
    if parts.scheme != "http":
        raise ValueError("a proxy is spoken with in plain HTTP: write http:// (https through it stays encrypted)")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"expected a proxy such as http://proxy.example:3128, without a path, got {shown(value)}")
    return str(value)


def operator_url_from_text(value: object) -> str:
    """Return an absolute http or https URL, as the Link header of RFC 7725 section 4 needs it, or an empty text."""
    if value == "":
        return ""
    _web_url(value, "https://www.example.net/")
    return str(value)


def page_url_from_text(value: object) -> str:
    """Return an absolute http or https URL to whose end paths are appended, or an empty text."""
    url = operator_url_from_text(value)
    if any(mark in url for mark in "?#{}"):
        raise ValueError(
            f"expected a URL such as https://blocked.example.net/, without ?, #, {{ and }}, got {shown(value)}"
        )
    return url


def protected_from_text(value: object, info: ValidationInfo) -> Path:
    """Return the path of a list of protected names; `shipped` is the one that comes with blockd."""
    return SHIPPED if value == "shipped" else path_from_text(value, info)


def suffixes_from_value(value: object, info: ValidationInfo) -> Path | bool:
    """Return the path of a public suffix list; True stands for the one installed with blockd, False for none."""
    if isinstance(value, str) and value.lower() in _WORDS:
        raise ValueError(f"expected true, false or a path, got {shown(value)}; for a file of that name write ./{value}")
    return value if isinstance(value, bool) else path_from_text(value, info)


def popular_from_value(value: object, info: ValidationInfo) -> Path | bool:
    """Return the path of a list of popular names; True stands for the one that comes with blockd, False for none."""
    return value if isinstance(value, bool) else path_from_text(value, info)


def _refuse_shorthand(value: str) -> None:
    """Raise ValueError for what is no path but reads as one: a shell's shorthand, or a word of other YAML readers."""
    if value.startswith(("~", "$")):
        sign, what = value[0], "the home folder" if value[0] == "~" else "a variable"
        raise ValueError(
            f"{shown(value)} begins with {sign}, and {what} is not filled in here; write the whole path, "
            f"or ./{value} for a name that begins so"
        )
    if value.lower() in _WORDS:
        raise ValueError(
            f"expected a path, got the word {shown(value)}; leave the key out for its default, "
            f"or write ./{value} for a file of that name"
        )


ConfigPath = Annotated[Path, PlainValidator(path_from_text)]
RepositoryUrl = Annotated[str, PlainValidator(repository_url_from_text)]
OperatorUrl = Annotated[str, PlainValidator(operator_url_from_text)]
PageUrl = Annotated[str, PlainValidator(page_url_from_text)]


def _placed(text: str, info: ValidationInfo) -> Path:
    """Resolve `text` against the folder in the validation's context.

    Only leading `..` are resolved, against the real folder: a link further on may change while the daemon runs, and
    must be followed each time.
    """
    folder = (info.context or {}).get("folder") or Path.cwd()
    parts = Path(text).parts
    while parts and parts[0] == "..":
        folder, parts = folder.parent, parts[1:]
    return Path(folder, *parts)


def _web_url(value: object, example: str) -> None:
    parts = _split(value) if isinstance(value, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"expected a URL such as {example}, got {shown(value)}")
    if "@" in parts.netloc:
        # The whole value may be a password: it is not quoted.
        raise ValueError("a URL with a user name or password would be logged; write one without")


def _split(value: str) -> SplitResult | None:
    if len(value) > MAX_URL or _UNPRINTABLE.search(value):
        return None
    try:
        parts = urlsplit(value)
        _ = parts.port  # raises ValueError if it is not a number or out of range
    except ValueError:
        return None
    return parts
