"""`make reference`: write every page of docs/reference/."""

from __future__ import annotations

from tests.docs.pages import GENERATED
from tests.docs.reference import PAGES

GENERATED.mkdir(exist_ok=True)
for name, made in PAGES.items():
    (GENERATED / name).write_text(made(), encoding="utf-8")
