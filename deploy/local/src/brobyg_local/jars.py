"""Kafka's published jars, resolved once by Maven from `deploy/local/pom.xml` for the checkout."""

import hashlib
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock

from .state import ROOT
from .tools import DOWNLOAD_TIMEOUT, Say, find_maven, run

POM = ROOT / "deploy" / "local" / "pom.xml"
ADVICE = (
    "check that Maven reaches its repository (mvn -version; ~/.m2/settings.xml holds mirrors and"
    " proxies), then run the same command again"
)


def class_path(say: Say) -> str:
    """What to give Java. Raises `ProgramMissing`. May block for minutes.

    Downloads at most once, one at a time; an interrupted download leaves nothing half. Each
    version of the pom has a folder of its own, so an upgrade never mixes two.
    """
    folder = ROOT / "var" / "jars" / hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / "lock"):
        if not folder.exists():
            _download(folder, say)
    return str(folder / "*")


def _download(folder: Path, say: Say) -> None:
    maven = find_maven(say)
    say("kafka: Maven resolves its jars (about 45 jars, 45 MB, the first time only)")
    scratch = Path(tempfile.mkdtemp(prefix="incoming-", dir=folder.parent))
    command = [
        *(str(maven), "-B", "-q", "-f", str(POM)),
        # A server that accepts and says nothing is given up; by default Maven waits half an hour.
        *("-Daether.connector.connectTimeout=20000", "-Daether.connector.requestTimeout=60000"),
        *("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={scratch}"),
    ]
    try:
        run("mvn", command, advice=ADVICE, timeout=DOWNLOAD_TIMEOUT)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    say(f"kafka: its jars are in {folder}")
