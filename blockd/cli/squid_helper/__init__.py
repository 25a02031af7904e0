"""`blockd squid-helper`: decide for Squid, as the helper of an `external_acl_type` with concurrency."""

from __future__ import annotations

import argparse
import os
import sys

from blockd.cli import DONE
from blockd.cli.output import print_text
from blockd.cli.squid_helper.client import DecisionClient
from blockd.cli.squid_helper.lines import Decided, MalformedLine, Question, answer_line
from blockd.errors import CommandError
from blockd.settings import load
from blockd.settings.listening import LocalAddress, local_address_from_path_or_text

READ = 1 << 16  # octets read at once
MAX_LINE = 1 << 16  # octets of a line; Squid's own limit for what it sends to a helper is 32 KB


def run(args: argparse.Namespace) -> int:
    """Answer lines of standard input until it ends, which is how Squid ends its helpers."""
    helper = Helper(DecisionClient(_address(args)), allows_on_failure=args.allow_on_failure)
    left = b""
    while octets := os.read(sys.stdin.fileno(), READ):
        *lines, left = (left + octets).split(b"\n")
        if len(left) > MAX_LINE:
            raise CommandError(f"a line of standard input has more than {MAX_LINE:,} octets; Squid sends no such line")
        if lines:
            print_text("".join(f"{answer}\n" for answer in helper.answers(lines)))
            sys.stdout.flush()
    return DONE


class Helper:
    """Answers Squid's lines by what the daemon decides.

    Without a decision the answer is BH, by which Squid denies the request; with `allows_on_failure` it is that of one
    that may pass.
    """

    def __init__(self, client: DecisionClient, *, allows_on_failure: bool) -> None:
        self._client = client
        self._allows_on_failure = allows_on_failure

    def answers(self, lines: list[bytes]) -> list[str]:
        """Return the answers to some lines, each of which is one."""
        read: list[Question | str] = []
        for line in lines:
            try:
                read.append(Question.of(line))
            except MalformedLine as error:
                read.append(error.answer)
        questions = [one for one in read if isinstance(one, Question)]
        decided = iter(self._decided(questions))
        return [one if isinstance(one, str) else answer_line(one, next(decided)) for one in read]

    def _decided(self, questions: list[Question]) -> list[Decided]:
        found, why = self._client.decided(questions)
        failed = Decided(False if self._allows_on_failure else None, why)
        return found + [failed] * (len(questions) - len(found))


def _address(args: argparse.Namespace) -> LocalAddress:
    """Return where the daemon decides: as the command says, else the first of `listen.decide`."""
    if args.at is not None:
        try:
            return local_address_from_path_or_text(args.at)
        except ValueError as error:
            raise CommandError(f"--at: {error}") from error
    addresses = load(args.config).listen.decide
    if not addresses:
        raise CommandError(f"{args.config}: `listen.decide` is empty; set it, or name a place with --at")
    return addresses[0]
