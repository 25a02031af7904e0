"""The Debian package has what a service needs, each file where Debian has it, and needs nothing but what it names."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from blockd_build import compiling, elf, lock
from blockd_build.deb import environment, libraries, package, tree
from packaging.utils import canonicalize_name

import blockd
from blockd.cli.grammar import VERBS
from tests.effort import LONG
from tests.packaging_ import debian
from tests.places import ROOT


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package."""
    folder = tmp_path_factory.mktemp("deb")
    return debian.package(debian.copied(folder / "tree"), folder / "dist", dict(os.environ))


@pytest.fixture(scope="module")
def members(made: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tarfile.TarInfo]:
    """What it has, by path from the root of the target."""
    path = tmp_path_factory.mktemp("members") / "data.tar"
    with path.open("wb") as output:
        subprocess.run(["dpkg-deb", "--fsys-tarfile", made], stdout=output, check=True)  # noqa: S603, S607
    with tarfile.open(path) as archive:
        return {f"/{one.name.removeprefix('./').rstrip('/')}": one for one in archive}


@pytest.fixture(scope="module")
def unpacked(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its files, with what dpkg reads in DEBIAN."""
    folder = tmp_path_factory.mktemp("unpacked") / "root"
    subprocess.run(["dpkg-deb", "--raw-extract", made, folder], check=True)  # noqa: S603, S607
    return folder


def test_it_is_named_after_version_and_architecture(made: Path) -> None:
    assert debian.field(made, "Version") == f"{blockd.__version__}-1"
    assert made.name == f"blockd_{blockd.__version__}-1_{debian.field(made, 'Architecture')}.deb"


def test_files_lie_where_debian_has_them(members: dict[str, tarfile.TarInfo]) -> None:
    wanted = {
        "/etc/blockd/blockd.yaml",
        "/opt/blockd/bin/blockd",
        "/usr/bin/blockd",
        "/usr/lib/systemd/system/blockd.service",
        "/usr/lib/sysusers.d/blockd.conf",
        "/usr/share/blockd/grafana/blockd.json",
        "/usr/share/blockd/prometheus/alerts.yml",
        "/usr/share/blockd/prometheus/recording.yml",
        "/usr/share/bash-completion/completions/blockd",
        "/usr/share/doc/blockd/changelog.Debian.gz",
        "/usr/share/doc/blockd/changelog.gz",
        "/usr/share/doc/blockd/copyright",
        "/usr/share/doc/blockd/examples/neighbours/nginx.conf",
        "/usr/share/fish/vendor_completions.d/blockd.fish",
        "/usr/share/zsh/vendor-completions/_blockd",
        "/usr/share/man/man1/blockd.1.gz",
        *(f"/usr/share/man/man1/blockd-{verb}.1.gz" for verb in VERBS),
    }
    assert wanted - set(members) == set()
    assert members["/usr/bin/blockd"].linkname == "/opt/blockd/bin/blockd"


def test_every_file_is_roots_and_nobody_elses_to_write(members: dict[str, tarfile.TarInfo]) -> None:
    for path, one in members.items():
        assert (one.uid, one.gid) == (0, 0), path
        assert one.issym() or one.mode & 0o022 == 0, path
        assert one.mode & 0o7000 == 0, path
    assert members["/opt/blockd/bin/blockd"].mode & 0o111 == 0o111


def test_nothing_of_this_machine_is_in_it(unpacked: Path) -> None:
    places = [str(ROOT).encode(), str(unpacked.parent.parent).encode()]
    for path in unpacked.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            assert not any(place in content for place in places), path


def test_its_environment_has_every_locked_version_and_none_that_only_builds(unpacked: Path) -> None:
    locked = list(lock.parse((ROOT / lock.NAME).read_text(encoding="utf-8")))
    [packages] = unpacked.glob("opt/blockd/lib/python3.*/site-packages")
    found = dict(parts(path.name.removesuffix(".dist-info")) for path in packages.glob("*.dist-info"))
    for each in locked:
        name = canonicalize_name(each.name)
        if each.extras:
            assert name not in found, name
        elif not each.marker:
            assert found[name] == each.version, name
    assert found["blockd"] == blockd.__version__


def parts(text: str) -> tuple[str, str]:
    name, _, version = text.partition("-")
    return canonicalize_name(name), version


def test_every_file_of_the_package_that_is_no_source_of_an_extension_is_in_it(unpacked: Path) -> None:
    [packages] = unpacked.glob("opt/blockd/lib/python3.*/site-packages")
    kinds = {".pyx", ".c", ".so", ".pyc"}  # made into extensions, or made here
    there = {path.relative_to(ROOT) for path in (ROOT / "blockd").rglob("*") if path.is_file()}
    assert {path for path in there if path.suffix not in kinds and not (packages / path).is_file()} == set()


def test_its_environment_runs_without_any_other_and_writes_nothing(unpacked: Path, tmp_path: Path) -> None:
    if not Path(environment.PYTHON).exists():
        pytest.skip(f"{environment.PYTHON} is not on this machine: its Python is another one")
    [packages] = unpacked.glob("opt/blockd/lib/python3.*/site-packages")
    before = set(packages.rglob("*.pyc"))
    # -I: nothing of this environment; no `sitecustomize`, no variables.
    code = f"import sys; sys.path.insert(0, {str(packages)!r}); from blockd.__main__ import script; sys.exit(script())"
    command = [environment.PYTHON, "-I", "-S", "-c", code, "--version"]
    done = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stdout.strip()) == (0, f"blockd {blockd.__version__}"), done.stderr
    assert set(packages.rglob("*.pyc")) == before


def test_it_has_the_native_engine_and_names_the_packages_of_its_libraries(unpacked: Path, made: Path) -> None:
    [packages] = unpacked.glob("opt/blockd/lib/python3.*/site-packages")
    built = {path.relative_to(ROOT) for path in (ROOT / "blockd").rglob(f"*{compiling.SUFFIX}")}
    assert built <= {path.relative_to(packages) for path in packages.rglob("*.so")}
    depends = debian.field(made, "Depends").split(", ")
    assert f"python{environment.VERSION}" in depends
    assert "libnghttp2-14" in depends
    assert any(re.fullmatch(r"libc6 \(>= 2\.\d+\)", one) for one in depends)
    assert not {"gcc", "python3-dev", "libssl-dev", "libnghttp2-dev"} & set(depends)


def test_a_library_that_no_known_package_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elf, "read", lambda _: " 0x1 (NEEDED) Shared library: [libfoo.so.1]\n")
    with pytest.raises(libraries.Unknown, match=r"module\.so needs libfoo\.so\.1"):
        libraries.needed([Path("module.so")])


def test_no_package_is_made_without_an_engine(tmp_path: Path) -> None:
    wheel = tmp_path / f"blockd-{blockd.__version__}-py3-none-any.whl"
    told = f"Metadata-Version: 2.1\nName: blockd\nVersion: {blockd.__version__}\n"
    folder = f"blockd-{blockd.__version__}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("blockd/__init__.py", "")
        archive.writestr(f"{folder}/METADATA", told)
        archive.writestr(f"{folder}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{folder}/RECORD", "")
    with pytest.raises(package.NotMade, match="the engine was not compiled"):
        package.make(ROOT, tmp_path / "dist", wheel)
    assert not (tmp_path / "dist").exists()


def test_the_config_stays_the_operators(unpacked: Path) -> None:
    assert (unpacked / "DEBIAN" / "conffiles").read_text(encoding="utf-8") == f"/{tree.CONFIG}\n"
    assert (unpacked / tree.CONFIG).read_bytes() == (ROOT / "config" / "service.yaml").read_bytes()


def test_the_unit_and_the_rules_are_those_of_the_checkout(unpacked: Path) -> None:
    for source, place in tree.FILES.items():
        assert (unpacked / place).read_bytes() == (ROOT / source).read_bytes(), source
    start = re.search(
        r"^ExecStart=.* (/opt/blockd/bin/blockd) ", (unpacked / tree.UNIT).read_text("utf-8"), re.MULTILINE
    )
    assert start
    assert (unpacked / start[1].lstrip("/")).is_file()
    assert yaml.safe_load((unpacked / "usr/share/blockd/prometheus/recording.yml").read_text("utf-8"))["groups"]
    assert json.loads((unpacked / "usr/share/blockd/grafana/blockd.json").read_text("utf-8"))["panels"]


def test_its_copyright_file_names_the_licence_of_each_package(unpacked: Path) -> None:
    text = (unpacked / "usr/share/doc/blockd/copyright").read_text(encoding="utf-8")
    [packages] = unpacked.glob("opt/blockd/lib/python3.*/site-packages")
    for path in packages.glob("*.dist-info"):
        name = path.name.partition("-")[0]
        assert name == "blockd" or f"License: {name}\n" in text, name
    assert "see its files" not in text


@pytest.mark.parametrize("name", package.SCRIPTS)
def test_scripts_of_dpkg_are_valid_and_end_at_the_first_failure(name: str) -> None:
    path = ROOT / "packaging" / "debian" / name
    subprocess.run(["sh", "-n", path], check=True)  # noqa: S603, S607
    assert "\nset -e\n" in path.read_text(encoding="utf-8")


@pytest.mark.skipif(not LONG, reason="makes another package: `make rehearse` runs it")
def test_two_packages_of_one_tree_are_the_same(made: Path, tmp_path: Path) -> None:
    again = debian.package(debian.copied(tmp_path / "other"), tmp_path / "dist", {**os.environ, "TZ": "Asia/Jakarta"})
    assert again.read_bytes() == made.read_bytes()


@pytest.mark.skipif(not LONG, reason="takes half a minute: `make rehearse` runs it")
def test_lintian_has_nothing_to_say(made: Path) -> None:
    lintian = shutil.which("lintian")
    if lintian is None:
        pytest.skip("lintian is not on this machine (Debian: lintian)")
    command = [lintian, "--allow-root", "--tag-display-limit", "0", "--fail-on", "error,warning", str(made)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stdout) == (0, ""), done.stdout
