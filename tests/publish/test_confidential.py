from __future__ import annotations

import json

import pytest

from blockd.errors import PublishError
from blockd.names import DomainName, key_from_text, name_digest
from blockd.orders import parse_document
from blockd.publish.documents import canonical, check_documents
from blockd.publish.lint import Rules

Document = dict[str, object]
SALT = bytes(range(16))
RULES = Rules(salt=lambda _: SALT)
SECRETS = ["secret.example", "hidden.example.net"]


@pytest.fixture
def secret(order: Document) -> Document:
    return {**order, "confidential": True, "names": list(SECRETS)}


def test_hashes_stand_in_the_place_of_the_names(secret: Document) -> None:
    _, content = canonical(secret, "order", RULES)
    document = json.loads(content)
    assert document["confidential"] is True
    assert document["hashed"] == {
        "salt": SALT.hex(),
        "names": sorted(name_digest(key_from_text(name), SALT).hex() for name in SECRETS),
    }
    assert not any(name.encode() in content for name in SECRETS)


def test_hashed_document_is_taken_again_as_it_is(secret: Document) -> None:
    _, content = canonical(secret, "order", RULES)
    assert canonical(json.loads(content), "order")[1] == content


def test_scope_of_the_order_stays(secret: Document) -> None:
    _, content = canonical({**secret, "scope": "exact"}, "order", RULES)
    assert json.loads(content)["scope"] == "exact"


def test_each_order_has_a_salt_of_its_own(secret: Document) -> None:
    assert canonical(secret, "order")[1] != canonical(secret, "order")[1]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["secret.example", "co.id"], "names[1]: the name cannot be blocked: it is a public suffix"),
        (["secret.example", "icann.org"], "names[1]: the name cannot be blocked: it is a protected name"),
        (["secret.example", "secret.EXAMPLE"], "names[1]: the name is listed twice; it is also names[0]"),
        (["se cret.example"], "names[0]: cannot be an entry: bad character"),
        ([{"name": "secret.example", "scope": "exact"}], "names[0].scope: in a confidential order"),
        (["8.8.8.8"], "names[0]: a network cannot be kept confidential"),
    ],
)
def test_mistake_is_told_without_the_name(secret: Document, names: list[object], told: str) -> None:
    with pytest.raises(PublishError) as caught:
        check_documents([("order", {**secret, "names": names})], RULES)
    assert told in str(caught.value)
    for text in ("secret", "cret.example", "co.id", "icann", "8.8"):
        assert text not in str(caught.value).lower().replace("keep secret", "")


@pytest.mark.parametrize("mark", ["yes", 1, True])
def test_no_name_is_repeated_whatever_else_is_wrong(secret: Document, mark: object) -> None:
    wrong = {**secret, "confidential": mark, "names": ["secret.example", "icann.org", "no name"], "action": "x"}
    with pytest.raises(PublishError) as caught:
        check_documents([("order", wrong)], RULES)
    assert not [text for text in ("secret.example", "icann", "no name") if text in str(caught.value)]


def test_warnings_do_not_repeat_a_name_either(secret: Document) -> None:
    checked = check_documents([("order", {**secret, "names": ["example.net", "a.example.net"]})], RULES)
    assert "names[1]" in " ".join(checked.warnings)
    assert "example.net" not in " ".join(checked.warnings)


def test_authority_can_ask_whether_a_name_is_covered(secret: Document) -> None:
    document = parse_document(json.loads(canonical(secret, "order", RULES)[1]), "order")
    for asked, found in {
        "secret.example": "secret.example",
        "a.b.secret.example": "secret.example",
        "example": None,
        "example.net": None,
        "other.example.net": None,
    }.items():
        covering = document.covering(DomainName.from_text(asked))
        assert (covering[0].text if covering else None) == found


def test_hash_that_is_listed_twice_is_refused(secret: Document) -> None:
    document = json.loads(canonical(secret, "order", RULES)[1])
    document["hashed"]["names"] *= 2
    with pytest.raises(PublishError, match="a hash is listed twice"):
        check_documents([("order", document)], RULES)
