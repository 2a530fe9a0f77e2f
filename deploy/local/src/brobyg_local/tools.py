"""Programs of this machine that are needed: found, else installed by apt-get where we may."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from .errors import CommandFailed, ProgramMissing

#: Tells the user what is being done.
Say = Callable[[str], None]

#: Seconds for a download.
DOWNLOAD_TIMEOUT = 900.0
JAVA_AT_LEAST = 17
POSTGRES_AT_LEAST = 15


def run(what: str, command: Sequence[str], *, advice: str, timeout: float, **options: Any) -> None:
    """Run `command`, called `what`, to its end, with `options` of subprocess. Blocks.

    Raises `CommandFailed` with its last lines where it fails, or is not done after `timeout` s.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            **options,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"{what} was not done after {timeout:.0f} s", advice=advice) from error
    if done.returncode != 0:
        last = "\n  ".join(done.stdout.splitlines()[-12:])
        said = f"{what} failed with exit code {done.returncode}:\n  {last}"
        raise CommandFailed(said, advice=advice)


def find_java(say: Say) -> Path:
    """A Java of at least 17: `JAVA_HOME`, then PATH, then apt-get. Raises `ProgramMissing`."""

    def candidates() -> Iterable[Path]:
        if home := os.environ.get("JAVA_HOME"):
            yield Path(home, "bin", "java")
        yield from _on_path("java")

    advice = "set JAVA_HOME to one"
    return _find(
        f"Java {JAVA_AT_LEAST} or newer",
        candidates,
        lambda java: _version([java, "-version"]) >= JAVA_AT_LEAST,  # "1.8" is too old, too
        "default-jre-headless",
        advice,
        say,
    )


def find_maven(say: Say) -> Path:
    """Maven, which resolves Kafka's jars: PATH, then apt-get. Raises `ProgramMissing`."""
    return _find("Maven (mvn)", lambda: _on_path("mvn"), Path.exists, "maven", "install mvn", say)


def find_chromium(say: Say) -> Path:
    """Chromium or Chrome, for tests of pages: PATH, then apt-get. Raises `ProgramMissing`."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return _find(
        "Chromium", lambda: _on_path(*names), Path.exists, "chromium", "install chromium", say
    )


def find_postgres(say: Say) -> Path:
    """The folder of PostgreSQL's programs (15 or newer); raises `ProgramMissing`.

    Looked for in `BROBYG_POSTGRES_BIN`, Debian's folders, PATH and Homebrew's folders, then
    installed with apt-get.
    """

    def good(folder: Path) -> bool:
        there = (folder / "initdb").exists() and (folder / "postgres").exists()
        return there and _version([folder / "postgres", "--version"]) >= POSTGRES_AT_LEAST

    return _find(
        f"PostgreSQL {POSTGRES_AT_LEAST} or newer",
        _postgres_folders,
        good,
        "postgresql",
        "set BROBYG_POSTGRES_BIN to the folder of its initdb and postgres",
        say,
    )


def _postgres_folders() -> Iterable[Path]:
    if chosen := os.environ.get("BROBYG_POSTGRES_BIN"):
        yield Path(chosen)
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(debian, key=lambda path: float(path.parent.name), reverse=True)
    yield from (path.resolve().parent for path in _on_path("initdb"))
    yield from sorted(Path("/opt/homebrew/opt").glob("postgresql@*/bin"), reverse=True)


def _find(
    what: str,
    candidates: Callable[[], Iterable[Path]],
    good: Callable[[Path], bool],
    package: str,
    advice: str,
    say: Say,
) -> Path:
    """The first good candidate, after an installation of Debian's `package` if there is none."""
    found = next(filter(good, candidates()), None)
    if found is None:
        _install(what, package, [str(one) for one in candidates()], advice, say)
        found = next(filter(good, candidates()), None)
    if found is None:
        raise ProgramMissing(f"no {what}, even after {package} was installed", advice=advice)
    return found


def _install(what: str, package: str, found: Sequence[str], advice: str, say: Say) -> None:
    apt = shutil.which("apt-get")
    advice = f"{advice}; or install it, for instance: sudo apt-get install {package}"
    if apt is None or os.geteuid() != 0:
        old = f" (too old: {', '.join(found)})" if found else ""
        raise ProgramMissing(f"no {what} on this machine{old}", advice=advice)
    say(f"no {what} on this machine: installing {package} with apt-get")
    options = ("-o", "Acquire::http::Timeout=30", "-o", "DPkg::Lock::Timeout=120")
    environment = ("env", "DEBIAN_FRONTEND=noninteractive", apt, *options)
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", package]):
        run("apt-get", [*environment, *arguments], advice=advice, timeout=DOWNLOAD_TIMEOUT)


def _on_path(*names: str) -> Iterable[Path]:
    return (Path(found) for name in names if (found := shutil.which(name)))


def _version(command: Sequence[str | Path]) -> int:
    """The major version that a program tells, as `version "17.0.2"` or `(PostgreSQL) 15.4`."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r'(?:version "|\) )(\d+)', done.stderr + done.stdout)
    return int(match[1]) if match else 0
