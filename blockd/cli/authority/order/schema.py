"""`blockd authority order schema`: the JSON Schema of order documents, for other programs."""

from __future__ import annotations

import argparse

from blockd.cli.output import print_text
from blockd.publish.schema import schema_text


def run(args: argparse.Namespace) -> int:  # noqa: ARG001 - as every verb has it
    """Run the command and return the exit code."""
    print_text(schema_text())
    return 0
