"""When topics and migrations are applied anew."""

import uuid
from importlib import import_module
from pathlib import Path

import asyncpg
import pytest
from brobyg_kit import logins
from brobyg_kit.cli import load_service
from brobyg_local import databases, system
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


def test_a_database_that_was_restored_or_opened_is_migrated_again_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[str] = []
    monkeypatch.setattr(system, "run", lambda what, *_arguments, **_options: commands.append(what))
    there = dict.fromkeys(KEEPERS, "1 f 2 heads")
    monkeypatch.setattr(system, "identities", lambda _server: dict(there))
    made = system_in(tmp_path, {})
    environment = {"BROBYG_DATABASE": "", "BROBYG_KAFKA": ""}
    made._migrate_restored(environment)  # never prepared: that is `up`'s to do
    made._prepare(environment)
    for changed in ({"referral": "9 t 9 heads"}, {"reporting": "1 t 2 heads"}):
        commands.clear()
        there |= changed
        made._prepare(environment)
        (name,) = changed
        expected = [f"brobyg {name} migrate"]
        assert commands == expected + (["brobyg analyst add"] if name == "reporting" else [])
    commands.clear()
    there.clear()  # nothing answers: nothing is known
    made._migrate_restored(environment)
    assert commands == []


async def test_what_is_restored_or_open_to_all_is_another_database(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"another_{uuid.uuid4().hex[:10]}"
    monkeypatch.setattr(databases, "KEEPERS", (name,))

    async def done(statement: str, database: str = f"brobyg_{name}") -> str:
        connection = await asyncpg.connect(f"{postgres}/{database}")
        await connection.execute(statement)
        await connection.close()
        return (await databases._identities(postgres)).get(name, "")

    migrated = "create table alembic_version (version_num text); insert into alembic_version values"
    seen = [
        await done(f"create database brobyg_{name}", "postgres"),
        await done(f"revoke connect on database brobyg_{name} from public"),
        await done(f"{migrated} ('0001')"),
        await done("update alembic_version set version_num = '0002'"),
        await done(f"drop table alembic_version; {migrated} ('0002')"),
        await done(f"grant connect on database brobyg_{name} to public"),
        await done(f"drop database brobyg_{name}", "postgres"),
    ]
    assert len(set(seen)) == len(seen)
    assert seen[-1] == ""


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
