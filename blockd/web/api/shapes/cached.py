"""Shapes of what workers tell of their caches."""

from __future__ import annotations

from typing import TypedDict


class CacheAnswer(TypedDict):
    """What the workers have cached of a name, and policy's verdict on it; `silent` are those that did not answer."""

    name: str
    verdict: str
    why: str
    blocked: bool
    workers: list[dict[str, object]]
    silent: list[int]


class FlushAnswer(TypedDict):
    """How many entries and remembered failures each worker removed; `name` is null if it was all."""

    name: str | None
    below: bool
    workers: list[dict[str, object]]
    silent: list[int]
