"""What the control process takes from outside, so that tests can hand in their own."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from blockd.daemon.answers.differences import Differ
from blockd.daemon.timing import Timing
from blockd.daemon.update.compile_child import Compiler, RulesetCompiler
from blockd.daemon.update.diff_child import compared, differences
from blockd.daemon.update.forked_child import ForkedChildren
from blockd.daemon.update.managed_feed import OpenSource
from blockd.daemon.update.version_journal import Compare
from blockd.feeds.kinds import open_source
from blockd.resolver import SelfTestKey
from blockd.selftest import SelfTests
from blockd.settings import Settings


@dataclass(frozen=True, slots=True)
class Environment:
    """What the control process takes from outside: time, feeds, and what compiles, compares and tests."""

    timing: Timing = field(default_factory=Timing)
    source: OpenSource = open_source
    compiler: RulesetCompiler = field(default_factory=Compiler)
    previewer: RulesetCompiler = field(default_factory=lambda: Compiler(quick=True))  # of what is only looked at
    compare: Compare = compared
    differ: Differ = differences
    self_tests: Callable[[Settings, SelfTestKey], SelfTests] = SelfTests

    @classmethod
    def real(cls, nursery: socket.socket | None) -> Environment:
        """Return the real ones; child processes are forked at the other end of `nursery`, if there is one."""
        if nursery is None:
            return cls()
        start = ForkedChildren(nursery).start
        return cls(
            compiler=Compiler(start, quick=True),
            previewer=Compiler(start, quick=True),
            compare=partial(compared, start_child=start),
            differ=partial(differences, start_child=start),
        )
