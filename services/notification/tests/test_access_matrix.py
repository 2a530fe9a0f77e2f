"""Who may do what: every endpoint as every role, of the own and of another department."""

from access_matrix import Ask, Own, faults, operators_asks
from brobyg_contracts import MatchEscalated, VolunteerMatched
from brobyg_notification.bootstrap import SERVICE
from brobyg_notification.domain import planning
from brobyg_notification.domain.attention import ATTENTION, mail_refused
from brobyg_notification.domain.planning import Calendars
from reference_data import give_reference

DEPARTMENT, ELSEWHERE = "randers-norddjurs", "aarhus"
PERSON = "0190f000-0000-7000-8000-00000000aaaa"


async def test_every_endpoint_answers_every_role_as_the_table_says(
    serve, cause, clock, required
) -> None:
    async with serve(SERVICE, clock=clock, **required) as running:
        database, handle = running.runtime.database, running.runtime.parts.handle
        await give_reference(database)
        escalated = cause(MatchEscalated)
        async with database.transaction() as transaction:
            await handle(transaction, [escalated])
        notice = planning.matched(cause(VolunteerMatched), Calendars()).notices[0]
        (item,) = mail_refused(notice, "refused", clock.now())
        async with database.transaction() as transaction:
            await ATTENTION.raise_(transaction, [(item, None)])
        path = f"/attention/{item.attention_id}"
        asks = [
            Ask("GET /notifications", "/notifications", outside=None, listed=escalated.subject),
            Ask("GET /citizens/{person_id}/export", f"/citizens/{PERSON}/export"),
            Ask("GET /volunteers/{person_id}/export", f"/volunteers/{PERSON}/export"),
            Ask("POST /attention/{attention_id}/claim", f"{path}/claim", again=409),
            Ask(
                "POST /attention/{attention_id}/settle",
                f"{path}/settle",
                {"outcome": "solved_by_phone"},
                again=409,
            ),
        ]
        asks += await operators_asks(running)
        assert await faults(running, asks, Own(DEPARTMENT, ELSEWHERE)) == []
