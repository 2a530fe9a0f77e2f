"""A citizen without e-mail is phoned: the coordinator is told once, without personal data."""

from brobyg_contracts import MatchReleased, NotificationFailed, VolunteerMatched


async def test_the_coordinator_is_asked_to_phone_a_citizen_without_e_mail(
    parts_for, mail_server, owners, cause, clock
) -> None:
    owners.citizen(email=None)
    match, released = cause(VolunteerMatched), cause(MatchReleased)
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(match)
        await parts.ended("sent", "failed", "sent")
        await parts.receive(match)
        await parts.receive(released)
        await parts.ended("sent", "failed", "sent", "sent", "failed", "sent")
        assert [kind for kind, _ in await parts.emitted()].count(NotificationFailed.EVENT_TYPE) == 2
    first, second = mail_server.to("coordinator@example.org")
    assert "en frivillig følger med" in str(first.get_body(("plain",)).get_content())
    told = str(second.get_body(("plain",)).get_content())
    assert "Regionshospitalet Randers" in told
    assert match.subject in told
    assert not any(name in told for name in ("Einer", "Ellen", "Testgrusgraven"))


async def test_the_coordinator_is_asked_to_phone_a_citizen_whose_address_is_refused(
    parts_for, mail_server, cause, clock
) -> None:
    mail_server.answers["einer@example.org"] = ["550 5.1.1 no such user"]
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))
        await parts.ended("sent", "failed", "sent")
    (mail,) = mail_server.to("coordinator@example.org")
    assert "eller den tager ikke imod vores beskeder" in str(
        mail.get_body(("plain",)).get_content()
    )


async def test_a_coordinators_message_that_fails_leads_to_no_other(
    parts_for, mail_server, owners, cause, clock
) -> None:
    owners.citizen(email=None)
    mail_server.answers["coordinator@example.org"] = ["550 5.1.1 no such user"]
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))
        await parts.ended("sent", "failed", "failed")


async def test_the_department_that_runs_the_escort_phones_wherever_the_place_of_care_is(
    parts_for, mail_server, owners, cause, clock
) -> None:
    owners.citizen(email=None)
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched, location_id="grenaa-health-house"))
        await parts.ended("sent", "failed", "sent")
    assert len(mail_server.to("coordinator@example.org")) == 1
