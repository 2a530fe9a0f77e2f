"""Compares today's schemas with the released ones.

`python -m schemas.tools.compat` ends with 1 when something breaks. With `release <version>` it
makes today's schemas the released ones, and refuses while something breaks. A change of an event
that has to break is its next major version (`$id`), with an upcaster that tells the old one as
today's events (`brobyg_contracts.upcasters`); else it is a new event type or topic version.
"""

import argparse
import hashlib
import shutil
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from brobyg_contracts.upcasters import UPCASTERS, major_of
from brobyg_kit.topics import retention_days

from schemas.tools.differences import SchemaChange, SchemaVersions, differences
from schemas.tools.sources import (
    DEAD_LETTER_FILE,
    ENVELOPE_FILE,
    SCHEMAS,
    TYPES_FILE,
    Sources,
    TopicFile,
    event_type,
)

RELEASED = SCHEMAS / "released"
FILES = (TYPES_FILE, ENVELOPE_FILE, DEAD_LETTER_FILE)
FOLDERS = ("events", "topics")
#: What no upcaster helps with: the old records stay on the old topic.
_MOVED = "moved from topic"


@dataclass(frozen=True)
class Finding:
    """A change, what it is about, and the services that read it."""

    subject: str
    change: SchemaChange
    readers: tuple[str, ...]
    topic: str
    #: Whether it would break, had it no upcaster.
    upcast: bool = False

    def __str__(self) -> str:
        """What and where, and on a second line who reads it."""
        word = "BREAKS " if self.change.breaking else "upcast " if self.upcast else "widens "
        where = (
            f"{self.subject}: {self.change.place}: " if self.change.place else f"{self.subject}: "
        )
        readers = ", ".join(self.readers) or "nobody"
        return f"{word} {where}{self.change.what}\n         read by {readers} ({self.topic})"


def findings(
    released: Sources, today: Sources, upcasters: Collection[tuple[str, int]] = UPCASTERS
) -> Iterator[Finding]:
    """Every change that a reader could notice, in the order of the released topics.

    `upcasters` are the event types and major versions that can be told as today's events.
    """
    versions = SchemaVersions(released, today)
    # Those who read today and those who read at the time of the release.
    readers = {
        name: tuple(
            sorted(
                {*topic.consumers, *(today.topics[name].consumers if name in today.topics else ())}
            )
        )
        for name, topic in released.topics.items()
    }
    everybody = tuple(sorted({reader for those in readers.values() for reader in those}))
    for change in differences(versions, released.envelope, today.envelope):
        yield Finding("envelope", change, everybody, "all topics")
    for change in differences(versions, released.dead_letter, today.dead_letter):
        yield Finding("dead letter", change, ("operators",), "dead-letter topics")
    for name, topic in released.topics.items():
        for change in _topic(topic, today.topics.get(name)):
            yield Finding(name, change, readers[name], name)
        for event in topic.events:
            yield from _upcast(
                [
                    Finding(event, change, readers[name], name)
                    for change in _event(versions, name, event)
                ],
                released.events[event].id or "",
                today.events[event].id or "" if event in today.events else "",
                upcasters,
            )


def _upcast(
    found: list[Finding], before: str, now: str, upcasters: Collection[tuple[str, int]]
) -> Iterator[Finding]:
    """What was found of one event; nothing of it breaks where an upcaster is asked.

    It is asked only for another major version than today's, so a break within one is refused.
    `now` is empty for a type that is gone, whose records are no other's.
    """
    for one in found:
        told = (event_type(one.subject), major_of(before)) in upcasters
        asked = not now or (_unnumbered(now) == _unnumbered(before) and _newer(before, now))
        kept = one.change.breaking and told and asked and not one.change.what.startswith(_MOVED)
        yield replace(one, change=replace(one.change, breaking=False), upcast=True) if kept else one


def _newer(before: str, now: str) -> bool:
    return major_of(now) > major_of(before)


def _unnumbered(schema: str) -> str:
    return schema.replace(f".v{major_of(schema)}.", ".")


