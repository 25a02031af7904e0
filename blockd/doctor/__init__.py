"""Diagnosis of this machine's setup: facts of the machine, checks on them, and their findings.

Everything here only reads, and ends within seconds, with or without a running daemon.
"""

from blockd.doctor.checks import CHECKS, examine
from blockd.doctor.finding import Context, Finding, Grade, Running
from blockd.doctor.machine import Machine

__all__ = ["CHECKS", "Context", "Finding", "Grade", "Machine", "Running", "examine"]
