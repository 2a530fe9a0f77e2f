"""Kinds of test: each test is marked by what it uses, and each kind has a budget of time.

A pytest plugin, loaded by the root conftest. Nobody marks a test by hand, so none is forgotten.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from xdist.remote import Producer  # type: ignore[import-untyped]  # pytest-xdist has no types
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # as above


@dataclass(frozen=True, slots=True)
class Kind:
    """What tests of a kind need, and the time that all of them together may take."""

    #: The mark's name, as in `-m unit`.
    name: str
    #: For `pytest --markers`.
    description: str
    #: Seconds of all tests of the kind, added up over the workers.
    budget: float
    #: A test that uses one of these fixtures, even through another, is of this kind.
    fixtures: frozenset[str] = frozenset()


#: A test is of the first kind that has one of its fixtures, else of the last. The budgets together
#: are a little less than four workers have in the quarter of an hour that the whole suite may take
#: on two cores.
KINDS = (
    Kind("browser", "a real browser before real services", 240, frozenset({"browser"})),
    Kind(
        "system",
        "a broker, a database or a whole system of the test's own, started and killed by it",
        1100,
        frozenset(
            {
                *("system", "cluster", "new_cluster", "supervisor", "played", "in_use", "town"),
                "keycloak",
            }
        ),
    ),
    Kind(
        "parts",
        "the run's real broker or database, or another real server",
        1900,
        frozenset(
            {
                *("kafka", "postgres", "addresses", "post_office", "owners", "matching"),
                "light_provider",
            }
        ),
    ),
    Kind("unit", "no broker, database or browser", 320),
)

#: Folders whose tests start systems of their own: each list's on one worker, one after the other,
#: or the machine would be too busy for weeks that are played by an accelerated clock.
_CHAINS = (
    ("tests/e2e/", "tests/faults/", "tests/erasure/test_canaries.py"),
    ("deploy/local/", "tests/browser/test_signing_in.py"),  # with one Keycloak
)


def kind_of(fixtures: Iterable[str]) -> Kind:
    """The kind of a test that uses these fixtures, those of its fixtures among them."""
    used = set(fixtures)
    return next((kind for kind in KINDS if kind.fixtures & used), KINDS[-1])


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks, and keep the time of each kind where the summary is printed."""
    for kind in KINDS:
        config.addinivalue_line("markers", f"{kind.name}: {kind.description}")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Times(), "times-by-kind")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with its kind, before `-m` selects. Workers begin with the longest chains."""
    for item in items:
        kind = kind_of(getattr(item, "fixturenames", ())).name
        item.add_marker(kind)
        item.user_properties.append(("kind", kind))
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _chain(item.nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """Hand out whole files and chains of files, in the order in which they were collected."""
    config.option.loadscopereorder = False
    return _Files(config, log)


class _Files(LoadFileScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    def _split_scope(self, nodeid: str) -> str:
        chain = _chain(nodeid)
        return str(super()._split_scope(nodeid) if chain == len(_CHAINS) else chain)


def _chain(nodeid: str) -> int:
    """Which chain a test is in; the number of chains for one that is in none."""
    chains = (number for number, folders in enumerate(_CHAINS) if nodeid.startswith(folders))
    return next(chains, len(_CHAINS))


class _Times:
    """Adds up how long the tests of each kind took, with what they set up."""

    def __init__(self) -> None:
        self._seconds = dict.fromkeys((kind.name for kind in KINDS), 0.0)
        self._tests = dict.fromkeys(self._seconds, 0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = dict(report.user_properties).get("kind")
        if not isinstance(name, str):
            return  # the report of a worker that ended
        self._seconds[name] += report.duration
        self._tests[name] += report.when == "call"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not any(self._tests.values()):
            return
        terminalreporter.section("time by kind of test, added up over the workers")
        terminalreporter.line(f"{'kind':10}{'tests':>7}{'seconds':>9}{'budget':>8}")
        for kind in KINDS:
            if not (number := self._tests[kind.name]):
                continue
            seconds = self._seconds[kind.name]
            over = seconds > kind.budget
            terminalreporter.line(
                f"{kind.name:10}{number:7}{seconds:9.1f}{kind.budget:8.0f}"
                f"{'  warning: over its budget' if over else ''}",
                yellow=over,
            )
