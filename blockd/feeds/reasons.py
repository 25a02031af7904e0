"""The reasons for which a feed's new content is refused: a fixed few, each a value of a metric's label."""

from __future__ import annotations

REASONS = {
    "unreachable": "nothing could be fetched",
    "missing": "the file or object is not there",
    "empty": "it holds nothing, or no name",
    "binary": "it is no text",
    "html": "it is a web page, as an error or login page would be",
    "cut": "it ends in the middle of a line, of its body or of its archive",
    "too large": "it is larger than the feed's limit",
    "shrunk": "it has lost more names than the gate allows",
    "grown": "it has gained more names than the gate allows",
    "rejects": "too many of its lines are no names",
    "signature": "a signature or digest is wrong, or too few keys have signed",
    "unsigned": "its detached signature is not there, or is not that of the list by the feed's key",
    "rollback": "it is older than what was seen before",
    "expired": "its metadata has expired",
    "not allowed": "the zone's primary refuses the transfer to this address or key",
    "no zone": "the primary does not have the zone",
    "key": "the TSIG key cannot be used, or the primary has another one",
    "clock": "the primary's clock and this machine's are too far apart for TSIG",
    "answer": "the primary answers with an error, or answers something else",
    "foreign": "a record belongs to another zone or class",
    "serial": "the serial numbers of a transfer contradict each other",
    "sequence": "the records of a transfer stand in an order that none has, or go on behind its end",
    "differences": "what has changed does not fit what is there",
    "stalled": "the transfer took too long, or nothing more came",
    "format": "it is not in the form that the feed's type has",
    "fault": "blockd itself failed on it",
}
