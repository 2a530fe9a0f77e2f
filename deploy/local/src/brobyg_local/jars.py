"""Published jars, resolved once by Maven for the checkout from the poms in `deploy/local`."""

import hashlib
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock

from .state import ROOT
from .tools import DOWNLOAD_TIMEOUT, Say, find_maven, run

#: How much the first start of a component loads.
SIZES = {
    "kafka": "about 45 jars, 45 MB",
    "light-provider": "about 40 jars, 30 MB",
    "keycloak": "one archive, 180 MB",
}
ADVICE = (
    "check that Maven reaches its repository (mvn -version; ~/.m2/settings.xml holds mirrors and"
    " proxies), then run the same command again"
)


def pom_of(component: str) -> Path:
    """The pom that says what a component is made of."""
    name = "pom.xml" if component == "kafka" else f"{component}.pom.xml"
    return ROOT / "deploy" / "local" / name


def class_path(component: str, say: Say) -> str:
    """What to give Java for this component. Raises `ProgramMissing`. May block for minutes.

    Downloads at most once, one at a time; an interrupted download leaves nothing half. Each
    version of the pom has a folder of its own, so an upgrade never mixes two.
    """
    digest = hashlib.sha256(pom_of(component).read_bytes()).hexdigest()
    folder = ROOT / "var" / "jars" / digest[:12]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / "lock"):
        if not folder.exists():
            _download(component, folder, say)
    return str(folder / "*")


def _download(component: str, folder: Path, say: Say) -> None:
    scratch = Path(tempfile.mkdtemp(prefix="incoming-", dir=folder.parent))
    try:
        copy(component, scratch, say)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    say(f"{component}: its jars are in {folder}")


def copy(component: str, folder: Path, say: Say) -> None:
    """Put into `folder` what the component is made of. Raises `LocalError`. Blocks for minutes."""
    maven = find_maven(say)
    say(f"{component}: Maven resolves its jars ({SIZES[component]}, the first time only)")
    command = [
        *(str(maven), "-B", "-q", "-f", str(pom_of(component))),
        # A server that accepts and says nothing is given up; by default Maven waits half an hour.
        *("-Daether.connector.connectTimeout=20000", "-Daether.connector.requestTimeout=60000"),
        *("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"),
    ]
    run("mvn", command, advice=ADVICE, timeout=DOWNLOAD_TIMEOUT)
