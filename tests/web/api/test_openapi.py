"""The OpenAPI document is made from the table of routes, and is whole."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from blockd.web.api.asked import Malformed, read
from blockd.web.api.bodies import OverrideChange, VersionToEnforce
from blockd.web.api.openapi import openapi
from blockd.web.api.schema import Schemas
from blockd.web.api.table import ROUTES
from blockd.web.callers.caller import AccessRole
from tests.web.figures import examples

DOCUMENT: dict[str, Any] = json.loads(json.dumps(openapi(ROUTES)))


def test_every_route_is_in_the_document_with_its_role() -> None:
    described = {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}
    assert described == {(route.method, route.path) for route in ROUTES}
    for route in ROUTES:
        operation = DOCUMENT["paths"][route.path][route.method.lower()]
        assert ("security" in operation) is (route.role is not AccessRole.NONE)
        assert route.method == "GET" or route.role in (AccessRole.OPERATOR, AccessRole.METRICS)


def test_every_reference_leads_somewhere() -> None:
    for place in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT))):
        found: Any = DOCUMENT
        for part in place.split("/"):
            found = found[part]
        assert found, place


def test_names_for_programs_are_unique() -> None:
    names = [operation["operationId"] for item in DOCUMENT["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))


def test_a_change_of_one_kind_is_asked_for_as_one_of_several() -> None:
    schema = DOCUMENT["components"]["schemas"]["OverrideChange"]
    assert schema["oneOf"] == [{"required": ["add"]}, {"required": ["end"]}]
    assert "required" not in schema
    added = DOCUMENT["components"]["schemas"]["OverrideToAdd"]
    assert (added["required"], "as" in added["properties"]) == (["name", "reason", "until"], True)
    wrong: list[dict[str, object]] = [
        {}, {"add": None}, {"add": {}, "end": {}}, {"end": {"name": "a", "reason": "w", "more": ""}},
    ]  # fmt: skip
    for body in wrong:
        with pytest.raises(Malformed):
            read(OverrideChange, body)
    assert read(VersionToEnforce, {"version": 3.0}).chosen() == ("version", 3)


@pytest.mark.parametrize("example", examples.EXAMPLES, ids=lambda example: type(example).__name__)
def test_a_figure_has_the_keys_of_its_schema(example: Any) -> None:
    schemas = Schemas()
    schemas.of(type(example))
    schema = schemas.named[type(example).__name__]
    assert set(example.to_json()) == set(schema["properties"]) == set(schema["required"])
