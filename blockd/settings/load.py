"""Loading of the config file: its settings, or every problem in it at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from blockd.errors import ConfigError
from blockd.settings.checks.encrypted import encrypted_problems
from blockd.settings.checks.file import cross_check
from blockd.settings.checks.groups import group_problems
from blockd.settings.checks.zones import zone_problems
from blockd.settings.model import Settings
from blockd.settings.problems import problems_of
from blockd.settings.yaml_file import MAX_PROBLEMS, parse_yaml, read_text


def load(path: Path) -> Settings:
    """Read and check the config file at `path`; relative paths in it start at its folder.

    Raises ConfigError with every problem: of the file, its syntax, its keys and values, and what they must agree on.
    Nothing that the settings point to is opened: whether lists and keys exist is checked by their feeds.
    """
    return settings_from(*parse_yaml(read_text(path), str(path)), path)


def settings_from(data: object, problems: Sequence[str], path: Path) -> Settings:
    """Check the values of the config file at `path`, and return its settings; `problems` are those of its keys.

    Raises ConfigError, as `load` does.
    """
    source, problems, more = str(path), list(problems), 0
    if data is None:
        # An empty file is more likely truncated than intended, and would lift every block.
        raise ConfigError(source, ["the file has no settings; expected at least one key, such as feeds"])
    folder = path.absolute().parent.resolve()
    settings = None
    try:
        settings = Settings.model_validate(data, context={"folder": folder})
    except ValidationError as error:
        told, more = problems_of(error.errors(include_url=False), MAX_PROBLEMS)
        problems += told
    if isinstance(data, Mapping):
        problems += cross_check(data)
    if settings is not None:
        problems += zone_problems(settings)
        problems += group_problems(settings)
        problems += encrypted_problems(settings)
    if problems or settings is None:
        raise ConfigError(source, _bounded(problems, more))
    return settings


def _bounded(problems: list[str], more: int) -> list[str]:
    """Return as many as are reported at once; `more` are not among them."""
    left = max(0, len(problems) - MAX_PROBLEMS) + more
    return [*problems[:MAX_PROBLEMS], *([f"and {left} more"] if left else [])]
