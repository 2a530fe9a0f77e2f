"""One provider of sign-ins alone, for tests.

with provided(LightProvider, tmp_path, os.getpid()) as provider:
    provider.issuer
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from .ports import Ports
from .state import StateFolder, say_to_stderr
from .supervisor import Program, Supervisor, wait_until
from .tools import Say

#: Seconds to wait for one; 2 are usual for the light one, 10 for Keycloak, more on a busy machine.
START_TIMEOUT = 180.0


class Provider(Protocol):
    """What is run, and whether it is ready."""

    name: str

    def is_ready(self) -> bool:
        """Whether it answers. May block for seconds."""

    def prepare(self) -> Program:
        """Its program, on the port that has been chosen. May block for minutes."""


_ProviderT = TypeVar("_ProviderT", bound=Provider)


@contextmanager
def provided(
    kind: Callable[[StateFolder, Ports, Say], _ProviderT], folder: Path, owner: int
) -> Iterator[_ProviderT]:
    """A provider of this kind, ready, on a free port; ended then, or with the process `owner`.

    Raises `LocalError`. Blocks for seconds, the first time for minutes.
    """
    state = StateFolder(folder.resolve())
    ports = Ports(state, say_to_stderr)
    supervisor = Supervisor(state, ports, owner)
    provider = kind(state, ports, say_to_stderr)

    def is_ready() -> bool:
        if supervisor.states()[provider.name].failed:
            raise supervisor.failure(provider.name)
        return provider.is_ready()

    try:
        with state.locked():
            ports.choose(provider.name)
            supervisor.start(supervisor.load([provider.prepare()]))
            if not wait_until(is_ready, START_TIMEOUT, every=0.1):
                raise supervisor.failure(provider.name, START_TIMEOUT)
        yield provider
    finally:
        with state.locked():
            supervisor.shut_down()
