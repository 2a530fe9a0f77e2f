"""The whole system on this machine: broker, database, mail server, sign-in, the five services.

Everything here is idempotent: `up` starts what is missing and leaves alone what runs well, so that
whatever was killed, interrupted or half started is put right by running it again.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_kit.clock import parse_clock

from . import reference
from .clock import at_real_speed
from .cluster import Cluster
from .databases import identities
from .errors import LocalError
from .keys import PASSWORDS, make_keys
from .light_provider import LightProvider, issuer_at
from .ports import holder_of, is_answering, is_free
from .services import BROBYG, DEFAULT_PORTS, KEEPERS, SERVICES, own_settings, readiness
from .state import (
    COMPONENTS,
    ROOT,
    Component,
    StateFolder,
    default_folder,
    given_settings,
    read_json,
    say_to_stderr,
    write_atomically,
)
from .supervisor import Program, wait_until, without_settings
from .tools import Say, run

#: Default ports, by component.
PORTS: Mapping[str, int] = {
    "kafka": 9092,
    "postgres": 5432,
    "mail": 2525,
    "light-provider": 8080,
    **DEFAULT_PORTS,
}
#: Where staff sign in, by its issuer; an empty one for nowhere.
PROVIDER_SETTING = "BROBYG_PORTAL_PROVIDER_ISSUER"
#: Seconds for all services together, and for one migration or the topics.
READY_TIMEOUT, COMMAND_TIMEOUT = 90.0, 120.0
#: What the databases, their rights and the topics are made from.
MADE_FROM = (
    "services/*/migrations/**/*",
    "libs/kit/src/*/migrations/**/*",
    "libs/kit/src/brobyg_kit/logins.py",
    "services/*/src/*/adapters/grants.py",
    "services/*/src/*/adapters/analysts.py",
    "schemas/topics/*.yaml",
)


#: The settings with which services, and one analyst, sign in on the database server.
LOGINS = {
    **{f"BROBYG_{name.upper()}_DATABASE": f"brobyg_{name}" for name in KEEPERS},
    "BROBYG_REPORTING_ANALYST": "analyst",
}


def _logins(server: str, passwords: Mapping[str, str]) -> dict[str, str]:
    """The settings of `LOGINS` on this server; none before it was first started."""
    from brobyg_kit.logins import Login, signed_in  # half a second, which few commands need

    return {
        setting: signed_in(server, Login(login, passwords[f"{setting}_PASSWORD"]))
        for setting, login in LOGINS.items()
        if server
    }


def _brobyg(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run one command with the system's settings. Raises `CommandFailed`. Blocks."""
    run(
        what := f"brobyg {' '.join(arguments)}",
        [BROBYG, *arguments],
        advice=f"once the cause is gone: {what}, or brobyg local up again",
        timeout=COMMAND_TIMEOUT,
        env={**without_settings(), **environment},
        cwd=ROOT,
    )


