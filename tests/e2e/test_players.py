"""What the demo's players do by themselves: read a page, read mail, and count afterwards."""

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import httpx2
import msgspec
import pytest
from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_contracts.events import (
    AttentionRaised,
    MatchEscalated,
    MatchReleased,
    NeedOpened,
    VolunteerMatched,
)
from brobyg_kit.event import Event
from brobyg_kit.ids import derived_id
from brobyg_local.demo.access import send_until_answered
from brobyg_local.demo.clashes import citizen_clashes
from brobyg_local.demo.history import double_booked
from brobyg_local.demo.story import Line, Sentence, tell
from brobyg_local.demo.volunteers import answer_form, answer_link, in_daytime
from brobyg_local.demo.week import load
from brobyg_local.errors import ServiceUnreachable
from msgspec import UNSET

from tests.e2e.small_week import EXAMPLE

PAGE = """<!doctype html><form method="post" action="/answer/abc.def">
<input type="hidden" name="csrf" value="x1"><button name="answer" value="accept">Ja</button>
<button name="answer" value="decline">Nej</button></form>"""
NOON = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)


def test_the_form_is_filled_in_with_its_hidden_fields_and_the_pressed_button() -> None:
    form = answer_form(PAGE, "http://portal.example:8000/answer/abc.def", "decline")
    assert form == ("http://portal.example:8000/answer/abc.def", b"csrf=x1&answer=decline")


def test_a_page_without_the_button_is_too_late() -> None:
    assert (
        answer_form("<p>Somebody else has it</p>", "http://portal.example/answer/abc", "accept")
        is None
    )


def test_the_link_is_found_in_the_plain_text_of_the_mail() -> None:
    mail = EmailMessage()
    mail.set_content("Kan du?\n\nhttp://127.0.0.1:8000/answer/abc.def_-1\n\nVenlig hilsen")
    mail.add_alternative("<a href='http://127.0.0.1:8000/answer/other'>svar</a>", subtype="html")
    assert answer_link(mail) == "http://127.0.0.1:8000/answer/abc.def_-1"
    mail.add_attachment(b"BEGIN:VCALENDAR", maintype="text", subtype="calendar")
    assert answer_link(mail) is None, "a match, and no offer"


def test_nobody_answers_at_night() -> None:
    night = datetime(2026, 12, 1, 2, 30, tzinfo=LOCAL_ZONE)
    answered = in_daytime(night, timedelta(minutes=40))
    assert (answered.day, answered.hour) == (1, 6)
    late = datetime(2026, 12, 1, 23, 30, tzinfo=LOCAL_ZONE)
    assert in_daytime(late, timedelta(minutes=40)).day == 2
    assert in_daytime(NOON, timedelta(minutes=40)) == NOON


def an_id(letter: str) -> str:
    return derived_id("test", letter)


def matched(
    match_id: str,
    minute: int,
    start: datetime,
    *,
    helper: str = "h",
    shares_with: str | None = None,
) -> Event:
    data = VolunteerMatched(
        match_id=an_id(match_id),
        need_id=an_id(f"need of {match_id}"),
        seat=1,
        role="companion",
        pool="student",
        pathway="escort",
        policy_version=1,
        department="randers-norddjurs",
        helper_id=an_id(helper),
        way="same_way" if shares_with else "accepted",
        crew_complete=True,
        citizen_id=an_id("c"),
        starts_at=start,
        ends_at=start + timedelta(minutes=30),
        shares_with=an_id(f"need of {shares_with}") if shares_with else UNSET,
    )
    return event(VolunteerMatched.EVENT_TYPE, minute, data)


def opened(match_id: str, start: datetime, location_id: str = "randers-hospital") -> Event:
    need_id = an_id(f"need of {match_id}")
    data = NeedOpened(
        need_id=need_id,
        about_kind="appointment",
        about_id=need_id,
        pathway="escort",
        policy_version=1,
        department="randers-norddjurs",
        mode="in_person",
        priority=5,
        competences=(),
        citizen_id=an_id("c"),
        location_id=location_id,
        starts_at=start,
        ends_at=start + timedelta(minutes=30),
    )
    return event(NeedOpened.EVENT_TYPE, 0, data)


def released(match_id: str, minute: int, start: datetime) -> Event:
    data = MatchReleased(
        match_id=an_id(match_id),
        need_id=an_id(f"need of {match_id}"),
        seat=1,
        role="companion",
        pathway="escort",
        department="randers-norddjurs",
        helper_id=an_id("h"),
        reason="appointment_cancelled",
        crew_complete=False,
        starts_at=start,
        ends_at=start + timedelta(minutes=30),
    )
    return event(MatchReleased.EVENT_TYPE, minute, data)


def event(kind: str, minute: int, data: object) -> Event:
    return Event(
        id=f"{kind}-{minute}",
        source="matching",
        type=kind,
        subject="r",
        time=NOON + timedelta(minutes=minute),
        dataschema="",
        correlationid="x",
        sequence=minute + 1,
        data=msgspec.Raw(msgspec.json.encode(data)),
    )


TOMORROW = NOON + timedelta(days=1)


def test_two_promises_that_overlap_are_found() -> None:
    assert (
        double_booked(
            [matched("1", 0, TOMORROW), matched("2", 1, TOMORROW + timedelta(minutes=20))]
        )
        == 1
    )


def test_promises_one_after_the_other_are_fine() -> None:
    assert (
        double_booked(
            [matched("1", 0, TOMORROW), matched("2", 1, TOMORROW + timedelta(minutes=30))]
        )
        == 0
    )


