"""What a client of the daemon sees of an answer."""

from __future__ import annotations

from dataclasses import dataclass

import dns.edns
import dns.message
import dns.rcode


@dataclass(frozen=True, slots=True)
class Answer:
    """What one question was answered with."""

    message: dns.message.Message

    @property
    def rcode(self) -> str:
        """The rcode's name."""
        return dns.rcode.to_text(self.message.rcode())

    @property
    def addresses(self) -> list[str]:
        """The addresses in the answer."""
        return [record.address for rrset in self.message.answer for record in rrset if hasattr(record, "address")]

    @property
    def errors(self) -> list[tuple[int, str]]:
        """The Extended DNS Errors."""
        return [
            (int(option.code), option.text or "")
            for option in self.message.options
            if isinstance(option, dns.edns.EDEOption)
        ]
