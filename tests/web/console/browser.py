"""Chromium as a person uses it, driven by chromedriver over the WebDriver protocol (W3C), with no package for that."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATIENCE = 30.0  # seconds for what a page is to show
START = 60.0  # seconds for the browser's start on a busy machine
MISSING = " and ".join(name for name in ("chromium", "chromedriver") if shutil.which(name) is None)
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element's reference, WebDriver section 12.1
ENTER, ESCAPE = "\ue007", "\ue00c"


class Browser:
    """One browser, whose session is `session`."""

    def __init__(self, port: int, session: str) -> None:
        self._port = port
        self._session = session

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Make a call of the protocol, and return its value."""
        return _call(self._port, method, f"/session/{self._session}{path}", body)

    def open(self, address: str) -> None:
        """Open an address and wait until it is loaded."""
        self.call("POST", "/url", {"url": address})

    def run(self, script: str, *arguments: object) -> Any:
        """Return what a script returns; one that returns a promise is waited for."""
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def devtools(self, command: str, **parameters: object) -> Any:
        """Make a call of the DevTools protocol."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def until(self, script: str, what: str, *arguments: object) -> Any:
        """Wait until a script returns what is true, and return that."""
        deadline = time.monotonic() + PATIENCE
        while not (found := self.run(script, *arguments)):
            if time.monotonic() > deadline:
                raise AssertionError(f"not in {PATIENCE:.0f} seconds: {what}; shown was: {self.text()[:2000]}")
            time.sleep(0.02)
        return found

    def shows(self, text: str, within: str = "body") -> None:
        """Wait until an element shows a text."""
        self.until("return document.querySelector(arguments[0])?.innerText.includes(arguments[1])", text, within, text)

    def text(self, within: str = "body") -> str:
        """Return the text that an element shows."""
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", within))

    def press(self, label: str, within: str = "body") -> None:
        """Click the button or link whose text or label begins with `label`, once it is there."""
        script = (
            "for (const root of [...document.querySelectorAll(arguments[0])].reverse())"
            " for (const one of root.querySelectorAll('button, a, summary'))"
            " if (one.innerText.trim().startsWith(arguments[1]) && !one.disabled) return one"
        )
        while True:
            element = self.until(script, f"{label!r} in {within}", within, label)
            try:
                self.run("arguments[0].scrollIntoView({block: 'center'})", element)  # from below what stays at the top
                self.call("POST", f"/element/{element[_ELEMENT]}/click", {})
            except AssertionError as error:
                if not any(moved in str(error) for moved in ("stale element", "click intercepted")):
                    raise
            else:
                return

    def type(self, selector: str, text: str) -> None:
        """Type into a field, after what is in it was removed."""
        element = self.until("return document.querySelector(arguments[0])", selector, selector)
        self.call("POST", f"/element/{element[_ELEMENT]}/clear", {})
        self.call("POST", f"/element/{element[_ELEMENT]}/value", {"text": text})

    def keys(self, text: str) -> None:
        """Press keys where the focus is."""
        actions = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def look(self, *, width: int, dark: bool = False, height: int = 900) -> None:
        """Have the window a width in CSS pixels, as a phone has below 600, and light or dark as the system is."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.devtools("Emulation.setEmulatedMedia", features=[scheme])
        self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def shoot(self, path: Path, *, whole: bool = True) -> None:
        """Write a picture of the page, as a whole or as far as it is seen."""
        options: dict[str, object] = {}
        if whole:
            size = self.run("return [document.documentElement.clientWidth, document.documentElement.scrollHeight]")
            clip = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], 6000), "scale": 1}
            options = {"captureBeyondViewport": True, "clip": clip}
        shot = self.devtools("Page.captureScreenshot", format="png", **options)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Start a browser, and end it and all that it has started."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = ["chromedriver", "--port=0", f"--log-path={folder}/log"]
        driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)  # noqa: S603
        try:
            port = _port_of(driver)
            yield _session(port, folder)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(driver.pid, signal.SIGTERM)
            driver.wait()
            assert driver.stdout is not None
            driver.stdout.close()


def _session(port: int, folder: str) -> Browser:
    arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-sync",
        "--hide-scrollbars",
    ]
    arguments += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={folder}/profile"]
    arguments += ["--lang=en-GB", "--disable-dev-shm-usage"]
    options = {"args": arguments, "binary": shutil.which("chromium")}
    asked = {
        "capabilities": {
            "alwaysMatch": {
                "browserName": "chrome",
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL"},
            }
        }
    }
    made = _call(port, "POST", "/session", asked)
    return Browser(port, made["sessionId"])


def _port_of(driver: subprocess.Popen[str]) -> int:
    assert driver.stdout is not None
    for line in driver.stdout:  # "ChromeDriver was started successfully on port 41213."
        if "started successfully on port" in line:
            return int(line.rstrip().rstrip(".").rpartition(" ")[2])
    raise AssertionError("chromedriver has ended")


def _call(port: int, method: str, path: str, body: object) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START)
    try:
        connection.request(
            method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        value = json.loads(answer.read())["value"]
    finally:
        connection.close()
    if answer.status != 200:
        raise AssertionError(f"{method} {path}: {value['error']}: {value['message']}")
    return value
