"""Keycloak, the real provider of the tests: from its published distribution, built once.

The built distribution, with a database in which the realm is already, is kept in the user's cache,
outside the checkout; who starts it has a copy of the database, and shares the rest. It listens on
this machine alone.
"""

import hashlib
import os
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from . import jars, realm
from .ports import Ports
from .services import ANSWER_TIMEOUT, ask
from .state import StateFolder
from .supervisor import Program
from .tools import Say, find_java, run

NAME = "keycloak"
#: As kc.sh has them, but for what bounds memory and the time of a start.
JAVA_OPTIONS = (
    "-Xms64m -Xmx512m -XX:MaxMetaspaceSize=256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
    " -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true -Djava.net.preferIPv4Stack=true"
    " -Dfile.encoding=UTF-8 -Duser.language=en -Duser.country=US"
    " --add-opens=java.base/java.util=ALL-UNNAMED"
    " --add-opens=java.base/java.util.concurrent=ALL-UNNAMED"
    " --add-opens=java.base/java.security=ALL-UNNAMED"
    " --add-opens=java.base/java.lang=ALL-UNNAMED --enable-native-access=ALL-UNNAMED"
    " -Djava.util.concurrent.ForkJoinPool.common.threadFactory="
    "io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory"
    " -Djava.util.logging.manager=org.jboss.logmanager.LogManager"
    " -Dquarkus-log-max-startup-records=10000 -Dpicocli.disable.closures=true"
)
MAIN = "io.quarkus.bootstrap.runner.QuarkusEntryPoint"
#: A file as the database; health where the rest answers, not on a port of its own.
BUILD_OPTIONS = ("--db=dev-file", "--health-enabled=true", "--http-management-health-enabled=false")
#: What is shared of a distribution, and never written to by one that runs.
SHARED = ("bin", "conf", "lib", "providers", "themes")
#: Who administers the running Keycloak; on this machine alone, and for tests.
ADMINISTRATOR = "admin"
MAKE_ADMINISTRATOR = (
    *("bootstrap-admin", "user", "--optimized", f"--username={ADMINISTRATOR}"),
    *("--password:env=KC_ADMINISTRATOR", "--no-prompt"),
)
#: Seconds for each step of a build; a minute is usual for both together, more on a busy machine.
BUILD_TIMEOUT = 900.0
ADVICE = "run the same command again: a build that was interrupted is made anew"


class Keycloak:
    """The Keycloak of one state folder: what to run, and whether it is ready."""

    name = NAME

    def __init__(self, folder: StateFolder, ports: Ports, say: Say) -> None:
        """Nothing is started."""
        self._home = folder.local / NAME
        self._ports = ports
        self._say = say

    @property
    def address(self) -> str:
        """Where it answers; empty before the first start."""
        port = self._ports.of(NAME)
        return f"http://127.0.0.1:{port}" if port else ""

    @property
    def issuer(self) -> str:
        """The issuer of its realm."""
        return f"{self.address}/realms/{realm.REALM}"

    def is_ready(self) -> bool:
        """Whether its realm answers: its own health is well before. Blocks for some seconds."""
        try:
            known = ask(f"{self.issuer}/.well-known/openid-configuration", ANSWER_TIMEOUT)
            healthy = ask(f"{self.address}/health/ready", ANSWER_TIMEOUT)
        except (OSError, ValueError):
            return False
        return b'"issuer"' in known and b'"status": "UP"' in healthy

    def prepare(self) -> Program:
        """Its program, on the port that has been chosen, with the realm as it is in the file.

        Blocks, the first time for minutes. Raises `LocalError`.
        """
        built = distribution(self._say)
        shutil.rmtree(self._home, ignore_errors=True)
        (self._home / "data").mkdir(parents=True)
        for name in SHARED:
            (self._home / name).symlink_to(built / name)
        shutil.copytree(built / "data" / "h2", self._home / "data" / "h2")
        options = [
            *("--optimized", "--http-enabled=true", "--http-host=127.0.0.1", "--cache=local"),
            *(f"--http-port={self._ports.of(NAME)}", f"--hostname={self.address}"),
        ]
        return Program(NAME, _command(self._home, ["start", *options], self._say), {})


def distribution(say: Say) -> Path:
    """The built distribution, made where there is none. Raises `LocalError`. Blocks for minutes.

    One is built at a time on this machine; an interrupted build leaves nothing that is taken for a
    whole one. Each version, realm and way of building has a folder of its own.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "brobyg"
    made_of = (
        jars.pom_of(NAME).read_bytes(),
        realm.text().encode(),
        " ".join((*BUILD_OPTIONS, *MAKE_ADMINISTRATOR)).encode(),
    )
    built = cache / f"keycloak-{hashlib.sha256(b'|'.join(made_of)).hexdigest()[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "keycloak.lock"):
        if not built.exists():
            _build(cache / "keycloak-incoming", built, say)
    return built


def _build(scratch: Path, built: Path, say: Say) -> None:
    shutil.rmtree(scratch, ignore_errors=True)  # of a build that was killed
    archives = scratch / "archives"
    archives.mkdir(parents=True)
    jars.copy(NAME, archives, say)
    say("keycloak: building it (the first time only, a minute or more)")
    [archive] = archives.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(scratch, filter="data")
    shutil.rmtree(archives)
    [home] = scratch.iterdir()
    file = home / "realm.json"
    file.write_text(realm.text(), encoding="utf-8")
    for arguments in (
        ["build", *BUILD_OPTIONS],
        ["import", "--optimized", f"--file={file}", "--cache=local"],
        # An import makes the realm `master`, and a start makes an administrator only without one.
        MAKE_ADMINISTRATOR,
    ):
        run(
            f"keycloak {arguments[0]}",
            _command(home, arguments, say),
            advice=ADVICE,
            timeout=BUILD_TIMEOUT,
            env={**os.environ, "KC_ADMINISTRATOR": ADMINISTRATOR},
        )
    home.rename(built)
    say(f"keycloak: built in {built}")


def _command(home: Path, arguments: Sequence[str], say: Say) -> list[str]:
    """What kc.sh does, without a shell between that signals would not pass."""
    places = [f"-Dkc.home.dir={home}", f"-Djboss.server.config.dir={home / 'conf'}"]
    java = [str(find_java(say)), *JAVA_OPTIONS.split(), *places]
    return [*java, "-cp", str(home / "lib" / "quarkus-run.jar"), MAIN, *arguments]
