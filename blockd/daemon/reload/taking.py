"""A new generation is taken: by the workers, then by those that follow them, then by the control process.

If one fails, those that were replaced before are replaced by their old generation again.
"""

from __future__ import annotations

import gc
import importlib
import logging
from collections.abc import Callable, Collection, Iterator

from blockd.daemon.processes.children import CONTROL, DECIDE, PAGE, Child, Kind, Role
from blockd.daemon.processes.family import Family
from blockd.daemon.processes.jobs import CODE, Jobs
from blockd.daemon.reload.generation import Generation
from blockd.daemon.reload.handing import Handing
from blockd.daemon.reload.lasting import Lasting
from blockd.daemon.reload.succession import Succession, SuccessionError
from blockd.daemon.reload.waits import Steps
from blockd.daemon.report import log_lines
from blockd.ruleset.gate.lists import installed_suffixes
from blockd.transports.listening.change import SocketChange

log = logging.getLogger(__name__)


def roles_of(generation: Generation) -> list[Role]:
    """Return the processes that serve by a generation, in the order in which they are started."""
    sockets = generation.shared.sockets
    workers = [Role("worker", index) for index in range(generation.settings.workers)]
    is_wanted = {PAGE: sockets.has_page, DECIDE: bool(sockets.decide), CONTROL: True}
    return [*workers, *(role for role in CODE if is_wanted[role])]


class Taking:
    """Has the children of `family` serve by another generation. `taken` is called with the one that is in force then.

    `tell` tells the control process of a worker, or of one that follows workers, that serves from now on.
    """

    def __init__(
        self,
        jobs: Jobs,
        family: Family,
        lasting: Lasting,
        succession: Succession,
        tell: Callable[[Child], None],
        taken: Callable[[Generation], None],
    ) -> None:
        self.jobs = jobs
        self.lasting = lasting
        self._family = family
        self._succession = succession
        self._handing = Handing(family)
        self._tell = tell
        self._taken = taken

    def take(self, made: Generation, kinds: Collection[Kind], listening: SocketChange) -> Steps[None]:
        """Have the processes of these kinds replaced by those of the coming generation.

        Raises SuccessionError and OSError; the generation before stays then. Who has a socket that goes reads it until
        what comes is steered elsewhere, and then reads it empty.
        """
        jobs, before = self.jobs, self.jobs.generation
        late: dict[int, tuple[Child, list[int]]] = {}  # by process id: who leaves last

        def serves(successor: Child, predecessor: Child | None) -> None:
            self._tell(successor)
            if predecessor is not None:
                leave(predecessor)

        def leave(child: Child) -> None:
            if going := listening.going(before.groups_of(child.role)):
                child.standing = "leaving"
                late[child.pid] = child, going
            else:
                self._succession.leave(child)

        self._prepare(made)
        try:
            for role in self._concerned(before, made, kinds):
                jobs.taken.add(role)
                if role in roles_of(made):
                    yield from self._replace(role, before, made, serves)
                elif (child := self._family.of(role)) is not None:
                    leave(child)
            listening.steer()
        except (SuccessionError, OSError):
            for child, _ in late.values():
                self._succession.leave(child)
            yield from self._go_back(made)
            raise
        jobs.generation, jobs.coming = made, None
        jobs.taken.clear()
        self._taken(made)
        before.forget(but=made)
        for child, going in late.values():
            self._succession.leave(child, going)

    def _replace(
        self, role: Role, before: Generation, made: Generation, serves: Callable[[Child, Child | None], None]
    ) -> Steps[None]:
        """Have a new process serve in a role; a worker begins with what those before it have cached."""
        if role.kind != "worker":
            yield from self._succession.replace(role, serves)
            return
        workers = before.settings.workers, made.settings.workers
        handed = yield from self._handing.caches(role, *workers, before.resolution)
        self.jobs.handed[role] = handed
        try:
            yield from self._succession.replace(role, serves)
        finally:
            del self.jobs.handed[role]
            handed.close()

    def end(self) -> Steps[None]:
        """Wait for those that were replaced, and close the sockets that only they had."""
        sockets = self.jobs.generation.shared.sockets
        gone = sockets.all_leaving
        yield from self._succession.drained()
        if gone:
            sockets.close_leaving(gone)

    def _concerned(self, before: Generation, made: Generation, kinds: Collection[Kind]) -> Iterator[Role]:
        """Yield the roles that are to be filled anew, or given up."""
        roles = dict.fromkeys([*roles_of(made), *roles_of(before)])
        for kind in ("worker", "page", "decide", "control"):
            yield from (role for role in roles if role.kind == kind and kind in kinds)

    def _prepare(self, made: Generation) -> None:
        """Load what the new processes need, once for all of them."""
        log_lines.begin(made.settings.logged)
        self.lasting.grow(made.settings.workers)
        made.shared.state.restore_folders(feed.name for feed in made.settings.feeds)
        if made.settings.upstream.flood_limit:
            installed_suffixes()
        for role in roles_of(made):
            if role in CODE:
                importlib.import_module(CODE[role])
        gc.collect()  # of what is not frozen yet: what is garbage now would stay for ever
        gc.freeze()

    def _serves_again(self, successor: Child, predecessor: Child | None) -> None:
        self._tell(successor)
        if predecessor is not None:
            self._succession.leave(predecessor)

    def _go_back(self, made: Generation) -> Steps[None]:
        """Have all that were replaced serve by the generation in force again."""
        jobs = self.jobs
        log_lines.begin(jobs.generation.settings.logged)
        log.error("The processes that have taken the new config are replaced by those of the config in force.")
        for role in sorted(jobs.taken, key=lambda role: (role.kind == "control", role.kind, role.index)):
            jobs.taken.discard(role)
            serving = self._family.of(role)
            if role not in roles_of(jobs.generation):
                if serving is not None:
                    self._succession.leave(serving)
            elif serving is None or serving.generation is made:
                try:
                    yield from self._succession.replace(role, self._serves_again)
                except SuccessionError as error:
                    log.error("%s. It is started again.", error)