@dataclass
class System:
    """One state folder's system. The methods that change anything hold the folder's lock."""

    folder: StateFolder = field(default_factory=default_folder)
    say: Say = say_to_stderr
    #: Settings from outside; where they name a broker, database or mail server, that one is used.
    given: Mapping[str, str] = field(default_factory=given_settings)
    #: Ports wanted at the first start, by component; any free one for what is not in it.
    ports: Mapping[str, int] = field(default_factory=lambda: PORTS)
    #: The process (pid) with which everything ends; None to run until it is told to end.
    owner: int | None = None
    #: Whether the database syncs to disk.
    durable: bool = True

    def __post_init__(self) -> None:
        """Know the cluster; nothing is started."""
        self.cluster = Cluster(
            self.folder.path,
            owner=self.owner,
            durable=self.durable,
            wanted=self.ports,
            say=self.say,
        )
        self.supervisor = self.cluster.supervisor
        self.provider = LightProvider(self.folder, self.cluster.ports, self.say)

    def environment(self) -> dict[str, str]:
        """All `BROBYG_*` of the system as it was last started; empty before that."""
        return {name: str(value) for name, value in read_json(self.folder.environment).items()}

    def up(self, settings: Mapping[str, str] | None = None) -> dict[str, str]:
        """Start everything and wait until all is ready; returns the environment.

        `settings` override; a service whose settings have changed since it started is restarted.
        The clock stays the one the data were made with, at real speed, unless `settings` or the
        caller's environment name another.
        Raises `LocalError`. Blocks for up to minutes.
        """
        told = {**self.given, **(settings or {})}
        with self.folder.locked():
            self.supervisor.end_orphans()
            told["BROBYG_CLOCK"] = self._clock(told)
            self._refuse_taken_ports(told)
            self.start_stores()
            environment = self._write_environment(told)
            waiting = self.supervisor.load(self._programs(environment))
            if set(waiting) & set(SERVICES):
                self._prepare(environment)
            else:
                self._migrate_restored(environment)
            self._start(waiting, environment, COMPONENTS[2:])
        return environment

    def down(self) -> list[str]:
        """End everything cleanly, data kept; returns what had to be killed. Blocks."""
        with self.folder.locked():
            killed = self.supervisor.stop([*SERVICES, "mail", "light-provider"])
            killed += self.supervisor.stop(["kafka", "postgres"])
            self.supervisor.shut_down()
            self._slow_the_clock()
        return killed

    def reset(self) -> None:
        """End everything and remove its data, keys and logs; the jars stay. Blocks."""
        self.down()
        self.cluster.reset()
        with self.folder.locked():
            kept = (self.folder.mail, self.folder.logs, self.folder.traces)
            for path in (*kept, *self.folder.local.iterdir()):
                if path.is_dir():
                    shutil.rmtree(path)
                elif path.name != "lock":
                    path.unlink(missing_ok=True)

    def start(self, component: Component) -> None:
        """Start one component with the settings of the last `up`, and wait for it. Blocks.

        Raises `LocalError`.
        """
        if not (environment := self.environment()):
            raise LocalError("the system has not been started yet", advice="brobyg local up")
        with self.folder.locked():
            self.supervisor.refuse_orphans()
            if component in {"kafka", "postgres"}:
                self.cluster.start(kafka=component == "kafka", postgres=component == "postgres")
            else:
                if component in KEEPERS:
                    self._migrate_restored(environment)
                wanted = [one for one in self._programs(environment) if one.name == component]
                self._start(self.supervisor.load(wanted), environment, [component])

    def stop(self, component: Component) -> None:
        """Stop one component cleanly, data kept. Raises `LocalError`. Blocks."""
        with self.folder.locked():
            self.supervisor.refuse_orphans()
            self.supervisor.stop([component])

    def start_stores(self) -> None:
        """Start only broker and database, unless others were named. Raises `LocalError`. Blocks."""
        self.cluster.start(
            kafka=not self.given.get("BROBYG_KAFKA"), postgres=not self.given.get("BROBYG_DATABASE")
        )

    def own_mail_port(self, environment: Mapping[str, str]) -> int | None:
        """The port of our own mail server; None where the settings name another one."""
        port = self.cluster.ports.of("mail")
        own = environment.get("BROBYG_NOTIFICATION_SMTP") == f"smtp://127.0.0.1:{port}"
        return port if own else None

    def has_own_provider(self, environment: Mapping[str, str]) -> bool:
        """Whether staff sign in at our own provider: settings may name another, or none."""
        issuer = environment.get(PROVIDER_SETTING)
        return bool(issuer) and issuer == self.provider.issuer

    def _programs(self, environment: Mapping[str, str]) -> list[Program]:
        """The mail server and the provider, unless others are used, and the services."""
        programs = [
            Program(name, [BROBYG, name, "run"], own_settings(name, environment))
            for name in SERVICES
        ]
        if (port := self.own_mail_port(environment)) is not None:
            command = [sys.executable, "-m", "brobyg_local.mail", str(port), str(self.folder.mail)]
            programs.insert(0, Program("mail", command))
        if self.has_own_provider(environment):
            programs.insert(0, self.provider.prepare())
        return programs

    def _clock(self, told: Mapping[str, str]) -> str:
        """`BROBYG_CLOCK` as told, else the one the data were made with. Raises `LocalError`."""
        kept = "BROBYG_CLOCK" not in told
        advice = "brobyg local up --clock '' takes the wall clock"
        try:
            clock = told.get("BROBYG_CLOCK") or ""
            if kept:
                clock = at_real_speed(self.environment().get("BROBYG_CLOCK", ""))
            now = parse_clock(clock).now().astimezone(LOCAL_ZONE)
        except ValueError as error:
            raise LocalError(str(error), advice=advice) from error
        if clock and kept:
            self.say(f"the data's clock goes on: {now:%A %-d %B %Y, %H:%M}; {advice}")
        return clock

    def _slow_the_clock(self) -> None:
        """A demo that was interrupted leaves a fast clock, which must not run on for years."""
        environment = self.environment()
        if clock := environment.get("BROBYG_CLOCK"):
            self._write({**environment, "BROBYG_CLOCK": at_real_speed(clock)})

    def _write_environment(self, told: Mapping[str, str]) -> dict[str, str]:
        """Write `environment.json`: keys and addresses, then what was told."""
        addresses = self.cluster.addresses
        keys = make_keys(self.folder)
        passwords = {name: keys.pop(name) for name in PASSWORDS}
        server = told.get("BROBYG_DATABASE") or addresses.database
        environment = {
            "BROBYG_HOST": "127.0.0.1",
            "BROBYG_LOG_FORMAT": "json",
            "BROBYG_NOTIFICATION_SENDER": "Brobyg <brobyg@example.org>",
            **reference.settings(),
            **keys,
            **_logins(server, passwords),
            "BROBYG_KAFKA": addresses.kafka,
            "BROBYG_DATABASE": addresses.database,
            "BROBYG_NOTIFICATION_SMTP": f"smtp://127.0.0.1:{self._port('mail')}",
            PROVIDER_SETTING: issuer_at(self._port("light-provider")),
        }
        if not self.given.get("BROBYG_KAFKA"):  # on our own broker nobody else has this name
            environment["BROBYG_INSTANCE"] = "local"
        for name in SERVICES:
            variable = f"BROBYG_{name.upper()}_PORT"
            port = environment[variable] = told.get(variable) or str(self._port(name))
            # A browser makes passkeys for a name, and for no number.
            host = "localhost" if name == "portal" else "127.0.0.1"
            environment[f"BROBYG_{name.upper()}_URL"] = f"http://{host}:{port}"
        environment.update(told)
        self._write(environment)
        return environment

    def _write(self, environment: Mapping[str, str]) -> None:
        text = json.dumps(environment, indent=2, sort_keys=True)
        write_atomically(self.folder.environment, text, mode=0o600)

    def _port(self, name: str) -> int:
        """The port it has while it runs, else a free one, its last if possible."""
        port = self.cluster.ports.of(name)
        return port if port and self._runs(name) else self.cluster.ports.choose(name)

    def _runs(self, name: str) -> bool:
        return self.supervisor.states()[name].running

    def _refuse_taken_ports(self, told: Mapping[str, str]) -> None:
        """Raise `LocalError` for a port that was named for a service and that another holds."""
        before = self.environment()
        for name in SERVICES:
            variable = f"BROBYG_{name.upper()}_PORT"
            port = told.get(variable)
            if port is None or (port == before.get(variable) and self._runs(name)):
                continue
            if not port.isdecimal() or not 0 < int(port) < 65536:
                advice = "name one from 1024 to 65535"
                raise LocalError(f"{variable} is {port!r}, which is not a port", advice=advice)
            if not is_free(int(port)):
                holder = holder_of(int(port))
                raise LocalError(
                    f"port {port}, which {variable} names for {name}, is held by"
                    f" {holder or 'another process'}",
                    advice=(f"end it (kill {holder.split()[1]}), " if holder else "")
                    + f"name another port in {variable}, or unset it: then a free one is chosen",
                )

    def _prepare(self, environment: Mapping[str, str]) -> None:
        """Make databases, topics, migrations and the first reference data.

        In our own stores only where what they are made from has changed.
        """
        fingerprint = self._fingerprint(environment)
        # Another's broker or database may have been emptied since: the stamp can't know.
        if self._own_stores and read_json(self._stamp).get("of") == fingerprint:
            self._migrate_restored(environment)
            return
        self.say("databases, topics, migrations and reference data")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            commands = [["topics", "apply"], ["migrate"]]
            list(pool.map(lambda one: _brobyg(one, environment), commands))
        _brobyg(["analyst", "add"], environment)
        _brobyg(["reference", "apply", "--if-empty"], environment)
        self._write_stamp(fingerprint, environment)

    def _migrate_restored(self, environment: Mapping[str, str]) -> None:
        """Migrate the databases that are not those that were prepared, or that are open to all.

        A database that was restored may be an older one, and everybody can enter it.
        """
        stamp = read_json(self._stamp)
        if not self._own_stores or not stamp:
            return
        found, kept = identities(environment["BROBYG_DATABASE"]), stamp.get("databases")
        known = kept if isinstance(kept, dict) else {}
        changed = [name for name in KEEPERS if found and found.get(name) != known.get(name)]
        if not changed:
            return
        self.say(f"migrating {', '.join(changed)}: restored, made anew or changed since")
        for name in changed:
            _brobyg([name, "migrate"], environment)
        if "reporting" in changed:
            _brobyg(["analyst", "add"], environment)
        self._write_stamp(str(stamp["of"]), environment)

    @property
    def _own_stores(self) -> bool:
        return not (self.given.get("BROBYG_KAFKA") or self.given.get("BROBYG_DATABASE"))

    @property
    def _stamp(self) -> Path:
        return self.folder.local / "prepared.json"

    def _write_stamp(self, fingerprint: str, environment: Mapping[str, str]) -> None:
        own = self._own_stores
        made = {"databases": identities(environment["BROBYG_DATABASE"])} if own else {}
        write_atomically(self._stamp, json.dumps({"of": fingerprint, **made}))

    def _fingerprint(self, environment: Mapping[str, str]) -> str:
        """Changes when a migration or topic file does, and when broker or database is another."""
        digest = hashlib.sha256(self.cluster.kafka.identity.encode())
        for name in ("BROBYG_KAFKA", "BROBYG_DATABASE", *LOGINS):
            digest.update(environment.get(name, "").encode())
        for path in sorted(path for pattern in MADE_FROM for path in ROOT.glob(pattern)):
            if path.suffix in {".py", ".sql", ".yaml"}:
                digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()

    def _start(
        self, down: Sequence[str], environment: Mapping[str, str], wanted: Sequence[str]
    ) -> None:
        """Start what is `down`, then wait for all that is `wanted`; raises the first failure."""
        urls = {name: environment[f"BROBYG_{name.upper()}_URL"] for name in SERVICES}
        for name in down:
            self.say(f"{name}: starting{f' on {urls[name]}' if name in urls else ''}")
        self.supervisor.start(down)
        mail = self.own_mail_port(environment)
        others = {"mail": mail is None, "light-provider": not self.has_own_provider(environment)}
        pending = [name for name in wanted if not others.get(name)]

        def ready(name: str) -> bool:
            """Whether it answers and, a service, has its copies of what others own."""
            if name == "mail":
                return is_answering(mail or 0)
            if name == "light-provider":
                return self.provider.is_ready()
            answer = readiness(name, urls[name])
            return answer.ready and answer.has_copies

        def settled() -> bool:
            """Whether nothing is waited for any more; raises the failure of what has ended."""
            states = self.supervisor.states()
            for name in list(pending):
                if states[name].failed:
                    raise self.supervisor.failure(name)
                if states[name].running and ready(name):
                    pending.remove(name)
                    self.say(f"{name}: ready")
            return not pending

        if not wait_until(settled, READY_TIMEOUT, every=0.2):
            name = pending[0]
            why = readiness(name, urls[name]).why if name in urls else ""
            raise self.supervisor.failure(name, READY_TIMEOUT, why)
