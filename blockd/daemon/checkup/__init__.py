"""Whether this machine is set up well: facts of the machine, the checks on them, and what they find.

Everything here only reads, and ends within seconds, with or without a running daemon.
"""

from blockd.daemon.checkup.checks import CHECKS, examine
from blockd.daemon.checkup.finding import Case, Finding, Grade, Running
from blockd.daemon.checkup.machine import Machine

__all__ = ["CHECKS", "Case", "Finding", "Grade", "Machine", "Running", "examine"]
