from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from aiohttp import web

from tests.web.console.browser import MISSING, Browser, browser
from tests.web.console.stage import Stage


class Night:
    """The stage in a thread of its own, and its address."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.address = ""
        self._loop = asyncio.new_event_loop()

    def tell(self, kind: str, data: object) -> None:
        """Send an event to every page."""
        asyncio.run_coroutine_threadsafe(self.stage.tell(kind, data), self._loop).result(10)

    def _end(self) -> None:
        """End what still tells of events."""
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if not left:  # gather would look for another loop
            return
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))

    @contextlib.contextmanager
    def served(self) -> Iterator[None]:
        """Serve until the end of the context."""
        runner = web.AppRunner(self.stage.app(), shutdown_timeout=0.1)
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            self.address = f"http://127.0.0.1:{bound.getsockname()[1]}"
            self._loop.run_until_complete(runner.setup())
            self._loop.run_until_complete(web.SockSite(runner, bound).start())
            thread = threading.Thread(target=self._loop.run_forever)
            thread.start()
            try:
                yield
            finally:
                asyncio.run_coroutine_threadsafe(runner.cleanup(), self._loop).result(10)
                self._loop.call_soon_threadsafe(self._loop.stop)
                thread.join()
                self._end()
                self._loop.close()


def at(page: Browser, night: Night, view: str) -> None:
    """Show a view, as a link to it does."""
    page.open(f"{night.address}/#/{view}")


@pytest.fixture
def night() -> Iterator[Night]:
    made = Night()
    with made.served():
        yield made


@pytest.fixture(scope="module")
def started() -> Iterator[Browser]:
    if MISSING:
        pytest.skip(f"{MISSING} is not installed: see tests/install-debian.sh")
    with browser() as found:
        yield found


@pytest.fixture
def page(started: Browser, night: Night) -> Iterator[Browser]:
    """A browser of desktop width at the console's first page, in English."""
    started.look(width=1280)
    started.open(f"{night.address}/")
    started.run("localStorage.clear(); sessionStorage.clear()")
    yield started
    started.open("about:blank")  # whose connections are closed before the stage is
