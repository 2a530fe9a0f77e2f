"""Nobody is given a port that another has been given and is about to use."""

import socket

import pytest
from brobyg_kit import free_ports
from brobyg_kit.free_ports import free_port


@pytest.fixture
def few_ports(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A range of three ports that nobody uses."""
    lowest = next(
        one for one in range(19_000, 19_900, 3) if all(_is_free(one + more) for more in range(3))
    )
    monkeypatch.setattr(free_ports, "LOWEST", lowest)
    monkeypatch.setattr(free_ports, "HIGHEST", lowest + 3)
    return [lowest, lowest + 1, lowest + 2]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def test_no_port_is_given_twice_before_its_server_listens(few_ports: list[int]) -> None:
    assert sorted(free_port() for _ in few_ports) == few_ports
    with pytest.raises(OSError, match="no free port"):
        free_port()


def test_a_port_named_as_anothers_is_not_given(few_ports: list[int]) -> None:
    assert free_port(besides=few_ports[1:]) == few_ports[0]


def test_a_server_listens_on_its_port_and_nobody_else_does() -> None:
    port = free_port()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    with socket.create_server(("127.0.0.1", port)):
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.1", port))
