"""Paths of the checkout, and of what may be beside it."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"  # real lists, signatures and broken files; tests that need them skip if they are absent
