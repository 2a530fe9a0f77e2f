"""Changes to a copy of the schemas folder, for the compatibility check to find."""

import json
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import TypeAlias

import yaml

from schemas.tools.sources import Json

Mutation: TypeAlias = Callable[[Path], None]


def put(file: str, pointer: str, value: Json) -> Mutation:
    """Sets what is at `pointer` (`properties/wave/minimum`) in a JSON or YAML file."""

    def change(parent: MutableMapping[str, Json], name: str) -> None:
        parent[name] = value

    return _edit(file, pointer, change)


def drop(file: str, pointer: str) -> Mutation:
    """Removes what is at `pointer`."""

    def change(parent: MutableMapping[str, Json], name: str) -> None:
        del parent[name]

    return _edit(file, pointer, change)


def require(file: str, name: str) -> Mutation:
    """Adds a property to `required`."""
    return _required(file, lambda names: [*names, name])


def release_from_duty(file: str, name: str) -> Mutation:
    """Takes a property out of `required`."""
    return _required(file, lambda names: [kept for kept in names if kept != name])


def rename(file: str, old: str, new: str) -> Mutation:
    """Gives a required property another name."""

    def change(parent: MutableMapping[str, Json], _name: str) -> None:
        parent[new] = parent.pop(old)

    return together(
        _edit(file, f"properties/{old}", change), release_from_duty(file, old), require(file, new)
    )


def remove_file(file: str) -> Mutation:
    """Removes a file."""
    return lambda folder: (folder / file).unlink()


def copy_file(file: str, to: str) -> Mutation:
    """Copies a file."""

    def mutate(folder: Path) -> None:
        (folder / to).write_text((folder / file).read_text())

    return mutate


def together(*mutations: Mutation) -> Mutation:
    """One change after the other."""

    def mutate(folder: Path) -> None:
        for mutation in mutations:
            mutation(folder)

    return mutate


def _required(file: str, change_names: Callable[[list[str]], list[str]]) -> Mutation:
    def change(parent: MutableMapping[str, Json], name: str) -> None:
        names = parent[name]
        assert isinstance(names, list)
        parent[name] = change_names(names)

    return _edit(file, "required", change)


def _edit(
    file: str, pointer: str, change: Callable[[MutableMapping[str, Json], str], None]
) -> Mutation:
    def mutate(folder: Path) -> None:
        path = folder / file
        is_yaml = path.suffix == ".yaml"
        content: Json = (
            yaml.safe_load(path.read_text()) if is_yaml else json.loads(path.read_text())
        )
        *way, name = pointer.split("/")
        parent = content
        for step in way:
            assert isinstance(parent, MutableMapping), pointer
            parent = parent[step]
        assert isinstance(parent, MutableMapping), pointer
        change(parent, name)
        path.write_text(yaml.safe_dump(content) if is_yaml else json.dumps(content))

    return mutate
