"""A config that is to be taken is read and checked whole by a child, which may take its time and fail by itself.

The child has the rights that blockd is left with. What it may not read and is the same as at the start stays as it was
read then: root may have read the lists of the gate, keys and secrets. It hands over what it has read in sealed files
in memory, of which the first has all but the gate and the certificates.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from blockd.daemon.certificates.handed import HandedCertificates
from blockd.daemon.channel import DESCRIPTOR, Channel, Message
from blockd.daemon.config_watch import ConfigWatch, LoadedFile, named_files
from blockd.daemon.interchange import sealed
from blockd.daemon.process_name import name_process
from blockd.daemon.reload.generation import Generation
from blockd.daemon.shared_gate import HandedGate
from blockd.errors import BlockdError, ConfigError, cause_of
from blockd.resolver.edge import cookie_secrets
from blockd.settings import Settings, settings_from
from blockd.settings.yaml_file import parse_yaml, read_text
from blockd.tls import ticket_secrets
from blockd.transports import descriptors
from blockd.transports.http import choice as http2

MAX_SIZE = 8 << 20  # octets of what is handed over: the values of a config, and the names of the files in it
PATIENCE = 60.0  # seconds for reading all files that a config names

_GATE, _CERTIFICATES, _READ = "gate", "certificates", "read"


@dataclass(slots=True)
class CheckedConfig:
    """What was read for a config, or what is wrong with it. What is None stays as it is in force."""

    problems: tuple[str, ...] = ()
    digest: str = ""
    data: object = None  # the values of the config file
    files: tuple[LoadedFile, ...] = ()
    cookies: tuple[bytes, ...] | None = None
    tickets: tuple[bytes, ...] | None = None
    gate: HandedGate | None = None
    certificates: HandedCertificates | None = None

    @classmethod
    def of(cls, said: list[Message]) -> Self:
        """Return what a child has handed over; raises ValueError if it has not come to its end."""
        found: dict[str, int] = {}
        for message in said:
            for key in (_GATE, _CERTIFICATES, _READ):
                if key in message and DESCRIPTOR in message:
                    found[key] = message.pop(DESCRIPTOR)
        if _READ not in found:
            for descriptor in found.values():
                os.close(descriptor)
            raise ValueError
        made = cls(
            gate=HandedGate(found[_GATE]) if _GATE in found else None,
            certificates=HandedCertificates(found[_CERTIFICATES]) if _CERTIFICATES in found else None,
        )
        try:
            made._take(sealed.members_of(found[_READ], MAX_SIZE))
        except (ValueError, TypeError, KeyError, IndexError) as error:
            made.close()
            raise ValueError(f"what it has read is not what was expected: {error!r}") from error
        finally:
            os.close(found[_READ])
        return made

    def _take(self, values: Mapping[str, Any]) -> None:
        """Take what the first file has."""
        self.problems = tuple(map(str, values["problems"]))
        self.digest, self.data = str(values["digest"]), values["data"]
        self.files = tuple(
            LoadedFile(Path(path), digest, None if stamp is None else (stamp[0], stamp[1], stamp[2]))
            for path, digest, stamp in values["files"]
        )
        self.cookies, self.tickets = _secrets(values["cookies"]), _secrets(values["tickets"])

    def close(self) -> None:
        """Close what was handed over, and is not taken."""
        for handed in (self.gate, self.certificates):
            if handed is not None:
                handed.close()


class ConfigCheck:
    """The work of the child: reads the config of `generation` anew."""

    def __init__(self, generation: Generation) -> None:
        self._before = generation
        self._stamps = {file.path: file.stamp for file in generation.running.files}
        self._problems: list[str] = []

    def run(self, channel: Channel) -> None:
        """Read and check all, and hand it over."""
        name_process("checker")
        config = self._before.config
        values: dict[str, Any] = {"data": None, "files": [], "cookies": None, "tickets": None, "digest": ""}
        try:
            values["digest"] = LoadedFile.read(config.absolute()).digest
            values["data"], problems = parse_yaml(read_text(config), str(config))
            settings = settings_from(values["data"], problems, config)
        except ConfigError as error:
            self._problems += error.problems
        else:
            running = ConfigWatch(settings, config)
            values["files"] = [(str(one.path), one.digest, one.stamp) for one in running.files]
            if running.digest != values["digest"]:
                self._problems.append("the file was changed while it was read; reload once more")
            self._check(settings, values, channel)
        values["problems"] = self._problems
        channel.send({_READ: True}, sealed.put("blockd-config", values))

    def _check(self, settings: Settings, values: dict[str, Any], channel: Channel) -> None:
        before = self._before.settings
        if too_few := descriptors.lacking(settings):
            self._problems.append(too_few)
        if settings.listen.doh:
            with self._problems_of("listen.doh"):
                http2.why_not_native()
        for key, path, kept, kind in (
            ("cookies", settings.clients.cookie_secrets, before.clients.cookie_secrets, cookie_secrets.FILE),
            ("tickets", settings.tls.ticket_secrets, before.tls.ticket_secrets, ticket_secrets.FILE),
        ):
            if path is not None and not (path == kept and self._is_as_before(path)):
                self._problems += kind.problems_of(path)
                values[key] = [secret.hex() for secret in kind.secrets(path)]
        certificates = settings.certificates
        if certificates != before.certificates:  # without any, that is handed over: nothing stays as it was
            handed = HandedCertificates.read(certificates) if certificates else HandedCertificates.of(())
            self._problems += handed.problems()
            channel.send({_CERTIFICATES: True}, handed.descriptor)
        self._problems += self._of_roots(settings)
        is_same = settings.gate == before.gate and settings.feeds == before.feeds
        lists = [path for key, path in named_files(settings) if key.startswith("gate.")]
        if not (is_same and all(map(self._is_as_before, lists))):
            with self._problems_of("gate"):
                channel.send({_GATE: True}, HandedGate.read(settings.gate, settings.feeds).descriptor)

    def _is_as_before(self, path: Path) -> bool:
        """Return whether a file is the one that was read for the config in force."""
        return path in self._stamps and LoadedFile.stamp_now(path) == self._stamps[path]

    @contextlib.contextmanager
    def _problems_of(self, place: str) -> Iterator[None]:
        try:
            yield
        except ConfigError as error:
            self._problems += error.problems
        except BlockdError as error:
            self._problems.append(f"{place}: {error}")

    def _of_roots(self, settings: Settings) -> Iterator[str]:
        """Say which roots of trust cannot be read that the config in force does not have."""
        for number, feed in enumerate(settings.feeds):
            root = feed.root_of_trust
            if root is None or self._is_as_before(root):
                continue
            try:
                with root.open("rb"):
                    pass
            except OSError as error:
                yield f"feeds[{number}].root: {root} cannot be read: {cause_of(error)}"


def _secrets(texts: list[str] | None) -> tuple[bytes, ...] | None:
    return None if texts is None else tuple(map(bytes.fromhex, texts))
