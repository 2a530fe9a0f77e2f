"""Kafka's published jars, resolved once by Maven from `deploy/local/pom.xml` and shared by every state folder of the clone."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import tempfile
from pathlib import Path

from .errors import ToolMissing
from .places import ROOT
from .tools import Say, find_maven, run_watched

__all__ = ["class_path", "jars_folder"]

POM = ROOT / "deploy" / "local" / "pom.xml"


def jars_folder() -> Path:
    """Where the jars of this very pom lie; another pom has another folder, so an upgrade never mixes two."""
    return ROOT / "var" / "jars" / hashlib.sha256(POM.read_bytes()).hexdigest()[:12]


def class_path(say: Say) -> str:
    """What to give Java. Downloads at most once, one at a time; an interrupted download leaves nothing half. May block for minutes."""
    folder = jars_folder()
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (folder.parent / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                _download(folder, say)
    return str(folder / "*")


def _download(folder: Path, say: Say) -> None:
    maven = find_maven(say)
    say("Kafka: Maven resolves its jars (about 45 jars, 45 MB, the first time only)")
    scratch = Path(tempfile.mkdtemp(prefix="incoming-", dir=folder.parent))
    fetched = 0

    def on_line(line: str) -> None:
        nonlocal fetched
        if "Downloaded from" in line and ".jar" in line:
            fetched += 1
            if fetched % 20 == 0:
                say(f"Kafka: {fetched} files fetched")

    goal = [
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
        f"-DoutputDirectory={scratch}",
    ]
    advice = "check that Maven reaches its repository (mvn -version; ~/.m2/settings.xml holds mirrors and proxies), then run the same command again"
    try:
        run_watched([str(maven), "-B", "-f", str(POM), *goal], on_line, advice=advice)
        count = len(list(scratch.glob("*.jar")))
        if not list(scratch.glob("kafka_2.13-*.jar")):
            raise ToolMissing(
                f"Maven ended well but brought {count} jars and no Kafka", advice=advice
            )
        scratch.rename(folder)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    say(f"Kafka: {count} jars are in {folder}")
