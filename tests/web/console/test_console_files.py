"""The console's files: what is served, what is vendored, and that both languages say the same things."""

from __future__ import annotations

import gzip
import hashlib
import re
import tomllib
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from blockd.feeds.reasons import REASONS
from blockd.web.console.assets import LASTING, MAX_FILE, Asset, Assets, assets
from blockd.web.console.pages import VIEWS, console_page
from blockd.web.console.sign_in import sign_in_page
from tests.places import ROOT

STATIC = ROOT / "blockd/web/console/static"
MAX_FIRST = 100 * 1024  # octets of all files of the first page, packed: a second over a slow phone's connection
MAX_LINES = 350  # of a file, as of a module of Python

KEY = re.compile(r'^  "([^"]+)": "(.*)",$', re.MULTILINE)
HOLE = re.compile(r"\{\w+\}")
USED = re.compile(r"""\bt\(\s*["'`]([\w. ]+)["'`]""")
COUNTED = re.compile(r"""count\([^;]*?, ["']([\w.]+)["']\)""")


def words(language: str) -> dict[str, str]:
    return dict(KEY.findall((STATIC / f"words/{language}.js").read_text(encoding="utf-8")))


def scripts() -> list[Path]:
    return [path for path in sorted(STATIC.rglob("*.js")) if path.parent.name not in ("words", "vendor")]


def test_both_languages_have_the_same_texts_with_the_same_holes() -> None:
    english, indonesian = words("en"), words("id")
    assert len(english) > 300
    assert english.keys() == indonesian.keys()
    assert [key for key in english if sorted(HOLE.findall(english[key])) != sorted(HOLE.findall(indonesian[key]))] == []


def test_every_text_that_a_script_names_is_there() -> None:
    english = words("en")
    used = set()
    for path in scripts():
        source = path.read_text(encoding="utf-8")
        used |= set(USED.findall(source))
        used |= {f"{key}.{number}" for key in COUNTED.findall(source) for number in ("one", "other")}
    used |= set(re.findall(r'data-t(?:-\w+)?="([\w.]+)"', console_page().decode()))
    assert used - english.keys() == set()


def test_what_a_script_offers_is_used_by_another() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in scripts()}
    unused = [
        f"{path.name}: {name}"
        for path, source in sources.items()
        for name in re.findall(r"^export (?:async )?(?:const|let|function|class) (\w+)", source, re.MULTILINE)
        if name != "build"  # of a view, which is imported by its name
        and not any(re.search(rf"\b{name}\b", other) for found, other in sources.items() if found != path)
    ]
    assert unused == []


def test_every_text_is_used_by_a_script_or_the_page() -> None:
    used = "".join(path.read_text(encoding="utf-8") for path in scripts()) + console_page().decode()
    made = {f"{kind}." for kind in re.findall(r"""(?:t\(`|word\(["'])([\w.]+?)(?:\.\$|["'])""", used)}
    made |= {f"{key}." for key in COUNTED.findall(used)} | {
        "reload.",
        "upgrade.",
        "live.",
        "span.",
        "nav.",
        "role.",
        "record.",
    }
    unused = [
        key for key in words("en") if f'"{key}"' not in used and not any(key.startswith(prefix) for prefix in made)
    ]
    assert unused == []


def test_every_reason_of_a_refusal_is_called_something() -> None:
    for language in ("en", "id"):
        called = {key.removeprefix("reason.") for key in words(language) if key.startswith("reason.")}
        assert called - {"note"} == set(REASONS)


def test_no_script_makes_markup_of_text_or_runs_text() -> None:
    banned = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|javascript:"
    )
    found = [path.name for path in scripts() if banned.search(path.read_text(encoding="utf-8"))]
    assert found == []


def test_scripts_are_short_enough_to_be_read() -> None:
    assert [path.name for path in scripts() if len(path.read_text(encoding="utf-8").splitlines()) > MAX_LINES] == []


def test_what_is_vendored_is_what_its_page_says() -> None:
    told = re.findall(
        r"^\| `([^`]+)` .*\| `([0-9a-f]{64})` \|$", (STATIC / "vendor/README.md").read_text(), re.MULTILINE
    )
    assert len(told) == 2
    for name, digest in told:
        assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == digest


def test_every_file_that_the_page_names_is_served() -> None:
    named = re.findall(r'(?:src|href)="/console/([^"]+)"', console_page().decode())
    assert len(named) > 10
    for path in named:
        assert assets().answer(make_mocked_request("GET", f"/console/{path}"), path).status == 200


def test_every_file_is_part_of_the_wheel() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    packed = {path for pattern in told["blockd"] for path in (ROOT / "blockd").glob(pattern)}
    assert [path for path in STATIC.rglob("*") if path.is_file() and path not in packed] == []


def test_every_view_is_a_script() -> None:
    assert {f"views/{view}.js" for view in (*VIEWS, "why")} <= assets().files.keys()


def test_the_first_page_is_light() -> None:
    named = re.findall(r'(?:src|href)="/console/\w+/([^"]+)"', console_page().decode())
    files = assets().files
    assert sum(len(files[name].packed or files[name].body) for name in set(named)) + len(console_page()) < MAX_FIRST
    assert all(len(asset.body) <= MAX_FILE for asset in files.values())


def test_a_file_is_kept_for_good_and_packed_for_who_takes_that() -> None:
    path = f"{assets().digest}/main.js"
    plain = assets().answer(make_mocked_request("GET", "/"), path)
    packed = assets().answer(make_mocked_request("GET", "/", headers={"Accept-Encoding": "br, gzip;q=0.5"}), path)
    refused = assets().answer(make_mocked_request("GET", "/", headers={"Accept-Encoding": "gzip;q=0"}), path)
    assert plain.headers["Cache-Control"] == LASTING
    assert packed.headers["Content-Encoding"] == "gzip"
    assert isinstance(packed.body, bytes)
    assert gzip.decompress(packed.body) == plain.body == refused.body
    assert packed.headers["ETag"] != plain.headers["ETag"]
    known = make_mocked_request("GET", "/", headers={"If-None-Match": plain.headers["ETag"]})
    assert assets().answer(known, path).status == 304


@pytest.mark.parametrize("path", ["0123456789abcdef/main.js", "main.js", "/../assets.py", "", "x/../../pages.py"])
def test_a_path_that_is_no_file_of_now_is_not_found(path: str) -> None:
    with pytest.raises(web.HTTPNotFound):
        assets().answer(make_mocked_request("GET", "/"), path)


def test_the_paths_change_with_the_content() -> None:
    def digest(body: bytes) -> str:
        return Asset.of("a.js", body).tag

    assert digest(b"one") != digest(b"two")
    assert Assets({}, "x").digest != assets().digest


def test_the_page_to_sign_in_shows_what_is_wrong_as_text() -> None:
    page = sign_in_page("<script>x</script> is not known: `blockd token list`").decode()
    assert "&lt;script&gt;x" in page
    assert "<code>blockd token list</code>" in page
    assert page.count("<script") == 1, "that of the page, which its policy names"
    assert "<form" not in sign_in_page("none yet", has_tokens=False).decode()
