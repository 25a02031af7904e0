"""The words of the package: how docstrings and messages are put, which words it leaves out, and one class to a name."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.places import ROOT

GLOSSARY = ROOT / "docs" / "dev" / "glossary.md"
THIS = Path(__file__).resolve()  # has in it what it looks for

# "There is no feed" says that one is missing, and "is no longer" that something has ended.
_IS_NO = re.compile(r"(?<!there) is no (?!longer\b)", re.IGNORECASE)
# Where a source may say so in a text, though it be in several parts: parsing all that do not takes most of the time.
_MAY_BE_NO = re.compile(r"""is["'\s]+(?:[bfru]+["'])?\s*no """, re.IGNORECASE)
_CLASS = re.compile(r"^class ([A-Za-z]\w*)", re.MULTILINE)
_GIVE = re.compile(r"\s*Give\b")
_GIVE_IN_CYTHON = re.compile(r'^[ \t]*r?"""Give\b', re.MULTILINE)  # Python's own parser reads no Cython
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

Place = tuple[int, str]
"""A line's number, and what stands there."""


def docstrings(tree: ast.AST) -> Iterator[ast.Constant]:
    """Yield the docstring of every module, class and function, and of every attribute that has one."""
    for node in ast.walk(tree):
        for statement in getattr(node, "body", []) if isinstance(node, _DOCUMENTED) else []:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield statement.value


def gives(source: str) -> list[Place]:
    """Return the docstrings of a Python module that begin with "Give"."""
    if "Give" not in source:  # parsing takes long
        return []
    found = [(node.lineno, node.value) for node in docstrings(ast.parse(source)) if isinstance(node.value, str)]
    return sorted((line, text.split("\n")[0]) for line, text in found if _GIVE.match(text))


def gives_in_cython(source: str) -> list[Place]:
    """Return the docstrings of a Cython module that begin with "Give"."""
    places = [match.start() for match in _GIVE_IN_CYTHON.finditer(source)]
    return [(source.count("\n", 0, place) + 1, source[place:].split("\n")[0].strip()) for place in places]


def messages(source: str) -> Iterator[Place]:
    """Yield the string constants of a Python module, those within f-strings too, that are no docstrings."""
    tree = ast.parse(source)
    documented = set(map(id, docstrings(tree)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            yield node.lineno, node.value


def denials(source: str) -> list[Place]:
    """Return the messages of a Python module that say "is no", as in "it is no list"."""
    if not _MAY_BE_NO.search(source):
        return []
    return sorted((line, text) for line, text in messages(source) if _IS_NO.search(text))


def public_classes(source: str) -> list[str]:
    """Return the names of the classes of a Python module that others may import."""
    return _CLASS.findall(source)


def in_several(classes: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Return the class names that more than one module has, each with these modules; `classes` has them by module."""
    modules = defaultdict(list)
    for module, names in classes.items():
        for name in names:
            modules[name].append(module)
    return {name: having for name, having in sorted(modules.items()) if len(having) > 1}


def words_left_out(glossary: str) -> dict[str, str]:
    """Return the table of words that are not used, each with what is said instead."""
    _, _, rest = glossary.partition("\n## Words that are not used\n")
    rows = re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", rest.partition("\n## ")[0], re.MULTILINE)
    return dict(rows[2:])  # the first names the columns, the second is the line below


def words_in(text: str, words: Iterable[str]) -> list[str]:
    """Return those of `words` that a text has, in any case, whole, and not within the name of a file or host."""
    folded = text.casefold()
    patterns = {word: rf"(?<![\w./-]){re.escape(word)}(?![\w/-]|\.\w)" for word in words if word.casefold() in folded}
    return [word for word, pattern in patterns.items() if re.search(pattern, text, re.IGNORECASE)]


def _sources(*patterns: str) -> dict[str, str]:
    paths = sorted(path for pattern in patterns for path in ROOT.glob(pattern) if path != THIS)
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def test_no_docstring_begins_with_give() -> None:
    python = _sources("blockd/**/*.py", "blockd/**/*.pyi", "tests/**/*.py")
    cython = _sources("blockd/**/*.pyx", "blockd/**/*.pxd", "tests/**/*.pyx")
    found = [f"{module}:{line}: {text}" for module, source in python.items() for line, text in gives(source)]
    found += [f"{module}:{line}: {text}" for module, source in cython.items() for line, text in gives_in_cython(source)]
    assert found == []


def test_no_message_says_that_something_is_no_such_thing() -> None:
    modules = _sources("blockd/**/*.py")
    assert [f"{module}:{line}: {text}" for module, source in modules.items() for line, text in denials(source)] == []


def test_no_two_public_classes_have_one_name() -> None:
    modules = _sources("blockd/**/*.py")
    assert in_several({module: public_classes(source) for module, source in modules.items()}) == {}


def test_words_that_the_glossary_leaves_out_stand_nowhere() -> None:
    words = words_left_out(GLOSSARY.read_text(encoding="utf-8"))
    texts = _sources("blockd/**/*.py", "blockd/**/*.pyx", "docs/**/*.md", "*.md")
    del texts[GLOSSARY.relative_to(ROOT).as_posix()]
    assert [f"{path}: {word}" for path, text in texts.items() for word in words_in(text, words)] == []


def test_the_glossary_has_words_to_leave_out() -> None:
    words = words_left_out(GLOSSARY.read_text(encoding="utf-8"))
    assert words["whitelist"]
    assert all(words.values())
    assert not [word for word in words if word.startswith("-")]


class TestFinders:
    def test_give_is_found_in_docstrings_of_every_kind(self) -> None:
        source = '''
"""Give a module."""
class A:
    """Give a class."""
    x = 1
    """Give an attribute."""
    async def method(self):
        r"""Give a coroutine."""
        def inner():
            """
            Give one that begins on its second line.
            """
'''
        assert [line for line, _ in gives(source)] == [2, 4, 6, 8, 10]

    @pytest.mark.parametrize("text", ["Given a name, return its key.", "Return what they give.", "Gives up."])
    def test_other_docstrings_are_left_alone(self, text: str) -> None:
        assert gives(f'def f():\n    """{text}"""\n    g("Give it back")') == []

    def test_give_is_found_in_cython(self) -> None:
        source = 'cdef int f(int *p) noexcept nogil:\n    """Give a place."""\n    return p[0]  # """Give nothing\n'
        assert gives_in_cython(source) == [(2, '"""Give a place."""')]
        assert gives_in_cython('cdef int f():\n    """Given a place."""') == []

    @pytest.mark.parametrize(
        "expression",
        ['"it is no list"', 'f"{path} is no list"', '("a text that "\n "is no list")', 'error(f"{x!r} is no %s" % y)'],
    )
    def test_a_denial_is_found_in_a_message(self, expression: str) -> None:
        assert len(denials(f"value = {expression}")) == 1

    @pytest.mark.parametrize(
        "source",
        [
            '"""What is no message."""',
            'def f():\n    """What is no message."""',
            'x = "There is no feed"',
            'x = f"and there is no {kind}"',
            'x = "it is no longer in force"',
            'x = "it is none"  # what is no list',
        ],
    )
    def test_other_texts_are_left_alone(self, source: str) -> None:
        assert denials(source) == []

    def test_a_class_name_in_two_modules_is_found(self) -> None:
        one = public_classes("class Place: ...\nclass _Own: ...\nclass Entry:\n    class Inner: ...")
        other = public_classes("class Place(int): ...\nclass _Own: ...\nclass Inner: ...")
        assert in_several({"one": one, "other": other}) == {"Place": ["one", "other"]}

    def test_words_are_read_from_their_own_table_only(self) -> None:
        text = (
            "# Glossary\n\n| word | meaning |\n| --- | --- |\n| order | one |\n\n## Words that are not used\n\n"
            "| not | but |\n| --- | --- |\n| old word | new one |\n\n## More\n\n| a | b |\n| --- | --- |\n| c | d |\n"
        )
        assert words_left_out(text) == {"old word": "new one"}

    def test_a_word_is_found_whole_and_in_any_case(self) -> None:
        assert words_in("A Whitelist, and masterly.", ["whitelist", "master"]) == ["whitelist"]
        assert words_in("Its key is blacklist.example.net.pub.", ["blacklist"]) == []
        assert words_in("no blacklist.", ["blacklist"]) == ["blacklist"]
