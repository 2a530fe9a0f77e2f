"""A citizen without e-mail is phoned: the coordinator is told once, without personal data."""

from brobyg_contracts import MatchReleased, NotificationFailed, VolunteerMatched
from msgspec import UNSET


async def test_the_coordinator_is_asked_to_phone_a_citizen_without_e_mail(
    office_for, post_office, owners, cause, clock
) -> None:
    owners.citizen(email=None)
    match, released = cause(VolunteerMatched), cause(MatchReleased)
    async with office_for(clock) as office, office.delivering():
        await office.receive(match)
        await office.ended("sent", "failed", "sent")
        await office.receive(match)
        await office.receive(released)
        await office.ended("sent", "failed", "sent", "sent", "failed", "sent")
        assert [kind for kind, _ in await office.emitted()].count(
            NotificationFailed.EVENT_TYPE
        ) == 2
    first, second = post_office.to("coordinator@example.org")
    assert "en frivillig følger med" in str(first.get_body(("plain",)).get_content())
    told = str(second.get_body(("plain",)).get_content())
    assert "Regionshospitalet Randers" in told
    assert match.subject in told
    assert not any(name in told for name in ("Einer", "Ellen", "Testgrusgraven"))


async def test_the_coordinator_is_asked_to_phone_a_citizen_whose_address_is_refused(
    office_for, post_office, cause, clock
) -> None:
    post_office.answers["einer@example.org"] = ["550 5.1.1 no such user"]
    async with office_for(clock) as office, office.delivering():
        await office.receive(cause(VolunteerMatched))
        await office.ended("sent", "failed", "sent")
    (mail,) = post_office.to("coordinator@example.org")
    assert "eller den tager ikke imod vores beskeder" in str(
        mail.get_body(("plain",)).get_content()
    )


async def test_a_coordinators_message_that_fails_leads_to_no_other(
    office_for, post_office, owners, cause, clock
) -> None:
    owners.citizen(email=None)
    post_office.answers["coordinator@example.org"] = ["550 5.1.1 no such user"]
    async with office_for(clock) as office, office.delivering():
        await office.receive(cause(VolunteerMatched))
        await office.ended("sent", "failed", "failed")


async def test_the_department_that_runs_the_escort_phones_wherever_the_place_of_care_is(
    office_for, post_office, owners, cause, clock
) -> None:
    owners.citizen(email=None)
    async with office_for(clock) as office, office.delivering():
        await office.receive(cause(VolunteerMatched, location_id="grenaa-health-house"))
        await office.ended("sent", "failed", "sent")
    assert len(post_office.to("coordinator@example.org")) == 1


async def test_a_match_that_does_not_say_its_department_is_left_to_the_failure(
    office_for, owners, cause, clock
) -> None:
    owners.citizen(email=None)
    async with office_for(clock) as office, office.delivering():
        await office.receive(cause(VolunteerMatched, department=UNSET))
        await office.ended("sent", "failed")
