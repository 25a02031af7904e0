from __future__ import annotations

import importlib
import sys

import pytest

from blockd.errors import CommandError
from blockd.formats.taking import LineTaker
from blockd.native import ENGINE
from blockd.ruleset.building.builder import Builder, new_builder

KEY = bytes(16)


def test_python_does_the_work_where_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENGINE, "python")
    assert isinstance(new_builder(KEY, 100), Builder)


def test_python_does_the_work_where_there_is_no_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENGINE, raising=False)
    monkeypatch.setitem(sys.modules, "blockd.ruleset.building._builder", None)
    monkeypatch.delattr("blockd.ruleset.building._builder", raising=False)
    builder = new_builder(KEY, 100)
    assert isinstance(builder, Builder)
    assert not isinstance(builder, LineTaker)


def test_c_that_is_asked_for_and_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENGINE, "native")
    monkeypatch.setitem(sys.modules, "blockd.ruleset.building._builder", None)
    monkeypatch.delattr("blockd.ruleset.building._builder", raising=False)
    with pytest.raises(CommandError, match="without its C part"):
        new_builder(KEY, 100)


def test_an_engine_that_nobody_knows_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENGINE, "fast")
    with pytest.raises(CommandError, match="'fast'"):
        new_builder(KEY, 100)


def test_c_does_the_work_where_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip("blockd.ruleset.building._builder", reason="blockd was installed without its C part")
    for asked in ("", "native"):
        monkeypatch.setenv(ENGINE, asked)
        builder = new_builder(KEY, 100)
        assert isinstance(builder, module.Builder)
        assert isinstance(builder, LineTaker)


@pytest.mark.parametrize("error", [ValueError("Table size changed"), TypeError("another signature")])
def test_python_does_the_work_where_the_parts_of_c_do_not_fit(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(_: str) -> object:
        raise error

    monkeypatch.delenv(ENGINE, raising=False)
    monkeypatch.setattr(importlib, "import_module", broken)
    assert isinstance(new_builder(KEY, 100), Builder)
