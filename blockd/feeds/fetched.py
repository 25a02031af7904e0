"""The new content that a source returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# The files in a feed's folder. `incoming` is the source's, which replaces or removes it whenever it likes; what has
# been taken from it is renamed, and then the state's alone.
INCOMING = "incoming"  # what was fetched last, until it is taken over
OFFERED = "offered"  # the file with what was taken over, until it is compiled
CANDIDATE = "candidate"  # the file with new content while it is compiled
REFUSED = "refused"  # the file with the content that the gate refused last, for an operator to accept
WAITING = "waiting"  # the file with new content that passed the gate while a version is pinned
NOTE = "candidate.json"  # the file that says what that one is, or was before it was renamed
READ = "read"  # the file with new content that is read by itself, since it takes long
BEGUN = "begun"  # the file with the content that passed the gate last, as a compile in progress began with it
ACCEPTED = "accepted"  # the file with the content that passed the gate last
UNJUDGED = (INCOMING, OFFERED, CANDIDATE, READ, WAITING)  # in the order in which a content is renamed
CONTENTS = (*UNJUDGED, REFUSED, BEGUN, ACCEPTED)
MAX_VALIDATOR = 1024  # characters; a longer one is not sent back, and costs a fetch instead


@dataclass(frozen=True, slots=True)
class Validators:
    """The validators of a response (RFC 9110 section 8.8), empty if it had none; kept by the caller.

    They are about the resource at `source` alone, a digest of where they come from, and are sent nowhere else.
    """

    etag: str = ""
    last_modified: str = ""
    source: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the validators as JSON values; `from_json` reads them back."""
        return {"etag": self.etag, "last_modified": self.last_modified, "source": self.source}

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Validators:
        """Return validators from JSON values; anything invalid counts as no validator, which only costs a fetch."""
        return cls(*(_validator(data.get(key)) for key in ("etag", "last_modified", "source")))

    @classmethod
    def from_headers(cls, headers: Mapping[str, str], source: str) -> Validators:
        """Return the validators in the headers of a response from `source`."""
        return cls(_validator(headers.get("ETag")), _validator(headers.get("Last-Modified")), source)


@dataclass(frozen=True, slots=True)
class Fetched:
    """New content of a feed: `path` holds it whole and on disk, `digest` is its SHA-256 in hex."""

    path: Path
    digest: str
    source_time: int | None  # when the source says it was made: seconds since the epoch
    validators: Validators = Validators()  # to hand in at the next fetch
    published: float | None = None  # the same with fractions of a second, if a signed list has it
    evidence: Mapping[str, bytes] = field(default_factory=dict)  # what proves a signed list, by the files' names
    read_alone: bool = False  # whether it was read by itself, within its budget
    waived: bool = False  # whether an operator takes it whatever the gate says of its size and rejects


def _validator(value: object) -> str:
    usable = isinstance(value, str) and len(value) <= MAX_VALIDATOR and value.isascii() and value.isprintable()
    return str(value) if usable else ""
