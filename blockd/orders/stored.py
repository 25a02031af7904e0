"""An order as blockd stores it, in a ruleset's catalogue and in records: the document's fields, and a few more.

`_salt` is that of a confidential order, `_role` the authority's role in its repository, `_list` the name of a list,
`records` the local data of a policy zone's rule, and `_target` what the zone itself has at an alias's target. What the
order covers is stored elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from blockd.names.hashed import MAX_SALT, MIN_SALT
from blockd.orders.fields import SCHEMA, TEXTS, TIMES, as_mapping, read_fields, refuse, unknown_fields
from blockd.orders.order import Action, LocalRecord, Order
from blockd.orders.repository import is_role
from blockd.times import time_text

MAX_RECORDS = 64  # of one name in a policy zone; a real answer has a few
MAX_RECORD_DATA = 4_096  # octets of all of them together, so that they fit into an answer


def order_to_json(order: Order) -> dict[str, object]:
    """Return the document's fields of an order, without what it covers; `parse_order` is the inverse."""
    written: dict[str, object] = {"schema": SCHEMA, "id": order.id, "action": order.action}
    if order.mandate is not None:
        written["mandate"] = order.mandate
    written.update({name: getattr(order, name) for name in TEXTS if getattr(order, name)})
    written.update({name: time_text(at) for name in TIMES if (at := getattr(order, name)) is not None})
    if order.cname:
        written["cname"] = order.cname
    if order.salt:
        written["_salt"] = order.salt.hex()
    if order.role:
        written["_role"] = order.role
    if order.list_name:
        written["_list"] = order.list_name
    if order.records:
        written["_target" if order.action is Action.CNAME else "records"] = [
            [record.type, record.ttl, record.data.hex()] for record in order.records
        ]
    if order.notices:
        names = ("sent", "channel", "text", "answer")
        written["notices"] = [{n: getattr(notice, n) for n in names if getattr(notice, n)} for notice in order.notices]
    return {**order.unknown, **written}


def parse_order(document: object, source: str) -> Order:
    """Parse what `order_to_json` writes, also of a policy zone's order; raises BadOrder with every problem at once."""
    document = as_mapping(document, source)
    problems: list[str] = []
    fields = read_fields(document, problems, of_zone=True, of_list=bool(document.get("_list")))
    is_local = fields["action"] is Action.LOCAL
    records = _records(document.get("records"), problems) if is_local else ()
    if fields["action"] is Action.CNAME and "_target" in document:
        records = _records(document["_target"], problems)
    salt, role, list_name = _added(document, problems)
    refuse(source, problems)
    unknown = unknown_fields(document)
    if is_local:
        unknown.pop("records", None)
    return Order(**fields, records=records, salt=salt, list_name=list_name, role=role, unknown=unknown)


def _added(document: Mapping[str, object], problems: list[str]) -> tuple[bytes, str, str]:
    """Return the salt, the role and the list's name, which are not fields of the document."""
    try:
        salt, role, name = (
            bytes.fromhex(str(document.get("_salt", ""))), document.get("_role", ""), document.get("_list", "")
        )  # fmt: skip
        if (salt and not MIN_SALT <= len(salt) <= MAX_SALT) or not isinstance(role, str) or not isinstance(name, str):
            raise ValueError
        if role and not is_role(role):
            raise ValueError
    except ValueError:
        problems.append("_salt, _role, _list: were not written by blockd")
        return b"", "", ""
    return salt, role, name


def _records(value: object, problems: list[str]) -> tuple[LocalRecord, ...]:
    """Return the records of a policy zone's rule, each `[type, ttl, data in hexadecimal]`."""
    found = []
    try:
        if not isinstance(value, list) or not 0 < len(value) <= MAX_RECORDS:
            raise ValueError(f"expected 1 to {MAX_RECORDS} records")
        for kind, ttl, data in value:
            record = LocalRecord(int(kind), int(ttl), bytes.fromhex(data))
            if not 0 < record.type <= 0xFFFF or not 0 <= record.ttl <= 0x7FFFFFFF:
                raise ValueError("a type or TTL is out of range")
            found.append(record)
        if sum(len(record.data) for record in found) > MAX_RECORD_DATA:
            raise ValueError(f"they hold more than {MAX_RECORD_DATA} octets")
    except (TypeError, ValueError) as error:
        problems.append(f"records: cannot be read: {error}")
        return ()
    return tuple(found)
