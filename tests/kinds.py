"""Kinds of test: each test is marked by what it uses, and each kind has a budget of time.

A pytest plugin, loaded by the root conftest. Nobody marks a test by hand, so none is forgotten.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pytest


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


#: A test is of the first kind that has one of its fixtures, else of the last.
KINDS = (
    Kind("browser", "a real browser before real services", 90, frozenset({"browser"})),
    Kind(
        "system",
        "a broker, a database or a whole system of the test's own, started and killed by it",
        900,
        frozenset({"system", "cluster", "played", "in_use"}),
    ),
    Kind(
        "parts",
        "the run's real broker or database, or another real server",
        900,
        frozenset({"kafka", "postgres", "addresses", "post_office", "owners", "matching"}),
    ),
    Kind("unit", "nothing outside its own process", 150),
)

#: Seconds that the whole suite may take on two cores.
WHOLE_BUDGET = 600.0
#: Folders whose systems play weeks against an accelerated clock: one such week at a time.
_WEEKS = ("tests/e2e/", "tests/faults/")


def kind_of(fixtures: Iterable[str]) -> Kind:
    """The kind of a test that uses these fixtures, those of its fixtures among them."""
    used = set(fixtures)
    return next((kind for kind in KINDS if kind.fixtures & used), KINDS[-1])


def group_of(kind: Kind, path: str, fixtures: Iterable[str]) -> str:
    """Tests of one group run one after the other on one worker; "" is free to run anywhere.

    Only one test at a time may use the system's own topics, and a system that is shared by the
    tests of a module is started once.
    """
    if "topics" in fixtures:
        return "topics"
    if kind.name == "system":
        return "weeks" if path.startswith(_WEEKS) else path.rpartition("/")[2].removesuffix(".py")
    return ""


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks, and keep the time of each kind where the summary is printed."""
    for kind in KINDS:
        config.addinivalue_line("markers", f"{kind.name}: {kind.description}")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Times(), "times-by-kind")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its kind, and name what may not run side by side; before `-m` selects."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        kind = kind_of(fixtures)
        item.add_marker(kind.name)
        path = item.path.relative_to(item.config.rootpath).as_posix()
        if group := group_of(kind, path, fixtures):
            item.add_marker(pytest.mark.xdist_group(group))


class _Times:
    """Adds up how long the tests of each kind took, with what they set up."""

    def __init__(self) -> None:
        self._seconds = dict.fromkeys((kind.name for kind in KINDS), 0.0)
        self._tests = dict.fromkeys(self._seconds, 0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = next((kind.name for kind in KINDS if kind.name in report.keywords), None)
        if name is None:
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
