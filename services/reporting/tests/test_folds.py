"""The folds are pure, total and blind to every order that is not promised."""

from hashlib import sha256
from random import Random

import msgspec
from brobyg_contracts import EVENTS, CitizenErased, ErasureAcknowledged, HelperErased
from brobyg_contracts import TOPICS as CARRIED
from brobyg_kit.event import Event
from brobyg_reporting.domain.folding import Folder
from brobyg_reporting.domain.projection import Row
from brobyg_reporting.domain.projections import ATTENTION, ERASURE, PROJECTIONS
from brobyg_reporting.handlers import HANDLERS, TOPICS
from brobyg_reporting.testing import History, interleave, make_history
from hypothesis import given, settings
from hypothesis import strategies as st


def state(folder: Folder) -> str:
    """The hash of every table."""
    rows = {
        table: sorted((key, msgspec.json.encode(row)) for key, row in rows.items())
        for table, rows in folder.rows.items()
    }
    return sha256(msgspec.json.encode(rows)).hexdigest()


def folded(events: list[tuple[str, Event]]) -> Folder:
    folder, seen = Folder(), set[str]()
    for _, event in events:
        if event.id not in seen:
            seen.add(event.id)
            folder.fold(event.decode(EVENTS[event.type]), event.time)
    return folder


histories = st.builds(
    lambda seed, size: (Random(seed), make_history(Random(seed), size)),
    st.integers(0, 2**32),
    st.integers(1, 6),
)


@given(histories, st.integers(0, 2**32), st.integers(0, 2**32))
@settings(deadline=None, max_examples=200)
def test_any_interleaving_that_keeps_each_key_s_order_gives_the_same_tables(
    made: tuple[Random, History], one: int, other: int
) -> None:
    _, history = made
    assert state(folded(interleave(Random(one), history))) == state(
        folded(interleave(Random(other), history))
    )


@given(histories, st.integers(0, 2**32), st.integers(0, 2**32))
@settings(deadline=None)
def test_erasures_in_between_give_the_same_rows_but_those_of_the_erased(
    made: tuple[Random, History], one: int, other: int
) -> None:
    _, history = made
    events = interleave(Random(one), history)
    erased = {event.subject for _, event in events if event.type in ERASING}
    without = [
        (t, event) for t, event in interleave(Random(other), history) if event.type not in ERASING
    ]
    assert of_others(folded(events), erased) == of_others(folded(without), erased)
    assert (state(folded(events)) != state(folded(without))) == bool(erased)


ERASING = {kind.EVENT_TYPE for kind in (CitizenErased, HelperErased, ErasureAcknowledged)}


def of_others(folder: Folder, erased: set[str]) -> dict[str, dict[str, Row]]:
    """All rows, but those whose key is an erased person."""
    return {
        table: {key: row for key, row in rows.items() if key.split("/")[0] not in erased}
        for table, rows in folder.rows.items()
    }


@given(histories, st.integers(0, 2**32), st.integers(1, 12))
@settings(deadline=None)
def test_reading_partition_by_partition_gives_the_same_tables_as_reading_all_at_once(
    made: tuple[Random, History], seed: int, partitions: int
) -> None:
    _, history = made
    events = interleave(Random(seed), history)
    merged = Folder()
    for number in range(partitions):
        share = folded(
            [
                (topic, event)
                for topic, event in events
                if hash(event.subject) % partitions == number
            ]
        )
        for table, rows in share.rows.items():
            assert not merged.rows[table].keys() & rows.keys()
            merged.rows[table].update(rows)
    assert state(merged) == state(folded(events))


@given(histories, st.integers(0, 2**32))
@settings(deadline=None)
def test_a_repeated_event_has_no_effect(made: tuple[Random, History], seed: int) -> None:
    random, history = made
    events = interleave(Random(seed), history)
    repeated = [
        again
        for one in events
        for again in (
            [one]
            if random.random() < 0.7
            else [one, random.choice(events[: events.index(one) + 1])]
        )
    ]
    assert state(folded(repeated)) == state(folded(events))


def test_the_order_of_one_key_s_events_does_matter_so_the_property_can_fail() -> None:
    history = make_history(Random(7), 3)
    events = interleave(Random(1), history)
    assert state(folded(events)) != state(folded(events[::-1]))


def test_every_event_type_of_the_history_is_folded_by_a_projection() -> None:
    history = {EVENTS[name] for topic in TOPICS for name in CARRIED[topic]}
    assert {kind for projection in PROJECTIONS for kind in projection.folds} == history


def test_each_topic_s_handler_loads_the_projections_that_fold_its_events() -> None:
    assert {handler.event: set(handler.loads) for handler in HANDLERS} == {
        topic: {
            projection
            for projection in PROJECTIONS
            for kind in projection.folds
            if kind.EVENT_TYPE in CARRIED[topic]
        }
        for topic in TOPICS
    }


def test_no_field_of_a_row_is_written_by_two_topics() -> None:
    """Found by folding one topic's events at a time. One service alone raises an item,
    and acknowledges in its own name."""
    history = make_history(Random(3), 60)
    for projection in PROJECTIONS:
        written: dict[tuple[str, str], set[str]] = {}
        for topic in sorted({topic for topic, _ in history.streams}):
            folder = Folder()
            for (of, _), stream in history.streams.items():
                for event in stream if of == topic else ():
                    folder.fold(event.decode(EVENTS[event.type]), event.time)
            for key, row in folder.rows[projection.table].items():
                blank = projection.row(key)
                for column in projection.columns[1:]:
                    if getattr(row, column) != getattr(blank, column):
                        of_row = key if projection in {ATTENTION, ERASURE} else ""
                        written.setdefault((of_row, column), set()).add(topic)
        assert {place: topics for place, topics in written.items() if len(topics) > 1} == {}
