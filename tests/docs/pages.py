"""The pages of the manual: README.md and what lies in docs/, with the fenced blocks, headings and links of each.

What a fenced block is for follows from its kind:

* `sh`: commands that a test runs, in order, as a reader types them; a `text` block right behind one shows lines of its
  output, in that order (dates, digests, process ids and the like may differ);
* `shell`: commands that no test runs; the first line stands with its reason in `NOT_RUN`;
* `yaml`: a config, a feed of one, or a list of feeds; blockd must accept it. If its first line is a comment with a
  file's name, such as `# prometheus.yml`, it is another program's file and only has to be YAML;
* any other kind of `OTHER_KINDS` is an illustration.

All commands of a page run in one folder, which is as a fresh clone is after `make run`. If they need the daemon, one
runs there. Pages whose commands ask the daemon and change nothing that it enforces share one folder, since each start
costs seconds; what one of them writes, the next may find. A page that goes on from another has the comment
`<!-- after: several-signers.md -->` below its title; its commands run in the folder of the other page, after the
commands of that.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GENERATED = DOCS / "reference"
INDONESIAN = DOCS / "id"
RUN, NOT_RUN_HERE, OUTPUT, CONFIG = "sh", "shell", "text", "yaml"
OTHER_KINDS = {"c", "conf", "cython", "html", "ini", "json", "lua", "python"}

ADMIN_PORT = 9053
SHIPPED_PORTS = (8053, 8080, 8444, ADMIN_PORT)  # of the shipped config
PORTS = (*SHIPPED_PORTS, 8088)  # and of `blockd authority serve`
# Verbs that ask the running daemon, or read what it keeps.
_ASKING = "lookup|status|refresh|reload|versions|diff|rollback|override|held|audit|doctor|token"
_NEEDS_DAEMON = re.compile(
    rf"\b(?:{'|'.join(str(port) for port in SHIPPED_PORTS)}|admin\.sock)\b|^blockd (?:{_ASKING})\b", re.MULTILINE
)

_CHANGES_DAEMON = re.compile(r"^blockd (?:refresh|reload|rollback|override|held release|held hold)\b", re.MULTILINE)

_FENCE = re.compile(r"^(?P<indent> *)```(?P<kind>[\w-]*)[^`]*$")
_HEADING = re.compile(r"^(?P<level>#{1,6}) +(?P<title>.+?) *$")
_AFTER = re.compile(r"\A# .+\n\n<!-- after: (?P<page>[\w./-]+\.md) -->\n")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^()\s]+)\)")
_CODE = re.compile(r"`[^`]*`")


@dataclass(frozen=True)
class Block:
    """One fenced block, the heading that it stands under, and the output shown right behind it."""

    heading: str
    kind: str
    text: str
    output: str = ""

    @property
    def first_line(self) -> str:
        """The line that `NOT_RUN` calls it by."""
        return self.text.partition("\n")[0]


@dataclass(frozen=True)
class Page:
    """One page, read when it is first asked for."""

    path: Path

    def __str__(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        """Its Markdown."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def blocks(self) -> list[Block]:
        """Its fenced blocks."""
        found: list[Block] = []
        for heading, kind, text, follows in _fenced(self.text):
            if kind == OUTPUT and follows and found[-1].kind == RUN:
                found[-1] = replace(found[-1], output=text)
            else:
                found.append(Block(heading, kind, text))
        return found

    @property
    def commands(self) -> list[Block]:
        """The blocks that a test runs."""
        return [block for block in self.blocks if block.kind == RUN]

    @property
    def needs_daemon(self) -> bool:
        """Whether its commands ask a running daemon."""
        return any(_NEEDS_DAEMON.search(block.text) for block in self.commands)

    @property
    def only_asks(self) -> bool:
        """Whether its commands ask a running daemon, and leave what it enforces as it is."""
        return self.needs_daemon and not any(_CHANGES_DAEMON.search(block.text) for block in self.commands)

    @property
    def after(self) -> Page | None:
        """The page that it goes on from, if it names one."""
        found = _AFTER.match(self.text)
        return Page((self.path.parent / found["page"]).resolve()) if found else None

    @cached_property
    def prose(self) -> str:
        """Its text without fenced blocks and without code."""
        lines = [line for line, is_fenced in _lines(self.text) if not is_fenced]
        return _CODE.sub("", "\n".join(lines))

    @property
    def headings(self) -> list[tuple[int, str]]:
        """Level and title of each heading."""
        lines = [line for line, is_fenced in _lines(self.text) if not is_fenced]
        found = [_HEADING.match(line) for line in lines]
        return [(len(one["level"]), one["title"]) for one in found if one]

    @property
    def links(self) -> list[str]:
        """The targets of its links and images, as written."""
        return [found["target"] for found in _LINK.finditer(self.prose)]

    def named(self, heading: str, kind: str) -> Block:
        """Return the first block of a kind under a heading."""
        return next(block for block in self.blocks if (block.heading, block.kind) == (heading, kind))


def page(path: str) -> Page:
    """Return the page at a path from the top of the repository."""
    return Page(ROOT / path)


def all_pages() -> list[Page]:
    """Return README.md and every page of docs/, the generated ones too."""
    return [Page(ROOT / "README.md"), *(Page(path) for path in sorted(DOCS.rglob("*.md")))]


def written_pages() -> list[Page]:
    """Return the pages that are neither generated from the code nor translated; those have the same blocks as these."""
    return [one for one in all_pages() if not {GENERATED, INDONESIAN} & set(one.path.parents)]


def area_of(one: Page) -> str:
    """Return the folder of docs/ that a page lies in; empty for README.md and pages at the top of docs/."""
    parts = one.path.relative_to(ROOT).parts
    return parts[1] if len(parts) > 2 else ""


def pages_with_commands(*areas: str) -> list[Page]:
    """Return the pages of some areas that have commands to run."""
    return [one for one in written_pages() if area_of(one) in areas and one.commands]


def slugs(title: str) -> set[str]:
    """Return the anchors that a heading gets: that of Python-Markdown, and that of a forge."""
    plain = unicodedata.normalize("NFKD", title.replace("`", "")).encode("ascii", "ignore").decode("ascii")
    kept = re.sub(r"[^\w\s-]", "", plain).strip().lower()
    return {re.sub(r"[-\s]+", "-", kept), kept.replace(" ", "-")}


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each line, and whether it belongs to a fenced block."""
    inside = False
    for line in text.splitlines():
        is_fence = _FENCE.match(line) is not None
        yield line, inside or is_fence
        inside = inside != is_fence


def _fenced(text: str) -> Iterator[tuple[str, str, str, bool]]:
    """Yield heading, kind, text of each fenced block, and whether nothing stands between it and the one before."""
    heading = ""
    follows = False
    lines = iter(text.splitlines(keepends=True))
    for line in lines:
        if fence := _FENCE.match(line.rstrip("\n")):
            end = f"{fence['indent']}```\n"
            inside = textwrap.dedent("".join(iter(lambda: next(lines, end), end)))  # noqa: B023 - used at once
            yield heading, fence["kind"], inside, follows
            follows = True
        elif found := _HEADING.match(line.rstrip("\n")):
            heading, follows = found["title"], False
        elif line.strip():
            follows = False
