"""PostgreSQL from the machine's binaries, with a data folder, port, user and password of its own.

It refuses to run as root. Where we are root it runs as `postgres` (or `nobody`). Where that user
may not enter the state folder (a checkout under /root), its data are in
`/var/tmp/brobyg-<hash of the folder>`.
It listens on 127.0.0.1 only, has no Unix socket (whose path has a length limit that a deep checkout
would break), and asks for a password.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import pwd
import secrets
import shutil
import subprocess
from pathlib import Path

from .ports import Ports, is_answering
from .state import StateFolder, read_json, write_atomically
from .supervisor import Program
from .tools import Say, find_postgres, run

#: The database's superuser.
OWNER = "brobyg"

SETTINGS = """
# Written by brobyg_local; the same is in docker-compose.yml.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = '96MB'
fsync = on
synchronous_commit = on
max_wal_size = '512MB'
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
password_encryption = 'scram-sha-256'
autovacuum_naptime = '30s'
# A failing row's values are personal data: terse omits the DETAIL line; no parameter is logged.
log_error_verbosity = terse
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_min_error_statement = panic
log_checkpoints = off
"""
#: For what may be lost when the machine (not a process) goes down, such as a test's data.
NOT_DURABLE = ("-c", "fsync=off", "-c", "full_page_writes=off")


class Postgres:
    """The database server of one state folder: what to run, and whether it is ready."""

    name = "postgres"
    #: Seconds to wait for it; recovery after a kill is most of it.
    start_timeout = 60.0

    def __init__(self, folder: StateFolder, ports: Ports, say: Say, *, durable: bool) -> None:
        """Without `durable` nothing is synced to disk; a killed process still loses nothing."""
        self._folder = folder
        self._ports = ports
        self._say = say
        self._options = () if durable else NOT_DURABLE
        self._user = _user()
        self._password_file = folder.local / "postgres.json"

    @property
    def url(self) -> str:
        """`postgresql://user:password@127.0.0.1:port`, without a database's name.

        Empty before the first start.
        """
        port, password = self._ports.of("postgres"), read_json(self._password_file).get("password")
        return f"postgresql://{OWNER}:{password}@127.0.0.1:{port}" if port and password else ""

    @property
    def data(self) -> Path:
        """Its data folder; chosen when it is made."""
        kept = read_json(self._password_file).get("data")
        return Path(str(kept)) if kept else self._home() / "data"

    def _home(self) -> Path:
        home = self._folder.postgres
        if not self._user:
            return home
        home.mkdir(parents=True, exist_ok=True)
        enters = ["test", "-x", str(home)]
        if subprocess.run(enters, user=self._user, extra_groups=[], check=False).returncode == 0:
            return home
        digest = hashlib.sha256(str(self._folder.path.resolve()).encode()).hexdigest()[:12]
        return Path(f"/var/tmp/brobyg-{digest}")  # noqa: S108 - ours and 0700, see _initialise

    def is_ready(self) -> bool:
        """Whether it takes a connection and answers. Blocks for at most 3 s."""
        port = self._ports.of("postgres")
        return bool(port and is_answering(port) and asyncio.run(_answers(self.url)))

    def prepare(self) -> Program:
        """Its program, with a port and a data folder. Blocks for seconds the first time."""
        programs = find_postgres(self._say)
        if not (self.data / "PG_VERSION").is_file() or not read_json(self._password_file):
            self._initialise(programs)
        port = self._ports.choose("postgres")
        self._say(f"postgres: starting on 127.0.0.1:{port}")
        command = [programs / "postgres", "-D", self.data, "-p", port, *self._options]
        return Program(
            "postgres",
            [str(one) for one in command],
            directory=self.data,
            user=self._user,
            stop_signal="INT",  # ends sessions; without it a stop waits for all clients
            priority=100,
        )

    def remove(self) -> None:
        """Remove all data; it must not run."""
        shutil.rmtree(self.data.parent, ignore_errors=True)
        self._password_file.unlink(missing_ok=True)

    def _initialise(self, programs: Path) -> None:
        """Make the data folder. The password file is written last: it says that all is there."""
        self._say("postgres: making its data folder")
        data, password = self._home() / "data", secrets.token_urlsafe(18)
        home = data.parent
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(mode=0o700, parents=True)
        secret = home / "password"
        secret.write_text(password)
        if self._user:
            shutil.chown(home, self._user)
            shutil.chown(secret, self._user)
        options = (
            f"--username={OWNER} --auth=scram-sha-256"
            " --encoding=UTF8 --locale=C.UTF-8 --data-checksums"
        )
        command = [programs / "initdb", "-D", data, f"--pwfile={secret}", *options.split()]
        run(
            "initdb",
            [str(one) for one in command],
            advice=f"is there room and leave to write in {home}?",
            timeout=120,
            cwd=home,
            user=self._user or None,
            extra_groups=[] if self._user else None,
        )
        secret.unlink()
        with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(SETTINGS)
        write_atomically(
            self._password_file, json.dumps({"password": password, "data": str(data)}), mode=0o600
        )


def _user() -> str:
    """Whom it runs as; '' where we are not root and run it ourselves."""
    if os.geteuid() != 0:
        return ""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("postgres").pw_name
    return "nobody"


async def _answers(url: str) -> bool:
    import asyncpg

    try:
        connection = await asyncpg.connect(f"{url}/postgres", timeout=2)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
        return False
    connection.terminate()
    return True
