from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from blockd.errors import FeedRefused
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.detached import ProvedFile, ProvedPage
from blockd.feeds.detached_signature import MAX_SIGNATURE
from blockd.feeds.fetched import Fetched, Validators
from blockd.feeds.file import FileSource
from blockd.feeds.kinds import kind_of
from blockd.feeds.source import FeedSource
from blockd.feeds.web import WebSource
from blockd.settings import FEED_TYPES, Feed, ListSignature
from tests.compile.builder import Builder
from tests.feeds.http.server import Answer, Visitor, saying, server
from tests.feeds.signing import Minisign, rsa_public, rsa_sign
from tests.feeds.test_detached_signature import COMLOT, needs_data

OLD, NEW = b"a.example\n", b"a.example\nb.example\n"
KEY = Minisign()


@pytest.fixture
def signature(tmp_path: Path) -> ListSignature:
    (tmp_path / "key").write_bytes(KEY.public)
    return ListSignature.model_validate({"type": "minisign", "key": str(tmp_path / "key")})


def refused_by(poll: Callable[[], object]) -> FeedRefused:
    with pytest.raises(FeedRefused) as refused:
        poll()
    return refused.value


class File:
    """A list beside its signature, and the source that watches both."""

    def __init__(self, folder: Path, path: Path, signature: ListSignature) -> None:
        self.folder, self.path = folder, path
        self.source = ProvedFile(FileSource(path, 1000, lambda: 0.0, settle=0), path, signature)

    def put(self, content: bytes, signed: bytes | None) -> None:
        self.path.write_bytes(content)
        if signed is not None:
            self.path.with_name("list.minisig").write_bytes(signed)

    def poll(self) -> Fetched | None:
        return self.source.poll(self.folder)


@pytest.fixture
def file(folder: Path, tmp_path: Path, signature: ListSignature) -> File:
    return File(folder, tmp_path / "list", signature)


def test_a_file_is_taken_with_its_signature(file: File) -> None:
    file.put(OLD, KEY.sign(OLD))
    fetched = file.poll()
    assert fetched is not None
    assert fetched.path.read_bytes() == OLD
    assert file.poll() is None
    file.put(NEW, KEY.sign(NEW))
    fetched = file.poll()
    assert fetched is not None
    assert fetched.path.read_bytes() == NEW


def test_a_file_that_changed_before_its_signature_waits_for_it(file: File) -> None:
    file.put(OLD, KEY.sign(OLD))
    assert file.poll() is not None
    file.put(NEW, None)
    for _ in range(2):
        refused = refused_by(file.poll)
        assert refused.reason == "unsigned"
        assert "a moment before its signature" in str(refused)
        assert list(file.folder.iterdir()) == []
    file.put(NEW, KEY.sign(NEW))
    fetched = file.poll()
    assert fetched is not None
    assert fetched.path.read_bytes() == NEW


