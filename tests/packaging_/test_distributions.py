"""What is built for others works for them: the wheel without a compiler, the sdist even with a broken one."""

from __future__ import annotations

import email
import hashlib
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from blockd_build import compiling, elf

from blockd.cli.grammar import VERBS
from tests.daemon.harness import Daemon
from tests.packaging_.debian import EPOCH, copied

ROOT = Path(__file__).parents[2]
IS_NATIVE = any((ROOT / "blockd").rglob(f"*{compiling.SUFFIX}"))


class Installed(Daemon):
    """A daemon of an installation of its own, which sees no compiler and nothing of the checkout."""

    def __init__(self, folder: Path, environment: Path) -> None:
        listed = folder / "names"
        folder.mkdir()
        listed.write_text("listed.example\n", encoding="ascii")
        super().__init__(
            folder, {"name": "names", "type": "domains", "path": str(listed)}, sinkhole={"ipv4": "192.0.2.7"}
        )
        self.environment = environment

    def launch(self) -> None:
        """Start it without waiting for anything."""
        self.write_config()
        with self._log.open("ab") as errors, self._banner.open("wb") as output:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [self.environment / "bin" / "blockd", "run", "--config", str(self.config)],
                cwd=self.folder,
                env={"PATH": "/nowhere", "CC": "/bin/false", "BLOCKD_TEST_MARK": self._mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
            )


def run(*command: str | Path, **variables: str) -> None:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH, **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr


def installed(folder: Path, what: Path, *options: str) -> Path:
    """An environment with only this blockd, which has its dependencies from the one that the tests run in."""
    venv.EnvBuilder(symlinks=True).create(folder)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    pip = (sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "--quiet")
    run(*pip, "--no-deps", "--no-index", "--no-compile", *options, what, CC="/bin/false")
    return folder


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release, made of a copy of the checkout with the extensions that are there."""
    tree = copied(tmp_path_factory.mktemp("tree"))
    run(sys.executable, "-m", "blockd_build", "release", PYTHONPATH=str(tree / "packaging"))
    return tree / "dist"


def only(dist: Path, pattern: str) -> Path:
    [path] = dist.glob(pattern)
    return path


@pytest.mark.skipif(not IS_NATIVE, reason="the native engine was not built")
def test_wheel_runs_the_native_engine_where_there_is_no_compiler(dist: Path, tmp_path: Path) -> None:
    wheel = only(dist, "*.whl")
    with Installed(tmp_path / "node", installed(tmp_path / "environment", wheel)) as daemon:
        assert "(native engine" in daemon.banner
        assert daemon.ask("listed.example").addresses == ["192.0.2.7"]


def test_wheel_and_sdist_install_completion_and_manual_pages(dist: Path, tmp_path: Path) -> None:
    wanted = {
        "share/bash-completion/completions/blockd",
        "share/fish/vendor_completions.d/blockd.fish",
        "share/zsh/site-functions/_blockd",
        "share/man/man1/blockd.1",
        *(f"share/man/man1/blockd-{verb}.1" for verb in VERBS),
    }
    for pattern in ("*.whl", "*.tar.gz"):
        folder = installed(tmp_path / pattern[2:], only(dist, pattern), "--no-build-isolation")
        found = {path.relative_to(folder).as_posix() for path in (folder / "share").rglob("*") if path.is_file()}
        assert found == wanted


@pytest.mark.skipif(not IS_NATIVE, reason="the native engine was not built")
def test_wheel_says_which_systems_its_extensions_run_on(dist: Path, tmp_path: Path) -> None:
    wheel = only(dist, "*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)  # noqa: S202 - our own
        [metadata] = [name for name in archive.namelist() if name.endswith(".dist-info/WHEEL")]
        told = email.message_from_bytes(archive.read(metadata))
    extensions = sorted(tmp_path.rglob("*.so"))
    assert {path.relative_to(tmp_path) for path in extensions} == {
        path.relative_to(ROOT) for path in (ROOT / "blockd").rglob(f"*{compiling.SUFFIX}")
    }
    tag = elf.platform_tag(extensions)
    assert re.fullmatch(r"manylinux_2_\d+_\w+", tag)
    assert told["Tag"].endswith(f"-{tag}")
    assert wheel.name.endswith(f"-{tag}.whl")


def test_tag_is_that_of_the_newest_symbol_and_foreign_libraries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {
        "old.so": " 0x1 (NEEDED) Shared library: [libc.so.6]\n  0x10: Name: GLIBC_2.2.5  Flags: none  Version: 3\n",
        "new.so": " 0x1 (NEEDED) Shared library: [libc.so.6]\n  0x10: Name: GLIBC_2.34  Flags: none  Version: 3\n",
        "foreign.so": " 0x1 (NEEDED) Shared library: [libfoo.so.1]\n",
        "path.so": " 0x1d (RUNPATH) Library runpath: [/opt/lib]\n",
    }
    monkeypatch.setattr(elf, "read", lambda path: listed[path.name])
    assert elf.platform_tag([Path("old.so")]).startswith("manylinux_2_17_")
    assert elf.platform_tag([Path("old.so"), Path("new.so")]).startswith("manylinux_2_34_")
    with pytest.raises(elf.NotPortable, match=r"libfoo\.so\.1"):
        elf.platform_tag([Path("old.so"), Path("foreign.so")])
    with pytest.raises(elf.NotPortable, match="/opt/lib"):
        elf.platform_tag([Path("path.so")])


def test_sdist_installs_with_a_broken_compiler_and_runs_the_python_engine(dist: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    with tarfile.open(only(dist, "*.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    [tree] = tmp_path.glob("blockd-*")
    assert not list(tree.rglob("*.so"))
    with Installed(tmp_path / "node", installed(environment, tree, "--no-build-isolation")) as daemon:
        assert "(python engine" in daemon.banner
        assert daemon.ask("listed.example").addresses == ["192.0.2.7"]


def test_release_has_its_parts_and_their_digests(dist: Path) -> None:
    names = {path.name for path in dist.iterdir()}
    lines = (dist / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    summed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    assert set(summed) == names - {"SHA256SUMS"}
    assert {Path(name).suffix for name in summed} == {".whl", ".gz", ".json"}
    for name, digest in summed.items():
        assert hashlib.sha256((dist / name).read_bytes()).hexdigest() == digest
