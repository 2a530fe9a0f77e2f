"""When topics and migrations are applied anew."""

from importlib import import_module
from pathlib import Path

import pytest
from brobyg_kit import logins
from brobyg_kit.cli import load_service
from brobyg_local import system
from brobyg_local.services import KEEPERS
from brobyg_local.state import ROOT, StateFolder
from brobyg_local.system import System
from brobyg_reporting.adapters import analysts


def system_in(folder: Path, given: dict[str, str]) -> System:
    state = StateFolder(folder)
    with state.locked():
        return System(state, lambda _text: None, given=given, ports={})


def prepared_twice(
    folder: Path, given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, int]:
    """How many commands preparing takes at first, and again with another setting changed."""
    commands: list[object] = []
    monkeypatch.setattr(system, "run", lambda what, *_arguments, **_options: commands.append(what))
    made = system_in(folder, given)
    stores = {
        "BROBYG_KAFKA": made.cluster.kafka.address,
        "BROBYG_DATABASE": made.cluster.postgres.url,
    }
    made._prepare({**stores, **given, "BROBYG_CLOCK": ""})
    first = len(commands)
    made._prepare({**stores, **given, "BROBYG_CLOCK": "another"})
    return first, len(commands) - first


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "local"),
        ({"BROBYG_KAFKA": "broker.example.org:9092"}, None),
        ({"BROBYG_INSTANCE": "left"}, "left"),
    ],
)
def test_services_have_a_name_in_their_group_on_a_broker_of_their_own_or_when_told(
    given: dict[str, str], name: str | None, tmp_path: Path
) -> None:
    made = system_in(tmp_path, given)
    assert made._write_environment(given).get("BROBYG_INSTANCE") == name


def test_topics_and_migrations_are_skipped_when_only_a_setting_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, again = prepared_twice(tmp_path, {}, monkeypatch)
    assert first > 0
    assert again == 0


@pytest.mark.parametrize(
    "given",
    [
        {"BROBYG_KAFKA": "broker.example.org:9092"},
        {"BROBYG_DATABASE": "postgresql://brobyg@database.example.org:5432"},
    ],
    ids=["kafka", "database"],
)
def test_topics_and_migrations_are_always_applied_to_stores_given_from_outside(
    given: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, again = prepared_twice(tmp_path, given, monkeypatch)
    assert first > 0
    assert again == first


def test_everything_that_grants_rights_is_among_what_databases_are_made_from() -> None:
    paths = {path for pattern in system.MADE_FROM for path in ROOT.glob(pattern)}
    assert Path(logins.__file__) in paths
    for name in KEEPERS:
        service = load_service(name)
        if service.grants:
            grants = import_module(f"{service.package}.adapters.grants")
            assert service.grants == grants.GRANTS
            assert Path(str(grants.__file__)) in paths
    assert Path(analysts.__file__) in paths


def test_databases_are_prepared_again_when_what_grants_rights_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grants = tmp_path / "services" / "one" / "src" / "one" / "adapters" / "grants.py"
    grants.parent.mkdir(parents=True)
    monkeypatch.setattr(system, "ROOT", tmp_path)
    made = system_in(tmp_path / "state", {})
    found = set()
    for text in ("", "GRANTS = ()", "GRANTS = ('more',)"):
        grants.write_text(text)
        found.add(made._fingerprint({}))
    assert len(found) == 3