def test_a_promise_given_back_before_the_next_is_fine_and_after_it_is_not() -> None:
    first, second = matched("1", 0, TOMORROW), matched("2", 5, TOMORROW)
    assert double_booked([first, released("1", 3, TOMORROW), second]) == 0
    assert double_booked([first, second, released("1", 7, TOMORROW)]) == 1


def test_two_needs_of_one_way_have_one_helper_and_are_no_double_booking() -> None:
    later = TOMORROW + timedelta(minutes=45)
    first, second = matched("1", 0, TOMORROW), matched("2", 1, later, shares_with="1")
    week = [opened("1", TOMORROW), opened("2", later), first, second]
    assert double_booked(week) == 0
    (clash,) = citizen_clashes(week)
    assert clash.answered
    assert clash.one_helper


def test_a_match_told_again_with_other_times_replaces_what_was_promised_before() -> None:
    moved = TOMORROW + timedelta(hours=5)
    events = [matched("1", 0, TOMORROW), matched("1", 3, moved), matched("2", 5, TOMORROW)]
    assert double_booked(events) == 0


def test_two_helpers_at_one_door_or_nobody_told_is_a_clash_without_an_answer() -> None:
    needs = [opened("1", TOMORROW), opened("2", TOMORROW)]
    assert [one.answered for one in citizen_clashes(needs)] == [False]
    two = [matched("1", 0, TOMORROW), matched("2", 1, TOMORROW, helper="another")]
    assert [one.answered for one in citizen_clashes([*needs, *two])] == [False]
    assert (
        citizen_clashes([opened("1", TOMORROW), opened("2", TOMORROW + timedelta(hours=4))]) == []
    )


def test_appointments_that_follow_each_other_nearby_are_one_way_and_far_away_are_not() -> None:
    later, near = TOMORROW + timedelta(minutes=45), "randers-nursing-clinic"
    first = opened("1", TOMORROW, "randers-health-centre")
    assert len(citizen_clashes([first, opened("2", later, near)])) == 1
    assert citizen_clashes([first, opened("2", later, "grenaa-health-house")]) == []
    assert citizen_clashes([first, opened("2", later, "not-known-here")]) == []


def test_a_clash_of_which_the_coordinator_was_told_is_answered() -> None:
    raised = AttentionRaised(
        attention_id=an_id("item"),
        kind="clash",
        urgency="today",
        department="randers-norddjurs",
        reasons=("clash",),
        need_id=an_id("need of 2"),
        other_need_id=an_id("need of 1"),
    )
    overlapping = TOMORROW + timedelta(minutes=15)
    needs = [opened("1", TOMORROW), opened("2", overlapping, "randers-health-centre")]
    told = event(AttentionRaised.EVENT_TYPE, 1, raised)
    assert [one.answered for one in citizen_clashes([*needs, told])] == [True]


@pytest.mark.parametrize("reason", ["clash", "nobody_answered"])
def test_of_two_needs_that_clash_only_the_clash_itself_is_told(reason: str) -> None:
    escalated = MatchEscalated(
        need_id=an_id("need of 2"),
        pathway="escort",
        department="randers-norddjurs",
        reason=reason,
        asked=0,
        missing=1,
        excluded={},
    )
    needs = [opened("1", TOMORROW), opened("2", TOMORROW, "randers-health-centre")]
    told = event(MatchEscalated.EVENT_TYPE, 1, escalated)
    assert [one.answered for one in citizen_clashes([*needs, told])] == [reason == "clash"]


def test_the_story_of_one_appointment_leaves_out_the_others() -> None:
    mine = Line("1", NOON, "dk.brobyg.offer.declined", Sentence("The volunteer said no"))
    other = Line("2", NOON, "dk.brobyg.offer.declined", Sentence("Another one"))
    assert tell([other, mine], frozenset({"1"})) == [("Tue 13:00", "The volunteer said no")]


async def test_a_sender_tries_again_until_the_service_is_back() -> None:
    answers = iter([503, 502, 201])
    transport = httpx2.MockTransport(lambda request: httpx2.Response(next(answers)))
    async with httpx2.AsyncClient(transport=transport) as http:
        assert (
            await send_until_answered(http, "POST", "http://referral.example/fhir")
        ).status_code == 201


async def test_a_sender_that_never_gets_through_says_so_without_the_query() -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused", request=request)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(refuse)) as http:
        with pytest.raises(ServiceUnreachable, match="ConnectError") as found:
            await send_until_answered(
                http, "PUT", "http://referral.example/fhir?identifier=A-1", patience=0.2
            )
    assert "A-1" not in str(found.value)


def test_the_committed_week_can_be_played(tmp_path: Path) -> None:
    week = load(EXAMPLE)
    assert (len(week.messages), len(week.referrals), len(week.volunteers)) == (574, 26, 40)
    large = next(message for message in week.messages if message.inflate)
    assert len(large.content()) > 1024 * 1024
    cut = [message for message in week.messages if message.note == "not JSON"]
    for message in cut:
        with pytest.raises(msgspec.DecodeError):
            msgspec.json.decode(message.content())


@pytest.mark.parametrize(
    ("reason", "answered"),
    [("clash", True), ("part_of_way", True), ("nobody_available", False)],
)
def test_what_is_told_of_two_needs_that_are_in_each_others_way_answers_them(
    reason: str, answered: bool
) -> None:
    data = MatchEscalated(
        need_id=an_id("need of 2"), pathway="escort", department="randers-norddjurs",
        reason=reason, asked=0, missing=1, excluded={},
    )  # fmt: skip
    needs = [opened("1", TOMORROW), opened("2", TOMORROW)]
    told = event(MatchEscalated.EVENT_TYPE, 2, data)
    assert [one.answered for one in citizen_clashes([*needs, told])] == [answered]
