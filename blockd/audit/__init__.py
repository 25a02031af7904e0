"""Accountability: what this node enforced, when and on whose authority, verifiable years later.

The log is a chain of records (`chain`) in a SQLite file (`database`), written by the control process alone, in a thread
of its own (`log`). `recorder` says what is recorded. Reading it needs no daemon: `verifying`, `proving`, `statement`.
"""

from blockd.audit.log import AuditLog
from blockd.audit.recorder import AuditRecorder

__all__ = ["AuditLog", "AuditRecorder"]
