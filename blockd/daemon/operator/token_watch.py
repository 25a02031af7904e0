"""Looking at the file of tokens now and then, so that what is done to it is recorded although nobody sends a token."""

from __future__ import annotations

from blockd.daemon.timing import Timing
from blockd.web.callers.token_file import TokenFile

LOOK = 5.0  # seconds between two looks at the file's status


async def watch_tokens(tokens: TokenFile, timing: Timing) -> None:
    """Look at the file for ever; what is told of a change is set where it is made."""
    while True:
        tokens.look()
        await timing.sleep(LOOK)
