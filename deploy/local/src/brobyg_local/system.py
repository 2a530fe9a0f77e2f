"""The whole system on this machine: broker, database, mail server and the five services, brought up, ended, or one at a time.

Everything here is idempotent: `up` starts what is missing and leaves what runs well alone, so that whatever was killed, interrupted
or half-started heals by running it again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import psutil
from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_kit.clock import parse_clock

from .cluster import Cluster, locked
from .errors import ComponentFailed, LocalError
from .keys import make_keys
from .pace import at_natural_pace
from .places import (
    NOT_SETTINGS,
    ROOT,
    Places,
    default_places,
    given_settings,
    read_json,
    say_to_stderr,
    write_atomically,
)
from .ports import Taken, choose_port, is_answering
from .processes import Component, tail, wait_until
from .services import (
    DEFAULT_PORTS,
    SERVICES,
    ServiceProcess,
    brobyg_command,
    clean_environment,
    own_settings,
    readiness,
    refuse_taken_ports,
)
from .tools import Say

__all__ = ["COMPONENTS", "System"]

COMPONENTS = ("kafka", "postgres", "mail", *SERVICES)
WISHES: Mapping[str, int] = {"kafka": 9092, "postgres": 5432, "mail": 2525, **DEFAULT_PORTS}
READY_TIMEOUT = 90.0  # seconds for all services together
STOP_PATIENCE = 45.0  # seconds for one process, more than a service takes to let what is in hand come to its end; then it is killed
COMMAND_TIMEOUT = 120.0  # seconds for a migration or the topics
COORDINATORS = "randers=koordinator.randers@example.org,norddjurs=koordinator.norddjurs@example.org"


@dataclass
class System:
    """One state folder's system. The methods that change anything hold the folder's lock."""

    places: Places = field(default_factory=default_places)
    say: Say = say_to_stderr
    given: Mapping[str, str] = field(default_factory=given_settings)
    ports: Mapping[str, int] = field(default_factory=lambda: WISHES)
    """Ports wished for at the first start, by component; any free one for what is not in it."""

    def __post_init__(self) -> None:
        """Know the cluster; nothing is started."""
        self.cluster = Cluster(
            self.places.folder,
            kafka_port=self.ports.get("kafka"),
            database_port=self.ports.get("postgres"),
            say=self.say,
        )
        self.taken: list[Taken] = []

    def environment(self) -> dict[str, str]:
        """All `BROBYG_*` of the system as it was last started; empty before that."""
        return {name: str(value) for name, value in read_json(self.places.environment).items()}

    def up(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        smtp: str | None = None,
        on_ready: Callable[[str], None] | None = None,
    ) -> dict[str, str]:
        """Bring everything up and wait until all is ready; returns the environment. Raises `LocalError`. Blocks for up to minutes.

        `settings` override; a service whose settings have changed since it started is restarted. `smtp` is a mail server to use
        instead of our own. `on_ready` hears each component's name once it answers. The clock stays the one the data were made
        with, at the wall's pace, unless `settings` or the caller's environment name another.
        """
        with locked(self.places):
            told = {**self.given, **(settings or {})}
            clock = self._clock(told)
            refuse_taken_ports(self.places, told, self.environment())
            self._start_stores()
            environment = self._settle_environment(
                {**(settings or {}), "BROBYG_CLOCK": clock}, smtp
            )
            self._start_mail(environment)
            tell = on_ready or (lambda _name: None)
            tell("mail")
            waiting = [name for name in SERVICES if not self._runs_with(name, environment)]
            self._stop_services(waiting)
            if waiting:
                self._prepare(environment)
            self._start_services(waiting, environment, tell)
        return environment

    def down(self) -> list[str]:
        """End everything cleanly, services first, data kept; returns what had to be killed. Blocks."""
        with locked(self.places):
            killed = self._stop_services(SERVICES)
            killed += (
                [] if Component(self.places, "mail").stop(patience=STOP_PATIENCE) else ["mail"]
            )
            self.cluster.kafka.stop()
            self.cluster.postgres.stop()
            self._slow_the_clock()
        return killed

    def reset(self) -> None:
        """End everything and remove its data, keys and logs; the downloaded jars stay. Blocks."""
        self.down()
        with locked(self.places):
            self.cluster.kafka.reset()
            self.cluster.postgres.reset()
            for folder in (self.places.mail, self.places.logs):
                shutil.rmtree(folder, ignore_errors=True)
            for path in self.places.local.iterdir():
                if path != self.places.lock:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    def start(self, component: str) -> None:
        """Start one component with the settings of the last `up`, and wait for it. Raises `LocalError`. Blocks."""
        with locked(self.places):
            self._start_one(component)

    def stop(self, component: str) -> None:
        """Stop one component cleanly, data kept. Blocks."""
        with locked(self.places):
            self._stop_one(component)

    def restart(self, component: str) -> None:
        """Stop and start one component. Raises `LocalError`. Blocks."""
        with locked(self.places):
            self._stop_one(component)
            self._start_one(component)

    def kill(self, component: str) -> None:
        """End with kill -9 one component, for fault injection. Blocks until it is gone."""
        if component == "kafka":
            self.cluster.kafka.kill()
        elif component == "postgres":
            self.cluster.postgres.kill()
        else:
            Component(self.places, _known(component)).kill()

    def _start_one(self, component: str) -> None:
        environment = self.environment()
        if not environment:
            raise LocalError("the system has not been started yet", advice="brobyg local up")
        if component == "kafka":
            self.cluster.kafka.start()
        elif component == "postgres":
            self.cluster.postgres.start()
        elif component == "mail":
            self._start_mail(environment)
        else:
            self._start_services([_known(component)], environment, lambda _name: None)

    def _stop_one(self, component: str) -> None:
        if component == "kafka":
            self.cluster.kafka.stop()
        elif component == "postgres":
            self.cluster.postgres.stop()
        else:
            Component(self.places, _known(component)).stop(patience=STOP_PATIENCE)

    def start_stores(self) -> None:
        """Start only broker and database, unless the environment names others. Raises `LocalError`. Blocks for seconds."""
        with locked(self.places):
            self._start_stores()

    def _start_stores(self) -> None:
        wanted: list[Callable[[], None]] = []
        if not self.given.get("BROBYG_KAFKA"):
            wanted.append(self.cluster.kafka.start)
        if not self.given.get("BROBYG_DATABASE"):
            wanted.append(self.cluster.postgres.start)
        with ThreadPoolExecutor(2) as pool:
            for started in [pool.submit(start) for start in wanted]:
                started.result()
        self.taken = [*self.cluster.kafka.taken, *self.cluster.postgres.taken]

    def _clock(self, told: Mapping[str, str]) -> str:
        """`BROBYG_CLOCK` as told, else the one the data were made with. Raises `LocalError` for one that is none."""
        kept = "BROBYG_CLOCK" not in told
        try:
            clock = (
                at_natural_pace(self.environment().get("BROBYG_CLOCK", ""))
                if kept
                else told["BROBYG_CLOCK"]
            )
            now = parse_clock(clock).now().astimezone(LOCAL_ZONE)
        except ValueError as error:
            raise LocalError(
                str(error), advice="brobyg local up --clock '' takes the wall's"
            ) from error
        if clock and kept:
            self.say(
                f"the data's clock goes on: {now:%A %-d %B %Y, %H:%M}; brobyg local up --clock '' takes the wall's"
            )
        return clock

    def _slow_the_clock(self) -> None:
        """A demo that was interrupted leaves a fast clock: it must not run on for years while nothing runs."""
        environment = self.environment()
        clock = environment.get("BROBYG_CLOCK", "")
        if environment and (slow := at_natural_pace(clock)) != clock:
            self._write({**environment, "BROBYG_CLOCK": slow})

    def _settle_environment(self, settings: dict[str, str], smtp: str | None) -> dict[str, str]:
        """Write `environment.json`: what was, keys, addresses, then what the caller's environment and `settings` say."""
        before = self.environment()
        environment = {
            "BROBYG_HOST": "127.0.0.1",
            "BROBYG_LOG_FORMAT": "json",
            "BROBYG_NOTIFICATION_COORDINATORS": COORDINATORS,
            **make_keys(self.places),
            "BROBYG_KAFKA": self.cluster.kafka_address,
            "BROBYG_DATABASE": self.cluster.database_url,
        }
        if not self.given.get("BROBYG_KAFKA"):  # on a broker of its own nobody else has this name
            environment["BROBYG_INSTANCE"] = "local"
        for name in SERVICES:
            port = self.given.get(f"BROBYG_{name.upper()}_PORT") or str(
                self._port_for(name, before)
            )
            environment[f"BROBYG_{name.upper()}_PORT"] = port
            environment[f"BROBYG_{name.upper()}_URL"] = f"http://127.0.0.1:{port}"
        environment["BROBYG_NOTIFICATION_SMTP"] = (
            smtp or f"smtp://127.0.0.1:{self._mail_port(before)}"
        )
        environment.update(self.given)
        environment.update(settings)
        self._write(environment)
        return environment

    def _write(self, environment: Mapping[str, str]) -> None:
        write_atomically(
            self.places.environment, json.dumps(environment, indent=2, sort_keys=True), mode=0o600
        )

    def _port_for(self, name: str, before: Mapping[str, str]) -> int:
        """The port it had, else its default; another where somebody else holds that. A running service keeps its own."""
        kept = before.get(f"BROBYG_{name.upper()}_PORT")
        return self._keep_or_choose(name, int(kept) if kept else None)

    def _mail_port(self, before: Mapping[str, str]) -> int:
        kept = read_json(self.places.local / "mail.json").get("port")
        port = self._keep_or_choose("mail", kept if isinstance(kept, int) else None)
        write_atomically(self.places.local / "mail.json", json.dumps({"port": port}))
        return port

    def _keep_or_choose(self, name: str, kept: int | None) -> int:
        if kept is not None and Component(self.places, name).find() is not None:
            return kept
        port, taken = choose_port(kept or self.ports.get(name))
        if taken is not None:
            self.taken.append(taken)
            self.say(f"{name}: {taken}")
        return port

    def own_mail_port(self, environment: Mapping[str, str]) -> int | None:
        """The port of our own mail server; None where the settings name another one."""
        port = read_json(self.places.local / "mail.json").get("port")
        own = environment.get("BROBYG_NOTIFICATION_SMTP") == f"smtp://127.0.0.1:{port}"
        return port if own and isinstance(port, int) else None

    def _start_mail(self, environment: Mapping[str, str]) -> None:
        """Our own mail server, unless another is used."""
        port = self.own_mail_port(environment)
        if port is None:
            return
        component = Component(self.places, "mail")
        if component.find() is None:
            self.say(f"mail: starting on 127.0.0.1:{port}")
            command = [sys.executable, "-m", "brobyg_local.mail", "--port", str(port)]
            component.spawn(
                [*command, "--folder", str(self.places.mail), "--logs", str(self.places.logs)]
            )
        if (
            not wait_until(lambda: is_answering(port) or component.find() is None, 20)
            or component.find() is None
        ):
            log = component.log
            raise ComponentFailed(
                "mail",
                "the mail server did not answer",
                log=tail(log),
                log_path=str(log),
                advice="run the same command again",
            )

    def _runs_with(self, name: str, environment: Mapping[str, str]) -> bool:
        """Whether the service runs, with these very settings."""
        process = Component(self.places, name).find()
        if process is None:
            return False
        try:
            variables = process.environ()
        except psutil.Error:  # it has ended since
            return False
        running = {
            key: value
            for key, value in variables.items()
            if key.startswith("BROBYG_") and key not in NOT_SETTINGS
        }
        if running == own_settings(name, environment):
            return True
        self.say(f"{name}: its settings have changed, restarting it")
        return False

    def _prepare(self, environment: Mapping[str, str]) -> None:
        """Databases, topics and migrations; in stores of our own only where they are not as they should be already."""
        stamp = self.places.local / "prepared.json"
        wanted = {"of": self._fingerprint(environment)}
        # Somebody else's broker or database may have been emptied since, at the same address: the stamp can't know.
        if self._has_own_stores(environment) and read_json(stamp) == wanted:
            return
        self.say("databases, topics and migrations")
        commands = [["topics", "apply"], *([name, "migrate"] for name in SERVICES)]
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            for finished in [
                pool.submit(_run_brobyg, command, environment) for command in commands
            ]:
                finished.result()
        write_atomically(stamp, json.dumps(wanted))

    def _has_own_stores(self, environment: Mapping[str, str]) -> bool:
        own = {
            "BROBYG_KAFKA": self.cluster.kafka_address,
            "BROBYG_DATABASE": self.cluster.database_url,
        }
        return all(
            name not in self.given and environment[name] == address for name, address in own.items()
        )

    def _fingerprint(self, environment: Mapping[str, str]) -> str:
        """Changes when a migration or topic file does, and when the broker or the database is another (each reset makes a new one)."""
        digest = hashlib.sha256()
        for text in (
            environment["BROBYG_KAFKA"],
            environment["BROBYG_DATABASE"],
            self.cluster.kafka.identity,
        ):
            digest.update(text.encode())
        for pattern in (
            "services/*/migrations/*.sql",
            "libs/kit/src/*/migrations/*.sql",
            "schemas/topics/*.yaml",
        ):
            for path in sorted(ROOT.glob(pattern)):
                digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()

    def _start_services(
        self, names: Sequence[str], environment: Mapping[str, str], tell: Callable[[str], None]
    ) -> None:
        """Start `names` and wait until all five are ready; the first that fails is raised."""
        for name in names:
            process = ServiceProcess(self.places, name)
            if process.component.find() is None:
                self.say(f"{name}: starting on {environment[f'BROBYG_{name.upper()}_URL']}")
                process.spawn(environment)
        pending = set(names) if len(names) == 1 else set(SERVICES)

        def settle() -> bool:
            for name in sorted(pending):
                if readiness(environment[f"BROBYG_{name.upper()}_URL"]).ready:
                    pending.discard(name)
                    tell(name)
            return not pending or any(
                ServiceProcess(self.places, name).component.find() is None for name in pending
            )

        wait_until(settle, READY_TIMEOUT, every=0.2)
        left = [ServiceProcess(self.places, name) for name in SERVICES if name in pending]
        # One that has ended is to blame: the others may only need a moment more.
        left.sort(key=lambda service: service.component.find() is not None)
        for service in left[:1]:
            raise service.failure(environment[f"BROBYG_{service.name.upper()}_URL"], READY_TIMEOUT)

    def _stop_services(self, names: Sequence[str]) -> list[str]:
        """Ask all to end at once, then wait for each; returns those that had to be killed."""
        for name in names:
            if (process := Component(self.places, name).find()) is not None:
                process.terminate()
        return [
            name for name in names if not Component(self.places, name).stop(patience=STOP_PATIENCE)
        ]


def _known(component: str) -> str:
    if component not in COMPONENTS:
        raise LocalError(
            f"there is no component {component!r}", advice=f"one of {', '.join(COMPONENTS)}"
        )
    return component


def _run_brobyg(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """One `brobyg` command to its end; raises `ComponentFailed` with what it printed."""
    command = [brobyg_command(), *arguments]
    try:
        done = subprocess.run(
            command,
            env=clean_environment(environment),
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT,
            check=False,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise ComponentFailed(
            f"brobyg {' '.join(arguments)}",
            f"not done after {COMMAND_TIMEOUT:.0f} s",
            advice="brobyg status",
        ) from error
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).splitlines()[-20:]
        advice = f"once the cause is gone: brobyg {' '.join(arguments)}, or brobyg local up again"
        raise ComponentFailed(
            f"brobyg {' '.join(arguments)}",
            f"it ended with exit code {done.returncode}",
            log=lines,
            log_path="its output",
            advice=advice,
        )
