"""Hard rules leave out, soft rules order, and the same input gives the same answer."""

from datetime import timedelta
from random import Random

import msgspec
import pytest
from brobyg_matching.domain.local_time import Window
from brobyg_matching.domain.referral import Referral
from brobyg_matching.domain.rules import Question, Selection, select
from brobyg_matching.domain.snapshot import Commitment, Snapshot
from brobyg_matching.domain.travel import itinerary
from brobyg_matching.domain.volunteer import Volunteer
from hypothesis import given
from hypothesis import strategies as st
from matching_samples import ALL_WEEK, NOW, POLICY, a_referral, a_snapshot, a_volunteer, an_id

START = int((NOW + timedelta(days=3, hours=2)).timestamp())


def ask(snapshot: Snapshot, referral: Referral | None = None, **changes: object) -> Selection:
    referral = referral or a_referral()
    needs = referral.needs
    way = itinerary(
        POLICY,
        needs.meeting,
        needs.postcode,
        needs.mobility,
        "randers-hospital",
        START,
        START + 1800,
    )
    question = Question(
        appointment_id=an_id("appointment"),
        starts_at=START,
        itinerary=way,
        now=int(NOW.timestamp()),
        wanted=100,
    )
    return select(snapshot, referral, POLICY, msgspec.structs.replace(question, **changes))


@pytest.mark.parametrize(
    ("rule", "volunteer", "needs"),
    [
        ("active", {"status": "paused"}, {}),
        ("pool", {"pool": "navigator"}, {}),
        ("language", {"languages": frozenset({"ar"})}, {}),
        ("gender", {"gender": "male"}, {"gender_wish": "female"}),
        ("competence", {}, {"mobility": "wheelchair"}),
        ("range", {"range_metres": 10}, {}),
        ("weekly_limit", {"weekly_limit": 0}, {}),
        ("availability", {"availability": (Window(4, 8 * 60, 10 * 60),)}, {}),
    ],
)
def test_each_hard_rule_leaves_out_whom_it_names(
    rule: str, volunteer: dict[str, object], needs: dict[str, object]
) -> None:
    able, unable = (
        a_volunteer("able", competences=frozenset({"wheelchair"})),
        a_volunteer("unable", **volunteer),
    )
    selection = ask(a_snapshot(able, unable), a_referral("referral", **needs))
    assert [c.volunteer_id for c in selection.candidates] == [able.volunteer_id]
    assert selection.excluded == {rule: [unable.volunteer_id]}


def test_who_only_applied_is_nobodys_candidate() -> None:
    selection = ask(a_snapshot(a_volunteer("new", status="applied")))
    assert (selection.candidates, selection.excluded) == ([], {})


def test_a_block_by_either_side_leaves_out() -> None:
    volunteer, referral = a_volunteer("blocked"), a_referral()
    blocks = frozenset({(volunteer.volunteer_id, referral.citizen_id)})
    assert ask(a_snapshot(volunteer, blocks=blocks), referral).excluded == {
        "blocked": [volunteer.volunteer_id]
    }


def test_who_would_have_to_leave_at_once_is_not_asked() -> None:
    assert ask(a_snapshot(a_volunteer("late")), now=START - 2 * 3600).excluded == {
        "notice": [an_id("late")]
    }


def test_the_way_counts_as_time_elsewhere() -> None:
    span = ask(a_snapshot(a_volunteer("busy"))).candidates[0]
    touching = Commitment(
        an_id("other"), an_id("busy"), span.home_at, span.home_at + 3600, START + 7200
    )
    overlapping = msgspec.structs.replace(touching, leave_at=span.home_at - 60)
    assert ask(a_snapshot(a_volunteer("busy"), commitments=[touching])).candidates
    assert ask(a_snapshot(a_volunteer("busy"), commitments=[overlapping])).excluded == {
        "elsewhere": [an_id("busy")]
    }


def test_availability_must_hold_the_whole_span_with_its_ways() -> None:
    span = ask(a_snapshot(a_volunteer("somebody"))).candidates[0]
    minute = (span.leave_at + 3600) % 86_400 // 60  # Denmark is an hour ahead in December
    until = (span.home_at + 3600) % 86_400 // 60
    exact, late = (Window(4, minute, until),), (Window(4, minute + 1, until),)
    assert ask(a_snapshot(a_volunteer("somebody", availability=exact))).candidates
    assert ask(a_snapshot(a_volunteer("somebody", availability=late))).excluded == {
        "availability": [an_id("somebody")]
    }


