"""The names of people by their keys, kept in the workshop for those who sign, and never published."""

from __future__ import annotations

import json
from collections.abc import Mapping

from blockd.errors import PublishError, cause_of
from blockd.files import replace_file
from blockd.publish.workshop import Workshop

MAX_NAME = 100  # characters; it is printed in a line with a key id


def signer_names(workshop: Workshop) -> dict[str, str]:
    """Return the known names by key id; raises PublishError if the file is damaged."""
    try:
        told = json.loads(workshop.signers.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise PublishError(f"{workshop.signers} cannot be used: {cause_of(error)}. It may be removed.") from error
    if not isinstance(told, dict):
        raise PublishError(f"{workshop.signers} is not a JSON object. It may be removed.")
    return {str(keyid): str(name)[:MAX_NAME] for keyid, name in told.items() if str(name).isprintable()}


def name_signers(workshop: Workshop, names: Mapping[str, str]) -> None:
    """Store whose keys these are."""
    known = {**signer_names(workshop), **{keyid: name[:MAX_NAME] for keyid, name in names.items()}}
    replace_file(workshop.signers, (json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())


def told_signer(names: Mapping[str, str], keyid: str) -> str:
    """Return a key as people read it: the beginning of its id, and whose it is if known."""
    return f"{keyid[:16]} ({names[keyid]})" if names.get(keyid) else keyid[:16]
