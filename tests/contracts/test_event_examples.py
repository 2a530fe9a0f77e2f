"""The golden examples: what each event may say, and what it must not."""

import json
from pathlib import Path

import msgspec
import pytest
from brobyg_contracts import EVENTS

from .validators import ValidatorOf


def test_every_event_has_examples_that_are_valid_and_examples_that_must_fail(event: str) -> None:
    folder = Path(__file__).resolve().parents[2] / "schemas" / "examples" / event
    names = [file.name for file in folder.iterdir()]

    assert "valid-typical.json" in names
    assert sum(name.startswith("invalid-") for name in names) >= 3
    assert all(name.startswith(("valid-", "invalid-")) for name in names)


def test_a_valid_example_is_valid_by_its_schema(
    valid_example: Path, validator_of: ValidatorOf
) -> None:
    validator_of(valid_example.parent.name).validate(json.loads(valid_example.read_bytes()))


def test_an_invalid_example_is_refused_by_its_schema(
    invalid_example: Path, validator_of: ValidatorOf
) -> None:
    assert not validator_of(invalid_example.parent.name).is_valid(
        json.loads(invalid_example.read_bytes())
    )


def test_a_valid_example_is_read_by_its_struct_and_written_back_as_it_was(
    valid_event_example: Path,
) -> None:
    kind = EVENTS[f"dk.brobyg.{valid_event_example.parent.name}"]
    original = json.loads(valid_event_example.read_bytes())
    original.pop("added_later", None)  # what a later version adds is ignored

    again = json.loads(
        msgspec.json.encode(msgspec.json.decode(valid_event_example.read_bytes(), type=kind))
    )

    assert again.keys() == original.keys()
    assert msgspec.convert(again, kind) == msgspec.convert(original, kind)


def test_an_invalid_example_is_refused_by_its_struct(invalid_event_example: Path) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(
            invalid_event_example.read_bytes(),
            type=EVENTS[f"dk.brobyg.{invalid_event_example.parent.name}"],
        )


def test_an_invalid_example_says_in_its_name_which_property_is_wrong(
    invalid_example: Path, validator_of: ValidatorOf
) -> None:
    data = json.loads(invalid_example.read_bytes())
    property_name = invalid_example.stem.removeprefix("invalid-").split("-")[0]
    said = [
        f"{'/'.join(map(str, error.instance_path))} {error.message}"
        for error in validator_of(invalid_example.parent.name).iter_errors(data)
    ]

    if property_name not in ("not", "attribute"):
        assert all(property_name in error for error in said), said
