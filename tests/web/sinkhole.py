from __future__ import annotations

from dataclasses import replace

from blockd.names import key_from_text
from blockd.orders import Action, Entry, Mandate, Notice, Order, Reason, Scope, Verdict
from blockd.web.site import Protocol, Site

ORDER = Order(
    id="ministry-2017-07",
    authority="Ministry of Examples",
    platform="Telegram",
    action=Action.SINKHOLE,
    mandate=Mandate.LAW,
    in_force_from=1_499_990_400,  # 2017-07-14
    expires=1_531_526_400,  # 2018-07-14
    legal_basis="Act 11 of 2008, section 40",
    reference="Letter 84, https://ministry.example/84.",
    reported_by="Agency for Reports",
    assessed_by="Board of Assessment",
    decided_by="Director General",
    notices=(Notice("2017-07-11", "e-mail", "Please remove <these>.", "No & never"), Notice("last <week>")),
    contact="mailto:objections@ministry.example",
    unknown={"secret": "of a later schema"},
)
LISTED = Verdict(Reason.LISTED, ORDER, Entry(key_from_text("blocked.example"), Scope.BOTH), "ministry", 0)


class Sinkhole:
    """The daemon's side of a Site: verdicts by name, and the hits that were counted."""

    def __init__(self) -> None:
        self.verdicts = {key_from_text("blocked.example"): LISTED}
        self.fault: Exception | None = None
        self.hits: list[tuple[Verdict, Protocol]] = []
        self.requests: list[Protocol] = []
        self.leads: dict[bytes, Verdict | Exception] = {}
        self.visitors: list[bytes] = []
        self.site = Site(
            "Example <Net>",
            self.verdict_of,
            self.count,
            self.requests.append,
            "https://isp.example/why",
            "help@isp.example or 147",
            where_it_leads=self.where_it_leads,
        )

    def verdict_of(self, key: bytes, _client: bytes, /) -> Verdict:
        if self.fault:
            raise self.fault
        return self.verdicts.get(key, Verdict(Reason.NOT_LISTED))

    async def where_it_leads(self, key: bytes, client: bytes, /) -> Verdict | None:
        self.visitors.append(client)
        found = self.leads.get(key)
        if isinstance(found, Exception):
            raise found
        return found

    def count(self, verdict: Verdict, protocol: Protocol, /) -> None:
        self.hits.append((verdict, protocol))

    def list(self, name: str, **changes: object) -> None:
        order = replace(ORDER, **changes)  # type: ignore[arg-type]
        self.verdicts[key_from_text(name)] = replace(LISTED, order=order)
