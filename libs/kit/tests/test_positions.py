"""A command's answer says where its events are in the stream."""

from brobyg_kit import positions


def test_a_transaction_outside_of_a_request_notes_nothing() -> None:
    positions.note({("brobyg.referral.v1", "one"): 1})
    assert positions.committed.get() is None


def test_the_header_has_the_last_of_each_subject_and_no_more_than_so_many() -> None:
    token = positions.committed.set({})
    try:
        for number in range(30):
            positions.note({("brobyg.referral.v1", f"s{number}"): number})
        positions.note({("brobyg.referral.v1", "s29"): 31})
        value = positions.header_value(positions.committed.get() or {})
    finally:
        positions.committed.reset(token)
    assert len(value.split(",")) == positions.MOST
    assert value.endswith("brobyg.referral.v1:s29:31")


def test_what_is_on_a_compacted_topic_alone_is_not_noted_as_no_history_has_it() -> None:
    token = positions.committed.set({})
    try:
        positions.note({("brobyg.citizen.v1", "c"): 1, ("brobyg.reference.v1", "place/a"): 2})
        assert positions.committed.get() == {}
        positions.note({("brobyg.citizen.v1", "c"): 2, ("brobyg.referral.v1", "r"): 1})
        assert positions.committed.get() == {("brobyg.referral.v1", "r"): 1}
    finally:
        positions.committed.reset(token)
