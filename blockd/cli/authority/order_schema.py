"""`blockd authority order schema`: the JSON Schema of order documents, for other programs."""

from __future__ import annotations

import argparse

from blockd.publish.schema import schema_text

HELP = "print the JSON Schema of order documents"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing."""


def run(args: argparse.Namespace) -> int:  # noqa: ARG001 - as every verb has it
    """Run the command and return the exit code."""
    print(schema_text(), end="")
    return 0
