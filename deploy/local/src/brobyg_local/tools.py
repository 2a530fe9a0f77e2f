"""Programs of this machine that the broker, the database and the browser tests need: found, else installed by the package manager where we may."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from .errors import ToolMissing

__all__ = ["Say", "find_chromium", "find_java", "find_maven", "find_postgres", "run_watched"]

Say = Callable[[str], None]
"""Tells the person at the keyboard what is being done."""

JAVA_AT_LEAST = 17
POSTGRES_AT_LEAST = 15
SILENCE = 180.0  # seconds without a line of output after which a download is taken to hang


def run_watched(
    command: Sequence[str], on_line: Callable[[str], None], *, silence: float = SILENCE, advice: str
) -> list[str]:
    """Run `command`, give each line of its output to `on_line`, return the last 40. Blocks.

    Raises `ToolMissing` with the last lines where it fails or is silent for `silence` seconds.
    """
    last: list[str] = []
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    hung = threading.Event()

    def give_up() -> None:
        hung.set()
        process.kill()

    assert process.stdout is not None  # we asked for a pipe
    with process.stdout as output:
        timer = _restarted(None, silence, give_up)
        for line in output:
            timer = _restarted(timer, silence, give_up)
            last = [*last[-39:], line.rstrip()]
            on_line(line.rstrip())
        timer.cancel()
    code = process.wait()
    name = Path(command[0]).name
    if hung.is_set():
        raise ToolMissing(f"{name} said nothing for {silence:.0f} s and was ended", advice=advice)
    if code != 0:
        raise ToolMissing(
            f"{name} failed with exit code {code}:\n  " + "\n  ".join(last[-8:]), advice=advice
        )
    return last


def _restarted(
    timer: threading.Timer | None, seconds: float, action: Callable[[], None]
) -> threading.Timer:
    if timer is not None:
        timer.cancel()
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
    return timer


def install(packages: Sequence[str], what: str, say: Say) -> None:
    """Have the package manager install `packages`; raises `ToolMissing` where we may not or it can't. Blocks for minutes."""
    by_hand = f"install it, for instance: sudo apt-get install {' '.join(packages)}"
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise ToolMissing(f"{what} is not on this machine", advice=by_hand)
    say(f"{what} is not on this machine: installing {', '.join(packages)} with apt-get")

    def shown(line: str) -> None:
        if line.startswith(("Setting up", "Unpacking", "E:")):
            say(f"  {line}")

    options = ["-o", "Acquire::http::Timeout=30", "-o", "DPkg::Lock::Timeout=120"]
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    run_watched([*environment, apt, *options, "update"], shown, advice=by_hand)
    run_watched(
        [*environment, apt, *options, "install", "-y", "--no-install-recommends", *packages],
        shown,
        advice=by_hand,
    )


def find_java(say: Say) -> Path:
    """A Java of at least 17: `JAVA_HOME`, then PATH, then the package manager."""
    versions: dict[str, int] = {}
    for attempt in ("found", "installed"):
        home = os.environ.get("JAVA_HOME")
        candidates = [str(Path(home) / "bin" / "java")] if home else []
        candidates += [found] if (found := shutil.which("java")) else []
        versions = {path: _java_version(path) for path in candidates}
        for path, version in versions.items():
            if version >= JAVA_AT_LEAST:
                return Path(path)
        if attempt == "found":
            install(["default-jre-headless"], f"Java {JAVA_AT_LEAST} or newer", say)
    raise ToolMissing(
        f"no Java {JAVA_AT_LEAST} or newer among {versions or 'nothing'}",
        advice="set JAVA_HOME to one",
    )


def _java_version(path: str) -> int:
    try:
        answer = subprocess.run(
            [path, "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except OSError:
        return 0
    match = re.search(r'version "(\d+)(?:\.(\d+))?', answer.stderr + answer.stdout)
    if match is None:
        return 0
    major = int(match[1])
    return int(match[2] or 0) if major == 1 else major  # "1.8" is Java 8


def find_maven(say: Say) -> Path:
    """Maven, which resolves Kafka's jars: PATH, then the package manager."""
    if shutil.which("mvn") is None:
        install(["maven"], "Maven (mvn)", say)
    found = shutil.which("mvn")
    if found is None:
        raise ToolMissing(
            "Maven (mvn) is not on the PATH even after it was installed",
            advice="put mvn on the PATH",
        )
    return Path(found)


def find_chromium(say: Say) -> Path:
    """Chromium (or Chrome), in which the pages are tested: PATH, then the package manager. Raises `ToolMissing`."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    for attempt in ("found", "installed"):
        if found := next(filter(None, map(shutil.which, names)), None):
            return Path(found)
        if attempt == "found":
            install(["chromium"], "Chromium", say)
    raise ToolMissing(
        "Chromium is not on the PATH even after it was installed", advice="put chromium on the PATH"
    )


def find_postgres(say: Say) -> Path:
    """The folder of PostgreSQL's programs (15 or newer): `BROBYG_POSTGRES_BIN`, Debian's folders, PATH, then the package manager.

    Raises `ToolMissing` with the versions that were found where none is new enough.
    """
    versions: dict[str, int] = {}
    for attempt in ("found", "installed"):
        versions = {str(folder): _postgres_version(folder) for folder in _postgres_folders()}
        for folder, version in versions.items():
            if version >= POSTGRES_AT_LEAST:
                return Path(folder)
        if attempt == "found":
            install(["postgresql"], f"PostgreSQL {POSTGRES_AT_LEAST} or newer", say)
    raise ToolMissing(
        f"no PostgreSQL {POSTGRES_AT_LEAST} or newer (initdb and postgres) among {versions or 'nothing'}",
        advice="set BROBYG_POSTGRES_BIN to the folder of one",
    )


def _postgres_folders() -> list[Path]:
    candidates: list[Path] = []
    if chosen := os.environ.get("BROBYG_POSTGRES_BIN"):
        candidates.append(Path(chosen))
    numbered = [
        path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()
    ]
    candidates += sorted(numbered, key=lambda path: int(path.parent.name), reverse=True)
    if on_path := shutil.which("initdb"):
        candidates.append(Path(on_path).resolve().parent)
    candidates += sorted(Path("/opt/homebrew/opt").glob("postgresql@*/bin"), reverse=True)
    return [
        path for path in candidates if (path / "initdb").exists() and (path / "postgres").exists()
    ]


def _postgres_version(folder: Path) -> int:
    """Its major version; 0 where it does not tell."""
    try:
        answer = subprocess.run(
            [str(folder / "postgres"), "--version"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r"\) (\d+)", answer.stdout)
    return int(match[1]) if match else 0
