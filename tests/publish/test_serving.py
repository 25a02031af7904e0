from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

import aiohttp
import pytest

from blockd.errors import PublishError
from blockd.publish import Workshop, publish, sign
from blockd.publish.serving import application, serve
from blockd.publish.verifying import verify_repository
from tests.publish.staging import stage


@pytest.fixture
def out(workshop: Workshop, order: dict[str, object], now: datetime, tmp_path: Path) -> Path:
    stage(workshop, order)
    sign(workshop, now)
    publish(workshop, tmp_path / "out")
    return tmp_path / "out"


def served(folder: Path, ask: Callable[[str], Awaitable[None]]) -> None:
    async def run() -> None:
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(serve(folder, "127.0.0.1", 0, url.set_result))
        try:
            await ask(await asyncio.wait_for(url, 10))
        finally:
            task.cancel()
            await task

    asyncio.run(run())


def test_served_folder_is_a_repository(out: Path, now: datetime) -> None:
    async def ask(url: str) -> None:
        told = await asyncio.to_thread(verify_repository, url, (out / "root.json").read_bytes(), now)
        assert told.orders == 1

    served(out, ask)


def test_file_that_has_not_changed_is_not_sent_again(out: Path) -> None:
    async def ask(url: str) -> None:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{url}metadata/timestamp.json") as first:
                assert first.status == 200
                assert first.headers["Cache-Control"] == "no-cache"
                tag = first.headers["ETag"]
            async with session.get(f"{url}metadata/timestamp.json", headers={"If-None-Match": tag}) as again:
                assert again.status == 304
            path = out / "metadata/timestamp.json"
            new = out / "new"
            new.write_bytes(path.read_bytes() + b" ")
            new.replace(path)
            async with session.get(f"{url}metadata/timestamp.json", headers={"If-None-Match": tag}) as changed:
                assert changed.status == 200
                assert changed.headers["ETag"] != tag
            async with session.get(f"{url}metadata/1.root.json") as root:
                assert "immutable" in root.headers["Cache-Control"]

    served(out, ask)


def test_nothing_but_a_repository_is_served(out: Path) -> None:
    (out / "secret.pem").write_text("secret")
    (out / "metadata" / ".hidden.json").write_text("secret")
    (out / "targets" / "orders" / "link").symlink_to(out / "secret.pem")
    names = ("", "metadata", "metadata/", "targets/orders/", "secret.pem", "metadata/.hidden.json", "%2e%2e/order.json")

    async def ask(url: str) -> None:
        async with aiohttp.ClientSession() as session:
            for name in (*names, "targets/orders/link", "metadata/" + "a" * 500 + ".json", "metadata/none.json"):
                async with session.get(f"{url}{name}") as answer:
                    assert answer.status == 404, name
                    assert "secret" not in await answer.text()

    served(out, ask)


def test_workshop_is_not_served(workshop: Workshop, tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="is a workshop with keys"):
        application(workshop.folder)
    with pytest.raises(PublishError, match="does not hold a published list"):
        application(tmp_path)