def test_a_file_that_was_refused_is_not_read_again_before_something_changes(
    file: File, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.put(OLD, KEY.sign(NEW))
    first = refused_by(file.poll)
    with monkeypatch.context() as patched:
        patched.setattr(FileSource, "poll", lambda *_: pytest.fail("the list was read again"))
        assert str(refused_by(file.poll)) == str(first)
    kept = file.source._refused
    assert kept is not None
    assert kept.__traceback__ is None
    (tmp_path / "key").write_bytes(b"another\n")
    assert "the key is not valid base64" in str(refused_by(file.poll))


def test_a_file_without_a_signature_is_unsigned(file: File) -> None:
    file.put(OLD, None)
    refused = refused_by(file.poll)
    assert refused.reason == "unsigned"
    assert "list.minisig is not there" in str(refused)


def test_a_signature_of_any_size_is_not_read(file: File) -> None:
    file.put(OLD, b"x" * (MAX_SIGNATURE + 1))
    assert refused_by(file.poll).reason == "unsigned"


def test_a_key_that_is_not_there_is_missing(file: File, tmp_path: Path) -> None:
    file.put(OLD, KEY.sign(OLD))
    (tmp_path / "key").unlink()
    assert refused_by(file.poll).reason == "missing"
    assert list(file.folder.iterdir()) == []


def test_a_list_that_is_not_there_is_missing_as_ever(file: File) -> None:
    assert refused_by(file.poll).reason == "missing"


def test_a_packed_file_is_signed_as_it_is(file: File) -> None:
    packed = gzip.compress(OLD, mtime=0)
    file.put(packed, KEY.sign(OLD))
    assert refused_by(file.poll).reason == "unsigned"
    file.put(packed, KEY.sign(packed))
    assert file.poll() is not None


class Site:
    """A server's files, and the requests that it received."""

    def __init__(self, **files: bytes) -> None:
        self.files = {f"/{name.replace('_', '.')}": content for name, content in files.items()}
        self.asked: list[str] = []
        self.headers: tuple[str, ...] = ()

    async def __call__(self, visitor: Visitor) -> None:
        path = visitor.head.split()[1]
        self.asked.append(path)
        content = self.files.get(path)
        tag = f'"{hashlib.sha256(content or b"").hexdigest()[:8]}"'
        answer: Answer
        if content is None:
            answer = saying("404 Not Found")
        elif f"If-None-Match: {tag}" in visitor.head:
            answer = saying("304 Not Modified")
        else:
            answer = saying("200 OK", f"ETag: {tag}", *self.headers, body=content)
        await answer(visitor)


def fetch(site: Site, folder: Path, signature: ListSignature, *, path: str = "/list", looks: int = 1) -> list[object]:
    """Poll the site's list several times; return the content of each poll, None, or the refusal."""

    async def run() -> list[object]:
        async with server(site) as url:
            source = ProvedPage(WebSource(url + path, 1000, as_published=True), url + path, signature)
            validators = Validators('"stale"')
            found: list[object] = []
            for _ in range(looks):
                try:
                    fetched = await source.fetch(folder, validators)
                except FeedRefused as refused:
                    found.append(refused)
                    continue
                found.append(fetched and fetched.path.read_bytes())
                validators = fetched.validators if fetched else validators
            return found

    return asyncio.run(run())


def test_a_page_is_taken_with_its_signature(folder: Path, signature: ListSignature) -> None:
    site = Site(list=OLD, list_minisig=KEY.sign(OLD))
    assert fetch(site, folder, signature, looks=2) == [OLD, None]
    assert site.asked == ["/list", "/list.minisig", "/list"]


def test_a_list_that_was_never_proved_is_fetched_whole(folder: Path, signature: ListSignature) -> None:
    site = Site(list=OLD, list_minisig=KEY.sign(NEW))
    stale = hashlib.sha256(OLD).hexdigest()[:8]

    async def run() -> None:
        async with server(site) as url:
            page = ProvedPage(WebSource(f"{url}/list", 1000, as_published=True), f"{url}/list", signature)
            await page.fetch(folder, Validators(f'"{stale}"'))

    assert refused_by(lambda: asyncio.run(run())).reason == "unsigned"


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"list": NEW, "list_minisig": KEY.sign(OLD)}, "a moment before its signature"),
        ({"list": OLD}, "list.minisig is not there"),
        ({"list": OLD, "list_minisig": b"x" * (MAX_SIGNATURE + 1)}, "is not a signature"),
        ({"list": OLD, "list_minisig": b""}, "not a minisign signature"),
    ],
)
def test_a_page_without_its_own_signature_is_unsigned_at_each_look(
    folder: Path, signature: ListSignature, files: dict[str, bytes], why: str
) -> None:
    for refused in fetch(Site(**files), folder, signature, looks=2):
        assert isinstance(refused, FeedRefused)
        assert refused.reason == "unsigned"
        assert why in str(refused)
    assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_a_server_that_has_the_list_and_not_the_signature_is_unreachable(
    folder: Path, signature: ListSignature
) -> None:
    async def answer(visitor: Visitor) -> None:
        await saying("503 Busy" if "minisig" in visitor.head else "200 OK", body=OLD)(visitor)

    async def run() -> None:
        async with server(answer) as url:
            page = ProvedPage(WebSource(f"{url}/list", 1000, as_published=True), f"{url}/list", signature)
            await page.fetch(folder, Validators())

    assert refused_by(lambda: asyncio.run(run())).reason == "unreachable"
    assert [path for path in folder.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("headers", [(), ("Content-Encoding: gzip",)])
def test_a_packed_page_is_signed_as_it_is(folder: Path, signature: ListSignature, headers: tuple[str, ...]) -> None:
    packed = gzip.compress(OLD, mtime=0)
    site = Site(list_gz=packed, list_gz_minisig=KEY.sign(packed))
    site.headers = headers
    assert fetch(site, folder, signature, path="/list.gz") == [packed]


def test_a_signature_stands_beside_a_url_with_a_query_or_where_the_config_says(
    folder: Path, signature: ListSignature
) -> None:
    site = Site(list=OLD, list_minisig=KEY.sign(OLD))
    site.files = {f"{path}?token=1": content for path, content in site.files.items()}
    assert fetch(site, folder, signature, path="/list?token=1") == [OLD]

    async def run() -> Fetched | None:
        async with server(Site(list=OLD, other=KEY.sign(OLD))) as url:
            elsewhere = signature.model_copy(update={"url": f"{url}/other"})
            page = ProvedPage(WebSource(f"{url}/list", 1000, as_published=True), f"{url}/list", elsewhere)
            return await page.fetch(folder, Validators())

    assert asyncio.run(run()) is not None


def rsa_feed(folder: Path, **place: str) -> Feed:
    (folder / "key").write_bytes(rsa_public())
    return FEED_TYPES["domains"].model_validate(
        {
            "name": "national",
            "type": "domains",
            "signature": {"type": "rsa-sha256", "key": str(folder / "key")},
            **place,
        }
    )


def source_of(feed: Feed, folder: Path, validators: Validators) -> FeedSource:
    return kind_of(feed).source(feed, folder, validators)


def test_a_feed_with_a_signature_is_watched_by_path(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(OLD)
    (tmp_path / "list.sign").write_bytes(rsa_sign(NEW))
    source = kind_of(rsa_feed(tmp_path, path=str(tmp_path / "list"))).source(
        rsa_feed(tmp_path, path=str(tmp_path / "list")), tmp_path / "state", Validators()
    )
    with pytest.raises(FeedRefused, match="no valid signature"):
        asyncio.run(source.poll())
    (tmp_path / "list.sign").write_bytes(rsa_sign(OLD))
    fetched = asyncio.run(source.poll())
    assert fetched is not None
    assert fetched.path.read_bytes() == OLD


def test_a_feed_with_a_signature_is_watched_by_url(tmp_path: Path) -> None:
    async def run() -> Fetched | None:
        async with server(Site(list=OLD, list_sign=rsa_sign(OLD))) as url:
            return (
                await kind_of(rsa_feed(tmp_path, url=f"{url}/list"))
                .source(rsa_feed(tmp_path, url=f"{url}/list"), tmp_path / "state", Validators())
                .poll()
            )

    assert asyncio.run(run()) is not None


@needs_data
def test_the_swiss_list_is_a_feed_from_file_to_ruleset(tmp_path: Path) -> None:
    feed = FEED_TYPES["domains"].model_validate(
        {
            "name": "comlot",
            "type": "domains",
            "path": str(tmp_path / "comlot_blacklist.txt"),
            "signature": {"type": "rsa-sha256", "key": str(COMLOT / "blacklist.comlot.ch.pub")},
            "authority": "Comlot",
        }
    )
    builds = Builder(tmp_path)
    source = source_of(feed, tmp_path / "state", Validators())
    accepted: Content | None = None
    for version, names in (("20190903", 65), ("20191008", 82), ("20191126", 88), ("20200317", 101)):
        for suffix in ("", ".sign"):
            content = (COMLOT / f"comlot_blacklist_{version}.txt{suffix}").read_bytes()
            (tmp_path / f"comlot_blacklist.txt{suffix}").write_bytes(content)
        fetched = asyncio.run(source.poll())
        assert fetched is not None
        kept = fetched.path.replace(tmp_path / version)
        built = builds.build(Candidate(feed, Content(kept, fetched.digest), accepted))
        assert built.header is not None
        assert built.rejects["comlot"].rejected == 0
        assert built.header.names == built.rejects["comlot"].accepted == names
        accepted = Content(kept, fetched.digest)
    assert builds.listed("www.bet365.com") == "comlot/comlot"
    assert not builds.listed("example.com")
    # The first publication was signed and held no name: it never replaces another.
    for suffix in ("", ".sign"):
        content = (COMLOT / f"comlot_blacklist_20190701.txt{suffix}").read_bytes()
        (tmp_path / f"comlot_blacklist.txt{suffix}").write_bytes(content)
    fetched = asyncio.run(source.poll())
    assert fetched is not None
    built = builds.build(Candidate(feed, Content(fetched.path, fetched.digest), accepted))
    assert built.refused["comlot"].reason == "empty"
    assert builds.listed("www.bet365.com") == "comlot/comlot"
