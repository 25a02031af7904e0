"""The self-test after a swap: whether every worker, asked through its own sockets, answers as the new ruleset says.

The control process asks as a client does, over UDP and TCP, because a check inside a worker would leave out the socket,
the batch and the engine's own way to an answer. It computes the right answer itself, octet by octet, with the policy in
Python on the mapped file. It asks without "recursion desired": a listed name is answered nevertheless, and for any
other name no upstream is asked or waited for.
"""

from blockd.selftest.runner import SelfTestReport, SelfTests
from blockd.selftest.sampling import Examples

__all__ = ["Examples", "SelfTestReport", "SelfTests"]
