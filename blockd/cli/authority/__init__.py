"""`blockd authority`: the publisher's steps, one a module, each with `run(args)`."""

from __future__ import annotations

import argparse
import importlib

from blockd.errors import PublishError


def run(args: argparse.Namespace) -> int:
    """Run one step; raises PublishError, or CommandError if the usage is wrong."""
    step = importlib.import_module(args.step_module)
    try:
        return int(step.run(args))
    except OSError as error:
        raise PublishError(
            f"{args.step} stopped: {error}. Check that the folder can be written and try again."
        ) from error