def release(released: Path, today: Path, version: str) -> None:
    """Copies today's contracts to `released`.

    Raises ValueError while something in them breaks what is released.
    """
    if released.exists() and any(
        finding.change.breaking for finding in findings(Sources(released), Sources(today))
    ):
        raise ValueError(
            "a release can't break what is released: run `python -m schemas.tools.compat`"
        )
    coming = released.with_name(released.name + ".coming")
    shutil.rmtree(coming, ignore_errors=True)
    coming.mkdir()
    for folder in FOLDERS:
        shutil.copytree(today / folder, coming / folder)
    for file in FILES:
        shutil.copy(today / file, coming / file)
    (coming / "VERSION").write_text(f"{version} {_digest(coming)}\n")
    shutil.rmtree(released, ignore_errors=True)
    coming.rename(released)


def _digest(folder: Path) -> str:
    """A hash of all contracts in `folder`, to detect that released ones were edited."""
    found = hashlib.sha256()
    for file in sorted(
        path for path in folder.rglob("*") if path.is_file() and path.name != "VERSION"
    ):
        found.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Prints what changed since the release; 1 when something breaks."""
    parser = argparse.ArgumentParser(description="Compare schemas/ with schemas/released/.")
    parser.add_argument("command", nargs="?", choices=["check", "release"], default="check")
    parser.add_argument("version", nargs="?", help="of the release, as in 1.2.0")
    given = parser.parse_args(arguments)
    if given.command == "release":
        if not given.version:
            parser.error("release needs a version")
        release(RELEASED, SCHEMAS, given.version)
        return 0
    version, _, digest = (RELEASED / "VERSION").read_text().strip().partition(" ")
    if digest != _digest(RELEASED):
        print(
            f"{RELEASED.name}/ is not what was released as {version}:"
            " restore it, or release a new version"
        )
        return 1
    found = list(findings(Sources(RELEASED), Sources(SCHEMAS)))
    breaking = sum(finding.change.breaking for finding in found)
    print("\n".join(str(finding) for finding in found) or f"nothing changed since {version}")
    if breaking:
        print(
            f"\n{breaking} breaking change(s): give the event its next major version in $id, with"
            " an upcaster from the old one (brobyg_contracts.upcasters), or add a new event type or"
            " topic version beside the old"
        )
    elif found:
        print("\nnothing breaks; upgrade the readers before the writers")
    return 1 if breaking else 0


def _event(versions: SchemaVersions, topic: str, event: str) -> Iterator[SchemaChange]:
    old, new = versions.old.events[event], versions.new.events.get(event)
    if new is None:
        yield SchemaChange("", "event type removed: its history can't be read", breaking=True)
        return
    if old.id != new.id:
        yield SchemaChange("$id", f"{old.id} became {new.id}", breaking=True)
    now_in = [name for name, file in versions.new.topics.items() if event in file.events]
    if topic not in now_in:
        yield SchemaChange("", f"{_MOVED} {topic} to {', '.join(now_in) or 'none'}", breaking=True)
    else:
        yield from _text(
            "subject",
            versions.old.topics[topic].events[event],
            versions.new.topics[topic].events[event],
        )
    yield from differences(versions, old, new)


def _topic(old: TopicFile, new: TopicFile | None) -> Iterator[SchemaChange]:
    if new is None:
        yield SchemaChange("", "topic removed", breaking=True)
        return
    yield from _text("owner", old.owner, new.owner)
    yield from _text("key", old.key, new.key)
    yield from _text("cleanup_policy", old.cleanup_policy, new.cleanup_policy)
    yield from _text("content", old.content, new.content)
    if old.compatibility != new.compatibility:
        yield SchemaChange(
            "compatibility",
            f"{old.compatibility} became {new.compatibility}",
            breaking=new.compatibility != "BACKWARD",
        )
    if old.partitions != new.partitions:
        yield SchemaChange(
            "partitions",
            f"{old.partitions} became {new.partitions}: keys move, their order is lost",
            breaking=True,
        )
    if old.retention != new.retention:
        before, after = retention_days(old.retention), retention_days(new.retention)
        shorter = after is not None and (before is None or after < before)
        yield SchemaChange("retention", f"{old.retention} became {new.retention}", breaking=shorter)


def _text(place: str, old: str, new: str) -> Iterator[SchemaChange]:
    if old != new:
        yield SchemaChange(place, f"{old} became {new}", breaking=True)


if __name__ == "__main__":
    sys.exit(main())
