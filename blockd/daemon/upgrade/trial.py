"""The trial of a program that is to take the place of the running one: it is executed in a child, and tries itself.

The child is told in the environment what is in force, and says over a channel whether it could take over. It reads the
config and all that this names, opens the ruleset in force, and has a worker of its own tested on private sockets.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockd import __version__
from blockd.daemon.channel import Channel, Message
from blockd.daemon.reload.record import bounded
from blockd.daemon.update.child_process import CHILD, be_nicer
from blockd.daemon.upgrade.handover import FORMAT
from blockd.errors import BlockdError, CommandError, ConfigError, cause_of
from blockd.printable import one_line

if TYPE_CHECKING:
    from blockd.settings import Settings

VARIABLE = "BLOCKD_TRIAL"  # of the environment: JSON, the values of `WhatRuns` and the descriptor of the channel
MAX_VERSION = 64  # letters of a version, as another program tells it
PATIENCE = 120.0  # seconds for all of it: opening millions of names and reading lists of the gate may take some


@dataclass(frozen=True, slots=True)
class WhatRuns:
    """What the program that is tried has to go on with."""

    format: int  # of the handover, see `blockd.daemon.upgrade.handover`
    version: int | None  # of the ruleset
    state_dir: str
    user: str
    listens: Sequence[Sequence[str]] = ()  # what is served, by its name, and where


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What the program says of itself."""

    version: str
    problems: tuple[str, ...]

    @classmethod
    def of(cls, said: Sequence[Message]) -> TrialResult | None:
        """Return what was said; None if that is no verdict."""
        for message in said:
            found = message.get("trial")
            if not isinstance(found, dict):
                continue
            version, problems = found.get("version"), found.get("problems")
            if isinstance(version, str) and isinstance(problems, list):
                return cls(one_line(version, MAX_VERSION), bounded([str(one) for one in problems]))
        return None


def job(command: Sequence[str], in_force: WhatRuns, variables: Mapping[str, str]) -> Callable[[Channel], None]:
    """Return the work of the child: it becomes the program; raises CommandError there if that cannot be executed."""

    def become(channel: Channel) -> None:
        os.set_inheritable(channel.fileno(), True)
        told = json.dumps({**asdict(in_force), "channel": channel.fileno()})
        try:
            os.execvpe(command[0], list(command), {**variables, VARIABLE: told})  # noqa: S606
        except OSError as error:
            raise CommandError(f"{command[0]} cannot be executed by this user: {cause_of(error)}.") from error

    return become


def asked(environment: MutableMapping[str, str]) -> tuple[WhatRuns, Channel] | None:
    """Return what this program is to try itself with, and where to say what it has found; None if it is to serve."""
    told = environment.pop(VARIABLE, "")
    if not told:
        return None
    values: dict[str, Any] = json.loads(told)
    channel = Channel(socket.socket(fileno=int(values.pop("channel"))))
    known = {name: values.get(name) for name in WhatRuns.__slots__}
    return WhatRuns(**known), channel  # type: ignore[arg-type] # told by the running blockd


def run(config: Path, in_force: WhatRuns, channel: Channel) -> None:
    """Try this program, and say what was found. It is nicer than those that answer."""
    be_nicer(CHILD)
    try:
        problems = list(_problems(config, in_force))
    except ConfigError as error:
        problems = list(error.problems)
    except (BlockdError, OSError) as error:
        problems = [str(error)]
    except Exception as error:  # whatever it is, the running blockd goes on
        problems = [f"an internal error: {error!r}. Please report it"]
    channel.send({"trial": {"version": __version__, "problems": bounded(problems)}})


def _taken(settings: Settings, in_force: WhatRuns) -> Iterator[str]:
    """Say which addresses cannot be listened on that are not yet; the right to bind low ports is not this process'."""
    from blockd.settings.listening import UnixSocket
    from blockd.transports.binding import attempt
    from blockd.transports.listening.change import wanted
    from blockd.transports.listening.served import kind_of
    from blockd.transports.listening.trouble import Trouble

    known = {(name, where) for name, where in in_force.listens}
    for name, setting, addresses in wanted(settings.listen):
        for address in addresses:
            if (name, address.text) in known or isinstance(address, UnixSocket):
                continue
            error = attempt(address, kind_of(name))
            if error is not None and error.errno == errno.EADDRINUSE:
                yield str(Trouble(setting, address, error))


def _problems(config: Path, in_force: WhatRuns) -> Iterator[str]:
    from blockd.daemon.preconditions import lacking
    from blockd.daemon.upgrade.tested import test_failure
    from blockd.ruleset.gate.lists import gate_of
    from blockd.settings import load

    if in_force.format != FORMAT:
        yield (
            f"it takes over what has format {FORMAT}, and the running version hands over format {in_force.format}: "
            "restart blockd instead"
        )
        return
    settings = load(config)
    for key, now, before in (
        ("state_dir", str(settings.state_dir), in_force.state_dir),
        ("user", settings.user, in_force.user),
    ):
        if now != before:
            yield f"{key}: only a restart takes another one than {before or 'none'}"
    found = [*lacking(settings, listens=False), *_taken(settings, in_force)]
    gate_of(settings.gate, settings.feeds)
    yield from found
    if not found and (failure := test_failure(settings, config, in_force.version, time.time())):
        yield f"a worker of it failed its test: {failure}"
