"""What the rehearsal reads out of Dockerfile and .dockerignore is what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.packaging_.roots import dockerfile
from tests.places import ROOT

TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_lines_are_joined_comments_left_out_and_arguments_put_in() -> None:
    text = (
        "# a\nARG BASE=debian:x-slim@sha256:" + "0" * 64 + "\nFROM ${BASE} AS one\nRUN a \\\n    && b\nFROM ${BASE}\n"
    )
    first, second = dockerfile.stages(text)
    assert (first.name, first.suite, second.name, second.suite) == ("one", "x", "", "x")
    assert first.steps == [dockerfile.Step("RUN", "a && b")]


def test_an_instruction_that_the_rehearsal_does_not_know_is_an_error() -> None:
    with pytest.raises(AssertionError, match="ADD"):
        list(dockerfile.steps("ADD https://example.net/x /x\n"))


def test_every_stage_begins_with_a_debian_and_the_last_says_what_it_runs() -> None:
    stages = dockerfile.stages(TEXT)
    assert len({stage.suite for stage in stages}) == 1
    assert dockerfile.command(stages[-1])[0] == "blockd"
    assert dockerfile.health(stages[-1])[0] == "python"
    assert json.loads(stages[-1].last("VOLUME"))


def test_what_is_sent_to_the_builder_is_what_is_copied(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    sent = dockerfile.context(tmp_path)
    copied = [
        word
        for stage in dockerfile.stages(TEXT)
        for step in stage.steps
        if step.instruction == "COPY" and not step.arguments.startswith("--from=")
        for word in step.arguments.split()[:-1]
    ]
    assert all((sent / word).exists() for word in copied)
    tops = {word.partition("/")[0] for word in copied}
    assert {path.relative_to(sent).parts[0] for path in sent.rglob("*") if path.is_file()} == tops
    assert not list(sent.rglob("*.so"))
