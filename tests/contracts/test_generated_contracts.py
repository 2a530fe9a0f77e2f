"""What is generated is what is committed, and a change that forgot to generate is shown."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import brobyg_contracts
import pytest

from schemas.tools import generate
from schemas.tools.asyncapi import embedded
from schemas.tools.sources import SCHEMAS, Schema, Sources


def test_everything_generated_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().out


def test_one_command_checks_all_of_the_contracts() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "schemas.tools"],
        cwd=SCHEMAS.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing changed since" in done.stdout or "nothing breaks" in done.stdout


def test_a_file_that_is_out_of_date_fails_the_check_and_shows_the_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = SCHEMAS.parent / "var" / "stale-for-test.py"
    monkeypatch.setattr(generate, "generated", lambda _sources: {stale: "as it should be\n"})

    assert generate.main(["--check"]) == 1

    said = capsys.readouterr().out
    assert "+as it should be" in said
    assert "python -m schemas.tools.generate" in said
    assert not stale.exists()


def test_generating_twice_gives_the_same() -> None:
    assert generate.generated(Sources(SCHEMAS)) == generate.generated(Sources(SCHEMAS))


def test_the_package_ships_its_pathways() -> None:
    package = Path(brobyg_contracts.__file__).parent

    assert (package / "data" / "escort.toml").is_file()
    assert (package / "py.typed").is_file()
    assert importlib.metadata.version("brobyg-contracts")


def test_all_public_names_are_there() -> None:
    assert [name for name in brobyg_contracts.__all__ if not hasattr(brobyg_contracts, name)] == []


def test_every_property_and_every_shared_type_says_what_it_is(sources: Sources) -> None:
    for event, schema in sources.events.items():
        assert schema.title, event
        assert schema.description, event
        for name, value in schema.properties.items():
            assert value.description or sources.resolved(value).description, f"{event}.{name}"
    for name, value in sources.types.items():
        assert value.title, name
        assert value.description, name
        told = value.examples or value.properties or value.additional_properties
        assert told, f"{name} has no example"


def test_the_example_of_a_shared_type_is_an_example_of_it(sources: Sources) -> None:
    import jsonschema_rs
    import msgspec

    for name, value in sources.types.items():
        for example in value.examples:
            assert jsonschema_rs.is_valid(msgspec.to_builtins(value), example), f"{name}: {example}"


def test_a_keyword_the_tools_do_not_know_is_refused(tmp_path: Path) -> None:
    (tmp_path / "types.schema.json").write_text(
        '{"$defs": {"id": {"type": "string", "contentEncoding": "base64"}}}'
    )

    with pytest.raises(ValueError, match="contentEncoding"):
        _ = Sources(tmp_path).types


def test_a_property_of_an_unknown_type_is_refused(sources: Sources) -> None:
    unknown = Schema(type="object", properties={"x": Schema(ref="types.schema.json#/$defs/x")})

    with pytest.raises(KeyError):
        embedded(sources, unknown)


def test_a_constraint_on_the_keys_of_a_map_reaches_the_struct(sources: Sources) -> None:
    """The generator keeps it only where the keys are a shared type, so they have to be one."""
    for schema in (*sources.events.values(), *sources.types.values()):
        for value in (schema, *schema.properties.values()):
            assert value.property_names is None or value.property_names.ref
