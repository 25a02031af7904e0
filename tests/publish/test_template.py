from __future__ import annotations

import re

import pytest

from blockd.errors import PublishError
from blockd.publish.document_files import from_yaml
from blockd.publish.documents import check_documents
from blockd.publish.lint import FIELDS, Rules
from blockd.publish.template import TEMPLATE

WRITTEN_BY_TOOLS = {"published", "hashed", "list"}


def test_template_has_every_field_that_people_write() -> None:
    fields = set(re.findall(r"^(?:# )?([a-z_]+):", TEMPLATE, re.MULTILINE))
    assert fields >= FIELDS - WRITTEN_BY_TOOLS


def test_template_lacks_only_who_orders() -> None:
    with pytest.raises(PublishError) as caught:
        check_documents([("template", from_yaml(TEMPLATE, "template"))], Rules())
    assert str(caught.value).splitlines()[1:] == ["  template: authority: is missing"]
    assert check_documents([("template", from_yaml(TEMPLATE, "template"))], Rules(authority="Ministry")).documents


def test_template_with_everything_in_it_is_an_order() -> None:
    text = re.sub(r"^# (?=[a-z_]+:|  )", "", TEMPLATE, flags=re.MULTILINE)
    text = re.sub(r"^(cname|confidential|lifted_on|lifted_reason):.*\n", "", text, flags=re.MULTILINE)
    assert check_documents([("template", from_yaml(text, "template"))], Rules()).documents
