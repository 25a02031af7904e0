"""`blockd token`: make, list and remove the tokens by which programs and people are known at the admin port."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from blockd.cli import DONE, NO
from blockd.cli.asking.place import state_folder
from blockd.cli.output import error_lines, show
from blockd.errors import CommandError
from blockd.times import time_from_text, time_text
from blockd.web.callers.role import role_of
from blockd.web.callers.token_store import change_tokens
from blockd.web.callers.tokens import AccessToken, checked_name, digest_of, new_text, read_tokens
from blockd.web.callers.user_name import recorded_name


def run(args: argparse.Namespace) -> int:
    """Do what the part says; 1 if no token is there to be listed."""
    folder = state_folder(args.config)
    if args.part == "add":
        return _add(args, folder)
    if args.part == "remove":
        return _remove(args, folder)
    tokens, now = read_tokens(folder), time.time()
    told = {"tokens": [{**_told(token), "over": token.is_over(now)} for token in tokens]}
    show(args.json, told, _lines(tokens, now))
    return DONE if tokens else NO


def _add(args: argparse.Namespace, folder: Path) -> int:
    text, now, by = new_text(), time.time(), f"user {recorded_name(os.getuid())}"
    role = role_of(args.role)
    made = AccessToken(checked_name(args.name), role, digest_of(text), int(now), _end(args.expires, now), by)

    def change(tokens: Sequence[AccessToken]) -> Sequence[AccessToken]:
        if any(token.name == made.name for token in tokens):
            raise CommandError(
                f"there is a token {made.name} already: `blockd token remove {made.name}` ends it; nothing was changed"
            )
        return [*tokens, made]

    change_tokens(folder, change)
    show(args.json, {**_told(made), "token": text}, [text])
    if not args.json:
        until = "" if made.expires is None else f", until {time_text(made.expires)}"
        error_lines(
            f"The token {made.name} has the role {role.text}{until}. Keep it now: it is shown this once, and kept "
            "nowhere. It works at once."
        )
    return DONE


def _remove(args: argparse.Namespace, folder: Path) -> int:
    def change(tokens: Sequence[AccessToken]) -> Sequence[AccessToken]:
        rest = [token for token in tokens if token.name != args.name]
        if len(rest) == len(tokens):
            known = ", ".join(token.name for token in tokens) or "none"
            raise CommandError(f"there is no token {args.name!r}; there are: {known}. Nothing was changed")
        return rest

    change_tokens(folder, change)
    show(args.json, {"name": args.name, "removed": True}, [f"token {args.name}: removed; it works no more"])
    return DONE


def _lines(tokens: Sequence[AccessToken], now: float) -> Iterator[str]:
    if not tokens:
        yield "no token: the admin port answers /healthz, /readyz and /metrics, and on this machine the status"
    for token in tokens:
        end = "" if token.expires is None else f", {_ends(token, now)} {time_text(token.expires)}"
        by = f", by {token.by}" if token.by else ""
        yield f"token {token.name}: {token.role.text}, since {time_text(token.created)}{by}{end}"


def _ends(token: AccessToken, now: float) -> str:
    return "EXPIRED" if token.is_over(now) else "until"


def _told(token: AccessToken) -> dict[str, object]:
    """Return what is told of a token, which is not its digest."""
    return {name: value for name, value in token.to_json().items() if name != "sha256"}


def _end(text: str | None, now: float) -> float | None:
    if text is None:
        return None
    try:
        end = time_from_text(text)
    except ValueError as error:
        raise CommandError(f"expected a time such as 2026-12-31, got {text!r}; nothing was changed") from error
    if end <= now:
        raise CommandError(f"{text} has passed: the token would never work; nothing was changed")
    return end