def test_the_weekly_limit_counts_the_week_of_the_appointment_only() -> None:
    def promised(days: int) -> Commitment:
        start = START + days * 86_400
        return Commitment(an_id(f"other {days}"), an_id("v"), start - 3600, start + 3600, start)

    limited = a_volunteer("v", weekly_limit=1)
    assert ask(a_snapshot(limited, commitments=[promised(-7), promised(7)])).candidates
    assert ask(a_snapshot(limited, commitments=[promised(1)])).excluded == {
        "weekly_limit": [limited.volunteer_id]
    }


def test_an_unknown_postcode_is_out_of_everybodys_range() -> None:
    assert ask(a_snapshot(a_volunteer("v")), a_referral(postcode="3400")).excluded == {
        "range": [an_id("v")]
    }


def test_who_knows_the_citizen_is_asked_before_who_lives_nearer() -> None:
    referral = a_referral()
    near, known = (
        a_volunteer("near", home_postcode="8920"),
        a_volunteer("known", home_postcode="8930"),
    )
    before = {referral.citizen_id: {an_id("earlier"): known.volunteer_id}}
    first = ask(a_snapshot(near, known, known=before), referral).candidates[0]
    assert (first.volunteer_id, first.known) == (known.volunteer_id, True)


def test_who_has_had_less_to_do_is_asked_first() -> None:
    busy, idle = a_volunteer("busy"), a_volunteer("idle")
    start = START - 5 * 86_400
    commitment = Commitment(an_id("other"), busy.volunteer_id, start, start + 3600, start)
    ordered = [
        c.volunteer_id for c in ask(a_snapshot(busy, idle, commitments=[commitment])).candidates
    ]
    assert ordered == [idle.volunteer_id, busy.volunteer_id]


def test_at_short_notice_nearness_outweighs_a_fair_share() -> None:
    near, far = (
        a_volunteer("near", home_postcode="8920"),
        a_volunteer("far", home_postcode="8500", range_metres=60_000),
    )
    start = START - 5 * 86_400
    others = [
        Commitment(
            an_id(f"o{n}"), near.volunteer_id, start + n * 9000, start + n * 9000 + 60, start
        )
        for n in range(6)
    ]
    snapshot = a_snapshot(near, far, commitments=others)
    assert ask(snapshot, now=START - 10 * 3600).candidates[0].volunteer_id == near.volunteer_id


volunteers = st.lists(
    st.builds(
        lambda number, postcode, limit, gender, travel, languages: a_volunteer(
            f"volunteer {number}",
            home_postcode=postcode,
            weekly_limit=limit,
            gender=gender,
            travel=travel,
            languages=frozenset(languages),
            availability=ALL_WEEK,
        ),
        st.integers(0, 30),
        st.sampled_from(["8900", "8920", "8930", "8500", "8963"]),
        st.integers(0, 3),
        st.sampled_from(["female", "male"]),
        st.sampled_from(["walk", "bicycle", "car", "public_transport"]),
        st.sets(st.sampled_from(["da", "en", "ar"]), min_size=1),
    ),
    max_size=12,
    unique_by=lambda volunteer: volunteer.volunteer_id,
)


@given(volunteers, st.randoms(use_true_random=False), st.sampled_from([None, "female"]))
def test_the_order_does_not_depend_on_how_volunteers_come_in_and_no_hard_rule_is_broken(
    some: list[Volunteer], random: Random, wish: str | None
) -> None:
    shuffled = list(some)
    random.shuffle(shuffled)
    referral = a_referral(gender_wish=wish)
    one, other = ask(a_snapshot(*some), referral), ask(a_snapshot(*shuffled), referral)
    assert one == other
    by_id = {volunteer.volunteer_id: volunteer for volunteer in some}
    for candidate in one.candidates:
        volunteer = by_id[candidate.volunteer_id]
        assert wish in (None, volunteer.gender)
        assert "da" in volunteer.languages
        assert volunteer.weekly_limit > 0
        assert candidate.distance_metres <= volunteer.range_metres
    assert len(one.candidates) + sum(one.counts().values()) == len(some)
