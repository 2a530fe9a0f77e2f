"""PostgreSQL from the machine's binaries, with a data folder, port, user and password of its own.

It refuses to run as root. Started by root it runs as `postgres` (or a user made for it), and where that user cannot reach the state
folder (a clone under /root, say) the data lies in `/var/tmp/brobyg-<hash of the folder>` instead; that is said when it happens.
It listens on 127.0.0.1 only, has no Unix socket (whose path has a length limit a deep clone would break), and asks for a password.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import asyncpg
import psutil

from .errors import ComponentFailed, ToolMissing
from .places import Places, read_json, write_atomically
from .ports import Taken, choose_port, is_answering
from .processes import Component, Identity, tail, wait_until
from .tools import Say, find_postgres

__all__ = ["Postgres"]

START_TIMEOUT = 60.0  # seconds; recovery after a kill is most of it
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
# A failing row's values are personal data: terse leaves the DETAIL line out, and parameters are never logged.
log_error_verbosity = terse
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_min_error_statement = panic
log_checkpoints = off
"""


class Postgres:
    """The database server of one state folder. Not thread-safe; across processes `Cluster` holds the folder's lock."""

    def __init__(self, places: Places, *, port: int | None = None, say: Say) -> None:
        """`port` is a wish for the first start; afterwards the port stays what it was."""
        self.places = places
        self.taken: list[Taken] = []
        self._say = say
        self._wish = port
        self._component = Component(places, "postgres")
        self._state_file = places.local / "postgres.json"

    @property
    def url(self) -> str:
        """`postgresql://user:password@127.0.0.1:port`, without a database; empty before the first start."""
        kept = read_json(self._state_file)
        return (
            f"postgresql://{OWNER}:{kept['password']}@127.0.0.1:{kept['port']}"
            if "password" in kept
            else ""
        )

    @property
    def data(self) -> Path | None:
        """The data folder; None before the first start."""
        kept = read_json(self._state_file).get("data")
        return Path(str(kept)) if kept else None

    def is_running(self) -> bool:
        """Whether its first process is there."""
        return self._find() is not None

    def is_ready(self) -> bool:
        """Whether it takes a connection and answers. Blocks for at most 3 s."""
        port = read_json(self._state_file).get("port")
        if not isinstance(port, int) or not is_answering(port):
            return False
        return _answers(self.url)

    def start(self) -> None:
        """Bring it up with its data kept and wait until it answers. Raises `ComponentFailed` or `ToolMissing`. Blocks for seconds."""
        if self._find() is None:
            self._launch()
        if (
            not wait_until(lambda: self.is_ready() or self._find() is None, START_TIMEOUT)
            or self._find() is None
        ):
            self._explain_failure()

    def stop(self) -> None:
        """End it fast but cleanly: transactions roll back, sessions are closed, data is kept. Blocks."""
        self._find()
        self._component.stop(first=signal.SIGINT)

    def kill(self) -> None:
        """End with kill -9 the first process; its children notice and end. Blocks until all are gone."""
        self._find()
        self._component.kill()
        self._await_children()

    def pids(self) -> list[int]:
        """Pid of the first process, if it runs."""
        process = self._find()
        return [process.pid] if process else []

    def reset(self) -> None:
        """Stop and remove all data."""
        self.stop()
        if (data := self.data) is not None:
            shutil.rmtree(data, ignore_errors=True)
            if data.parent.name.startswith("brobyg-"):
                shutil.rmtree(data.parent, ignore_errors=True)
        shutil.rmtree(self.places.postgres, ignore_errors=True)
        self._state_file.unlink(missing_ok=True)

    def _find(self) -> psutil.Process | None:
        """The first process: by pid file, else by PostgreSQL's own (it overwrites the environment that would carry our mark)."""
        if (process := self._component.find()) is not None:
            return process
        data = self.data
        if data is None:
            return None
        try:
            process = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
            if process.cwd() != str(data) or process.status() == psutil.STATUS_ZOMBIE:
                return None
        except (OSError, ValueError, IndexError, psutil.Error):
            return None
        self._component.remember(process)
        return process

    def _launch(self) -> None:
        programs = find_postgres(self._say)
        identity = _identity(self._say)
        self.places.make()
        self._settle_state(identity)
        data = self.data
        assert data is not None  # _settle_state has written it
        if not (data / "PG_VERSION").exists():
            self._initialise(programs, data, identity)
        self._check_version(programs, data)
        self._await_children()
        self._settle_port()
        port = read_json(self._state_file)["port"]
        self._say(f"PostgreSQL: starting on 127.0.0.1:{port}")
        self._component.spawn(
            [str(programs / "postgres"), "-D", str(data), "-p", str(port)],
            folder=data,
            identity=identity,
        )

    def _settle_state(self, identity: Identity | None) -> None:
        kept = read_json(self._state_file)
        if "data" in kept:
            return
        data = self._reachable_folder(identity)
        content = {"data": str(data), "password": secrets.token_urlsafe(18)}
        write_atomically(self._state_file, json.dumps(content), mode=0o600)

    def _reachable_folder(self, identity: Identity | None) -> Path:
        """The state folder's `postgres/data`, or one under /var/tmp where its user can't get there."""
        home = self.places.postgres
        home.mkdir(parents=True, exist_ok=True)
        if identity is not None and not _can_enter(home, identity):
            name = hashlib.sha256(str(self.places.folder.resolve()).encode()).hexdigest()[:12]
            other = Path(f"/var/tmp/brobyg-{name}")  # noqa: S108 - owned and 0700 below, and never followed as a link
            self._say(f"PostgreSQL: its user can't enter {home}; the data is in {other}")
            home = other
            home.mkdir(mode=0o700, exist_ok=True)
            if home.is_symlink() or home.stat().st_uid not in (0, identity.user):
                raise ComponentFailed(
                    "postgres", f"{home} belongs to somebody else", advice=f"remove {home}"
                )
        if identity is not None:
            os.chown(home, identity.user, identity.group)
        return home.resolve() / "data"

    def _settle_port(self) -> None:
        kept = read_json(self._state_file)
        wish = kept.get("port")
        port, taken = choose_port(wish if isinstance(wish, int) else self._wish)
        self.taken = [taken] if taken else []
        if taken is not None:
            self._say(f"PostgreSQL: {taken}")
        write_atomically(self._state_file, json.dumps({**kept, "port": port}), mode=0o600)

    def _initialise(self, programs: Path, data: Path, identity: Identity | None) -> None:
        """Make the data folder, whole or not at all: in a folder beside it that is renamed at the end."""
        self._say("PostgreSQL: making its data folder")
        scratch = Path(tempfile.mkdtemp(prefix="incoming-", dir=data.parent))
        password_file = scratch / "password"
        password_file.write_text(str(read_json(self._state_file)["password"]))
        target = scratch / "data"
        if identity is not None:
            os.chown(scratch, identity.user, identity.group)
            os.chown(password_file, identity.user, identity.group)
        options = [
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--data-checksums",
            "--auth=scram-sha-256",
            f"--username={OWNER}",
            f"--pwfile={password_file}",
        ]
        answer = subprocess.run(
            [str(programs / "initdb"), "-D", str(target), *options],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=scratch,
            user=identity.user if identity else None,
            group=identity.group if identity else None,
            extra_groups=[] if identity else None,
        )
        if answer.returncode != 0:
            shutil.rmtree(scratch, ignore_errors=True)
            lines = (answer.stdout + answer.stderr).splitlines()[-12:]
            raise ComponentFailed(
                "postgres",
                "initdb failed",
                log=lines,
                log_path="initdb",
                advice=f"is there room and leave to write in {data.parent}?",
            )
        with (target / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(SETTINGS)
        shutil.rmtree(data, ignore_errors=True)
        target.rename(data)
        shutil.rmtree(scratch, ignore_errors=True)

    def _check_version(self, programs: Path, data: Path) -> None:
        made_by = (data / "PG_VERSION").read_text().strip()
        answer = subprocess.run(
            [str(programs / "postgres"), "--version"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        here = answer.stdout.split()[2].split(".")[0]
        if made_by != here:
            raise ToolMissing(
                f"PostgreSQL {here} is here, but {data} was made by PostgreSQL {made_by}",
                advice=f"set BROBYG_POSTGRES_BIN to version {made_by}'s programs, or start from nothing with: brobyg local reset",
            )

    def _await_children(self) -> None:
        """Wait for processes that a killed first process left behind: they hold the shared memory a new start needs."""
        data = self.data
        if data is None:
            return
        wait_until(lambda: not _working_in(data), 10.0)
        for process in _working_in(data):
            process.kill()

    def _explain_failure(self) -> None:
        lines = tail(self._component.log)
        text = "\n".join(lines)
        if "Address already in use" in text:
            cause, advice = (
                "its port was taken while it started",
                "run the same command again: it chooses another port",
            )
        elif "No space left" in text:
            cause, advice = "the disk is full", f"make room on the disk of {self.data}"
        elif "Cannot allocate memory" in text or "could not map anonymous shared memory" in text:
            cause, advice = (
                "there was too little memory",
                "end something else, then run the same command again",
            )
        elif self._find() is None:
            cause, advice = (
                "its process ended",
                f"read {self._component.log}; brobyg local reset starts from nothing (and removes what was there)",
            )
        else:
            cause, advice = (
                f"it did not answer within {START_TIMEOUT:.0f} s",
                f"read {self._component.log}, then run the same command again",
            )
        raise ComponentFailed(
            "postgres", cause, log=lines, log_path=str(self._component.log), advice=advice
        )


def _answers(url: str) -> bool:
    async def ask() -> bool:
        connection = await asyncpg.connect(f"{url}/postgres", timeout=2)
        try:
            return bool(await connection.fetchval("select true", timeout=2))
        finally:
            connection.terminate()

    try:
        return asyncio.run(ask())
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
        return False


def _working_in(data: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if (
                process.name().startswith("postgres")
                and process.cwd() == str(data)
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
        except (psutil.Error, OSError):
            continue  # ended, or another user's: not one of ours
    return found


def _identity(say: Say) -> Identity | None:
    """The user to run as; None where we are not root and run it ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("brobyg-postgres", "postgres"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Identity(entry.pw_uid, entry.pw_gid)
    say("PostgreSQL: making the user brobyg-postgres for it, since it does not run as root")
    command = [
        "useradd",
        "--system",
        "--no-create-home",
        "--shell",
        "/usr/sbin/nologin",
        "brobyg-postgres",
    ]
    if (
        shutil.which("useradd") is None
        or subprocess.run(command, check=False, timeout=30, capture_output=True).returncode != 0
    ):
        entry = pwd.getpwnam("nobody")
    else:
        entry = pwd.getpwnam("brobyg-postgres")
    return Identity(entry.pw_uid, entry.pw_gid)


def _can_enter(folder: Path, identity: Identity) -> bool:
    """Whether that user can reach `folder`: asked of the system itself, so that groups and access lists count."""
    answer = subprocess.run(
        ["test", "-x", str(folder)],
        user=identity.user,
        group=identity.group,
        extra_groups=[],
        cwd="/",
        check=False,
        timeout=10,
    )
    return answer.returncode == 0
