"""The steps of the Makefile: `python -m blockd_build extensions|requirements|lock|wheel|release|deb`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from blockd_build import compiling, elf, lock

ROOT = Path(__file__).parents[2]


def _extensions(_: argparse.Namespace) -> None:
    compiled, failed = compiling.build(ROOT)
    if failed and compiling.why_not() is None:  # the compiler works: it is a source that does not
        sys.exit(f"Not compiled: {', '.join(failed)}")
    if compiled:
        print(f"The engine's {len(compiled)} modules are up to date")


def _requirements(arguments: argparse.Namespace) -> None:
    sys.stdout.write(lock.select((ROOT / lock.NAME).read_text(encoding="utf-8"), arguments.extra))


def _lock(_: argparse.Namespace) -> None:
    text = lock.make(ROOT)
    (ROOT / lock.NAME).write_text(text, encoding="utf-8")
    print(f"{lock.NAME}: {len(list(lock.parse(text)))} distributions")


def _wheel(arguments: argparse.Namespace) -> None:
    for path in _distributions(arguments.into):
        print(path)


def _distributions(folder: Path, *, only_wheel: bool = False) -> list[Path]:
    """Make sdist and wheel in a folder, or the wheel alone, and return their paths."""
    from blockd_build import release

    compiling.build(ROOT)
    sys.stdout.flush()
    stdout = os.dup(1)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)  # setuptools tells every file that it copies
    try:
        whole = folder.resolve()
        made = [release.wheel(ROOT, whole)] if only_wheel else release.distributions(ROOT, whole)
    except elf.NotPortable as error:
        sys.exit(f"No wheel: {error}")
    finally:
        sys.stdout.flush()
        os.dup2(stdout, 1)
    return made


def _release(arguments: argparse.Namespace) -> None:
    from blockd_build import release

    made = _distributions(arguments.into)
    made.append(release.bill(ROOT, arguments.into))
    made.append(release.digests(made))
    for path in made:
        print(path)


def _deb(arguments: argparse.Namespace) -> None:
    from blockd_build.deb import package

    with tempfile.TemporaryDirectory() as folder:
        [wheel] = _distributions(Path(folder), only_wheel=True)
        try:
            made = package.make(ROOT, arguments.into.resolve(), wheel, arguments.revision, quick=arguments.quick)
        except package.NotMade as error:
            sys.exit(f"No Debian package: {error}")
    print(f"{made} ({made.stat().st_size / 2**20:.1f} MiB)")


def main() -> None:
    """Do one step."""
    parser = argparse.ArgumentParser(prog="blockd_build", description=__doc__)
    steps = parser.add_subparsers(required=True)
    for step in (_extensions, _requirements, _lock, _wheel, _release, _deb):
        made = steps.add_parser(step.__name__.strip("_"))
        made.set_defaults(step=step)
        if step is _requirements:
            made.add_argument("extra", nargs="+")
        if step in (_wheel, _release, _deb):
            made.add_argument("--into", type=Path, default=ROOT / "dist")
        if step is _deb:
            made.add_argument("--revision", default="1")
            made.add_argument("--quick", action="store_true", help="compress less")
    arguments = parser.parse_args()
    arguments.step(arguments)


main()
