from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.errors import PublishError
from blockd.formats.domains import Domains
from blockd.formats.rejects import RejectReport
from blockd.formats.text_format import read_list
from blockd.names import DomainName, key_from_text
from blockd.orders import Action, Scope
from blockd.publish.lint import shipped_guard
from blockd.publish.lists import orders as list_orders
from blockd.publish.lists.orders import count_of, look_through, refuse_shrunk, refuse_unfit, without

TEXT = "a.example\nco.id\nb.example # with a note\nno name here\nicann.org\nco.id\n"


@pytest.fixture
def names(tmp_path: Path) -> Path:
    path = tmp_path / "list.txt"
    path.write_text(TEXT)
    return path


def test_list_is_looked_through_as_a_small_order_is(names: Path) -> None:
    looked = look_through(names, shipped_guard(), Action.SINKHOLE, Scope.BOTH)
    assert (looked.rejects.accepted, looked.rejects.rejected) == (5, 1)
    assert looked.held.counts == {"public suffix": 1, "protected": 1}
    assert looked.unfit == {key_from_text("co.id"), key_from_text("icann.org")}


def test_packed_list_is_read_too(tmp_path: Path, names: Path) -> None:
    packed = tmp_path / "list.gz"
    packed.write_bytes(gzip.compress(names.read_bytes()))
    assert look_through(packed, shipped_guard(), Action.SINKHOLE, Scope.BOTH).rejects.accepted == 5


def test_names_that_cannot_be_blocked_are_refused_or_left_out(names: Path) -> None:
    looked = look_through(names, shipped_guard(), Action.SINKHOLE, Scope.BOTH)
    with pytest.raises(PublishError, match=r"1 protected \(such as icann.org\), 1 public suffix \(such as co.id\)"):
        refuse_unfit(names, looked, 0.2, leave_out=False)
    refuse_unfit(names, looked, 0.2, leave_out=True)
    with without(names, looked.unfit) as kept:
        assert kept.read_text() == "a.example\nb.example # with a note\nno name here\n"
    assert not kept.exists()


SHAPES = ("{}", "{}.", "*.{}", "||{}^", "  {} # note", "{}\r", "http://{}/path", "0.0.0.0 {}", "{}:443", "-{}", "# {}")


@given(
    st.lists(st.tuples(st.sampled_from(SHAPES), st.sampled_from(["a.example", "CO.id", "a.co.id", "x"])), min_size=1),
    st.booleans(),
)
def test_what_is_left_out_is_left_out_in_whatever_shape(lines: list[tuple[str, str]], packed: bool) -> None:
    content = "".join(f"{shape.format(name)}\n" for shape, name in [*lines, ("{}", "last.example")]).encode()
    unfit = {key_from_text("co.id")}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list"
        path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
        whole, left = RejectReport(), RejectReport()
        names = list(read_list(Domains(), path, whole, 1 << 20))
        with without(path, unfit) as kept:
            assert list(read_list(Domains(), kept, left, 1 << 20)) == [key for key in names if key not in unfit]
    assert whole.counts == left.counts


def test_a_whole_public_suffix_list_is_looked_through_in_full(tmp_path: Path) -> None:
    guard = shipped_guard()
    path = tmp_path / "list"
    names = {DomainName(key).text for key in guard.marks} | {f"any.{DomainName(key).text}" for key in guard.wild if key}
    path.write_text("".join(f"{name}\n" for name in sorted(names) if "." in name))
    looked = look_through(path, guard, Action.SINKHOLE, Scope.BOTH)
    keys = set(read_list(Domains(), path, RejectReport(), 1 << 20))
    reasons = {key: reason for key in keys if (reason := guard.reason(key, Scope.BOTH, Action.SINKHOLE))}
    assert looked.unfit == {key for key, reason in reasons.items() if not guard.only_reports(reason)}
    assert looked.popular.total == len(reasons) - len(looked.unfit) > 500
    assert len(looked.unfit) > 5_000


def test_list_of_an_order_that_allows_may_have_any_name(names: Path) -> None:
    looked = look_through(names, shipped_guard(), Action.ALLOW, Scope.BOTH)
    assert not looked.unfit
    with without(names, looked.unfit) as kept:
        assert kept == names


def test_list_with_too_many_lines_that_are_no_names_is_refused(names: Path) -> None:
    looked = look_through(names, shipped_guard(), Action.SINKHOLE, Scope.BOTH)
    with pytest.raises(PublishError, match="more than 10%"):
        refuse_unfit(names, looked, 0.1, leave_out=True)


@pytest.mark.parametrize("content", [b"", b"<!doctype html><html>", b"\0" * 100, b"# nothing\n"])
def test_what_is_no_list_is_refused_with_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)
    with pytest.raises(PublishError, match="Nothing was staged"):
        look_through(path, shipped_guard(), Action.SINKHOLE, Scope.BOTH)


def test_list_of_nothing_but_suffixes_ends_the_reading(names: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_orders, "MAX_LEFT_OUT", 1)
    with pytest.raises(PublishError, match="Check that it is a blocklist"):
        look_through(names, shipped_guard(), Action.SINKHOLE, Scope.BOTH)


def test_shrinking_is_refused_beyond_what_a_node_takes() -> None:
    refuse_shrunk(80, 100, 0.2)
    refuse_shrunk(1, 0, 0.2)
    with pytest.raises(PublishError, match="from 100 names to 79"):
        refuse_shrunk(79, 100, 0.2)


def test_count_is_that_of_the_last_step() -> None:
    assert count_of({}) == 0
    assert count_of({"list": {"steps": [{"count": 3}, {"count": 5}]}}) == 5
