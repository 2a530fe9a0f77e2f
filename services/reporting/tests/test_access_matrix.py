"""Who may do what: every endpoint as every role, of the own and of another department."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from access_matrix import Ask, Own, faults, operators_asks
from brobyg_kit.testing import Running, bearer, eventually
from brobyg_reporting.bootstrap import SERVICE
from reference_data import give_reference

from .stories import DEPARTMENT, ELSEWHERE, HELPER, ITEM, NEED, REFERRAL, facts, keep, story, told

Serve = Callable[..., AbstractAsyncContextManager[Running]]


async def test_every_endpoint_answers_every_role_as_the_table_says(serve: Serve) -> None:
    async with serve(SERVICE) as running:
        assert running.runtime.database is not None
        await give_reference(running.runtime.database)
        raised = told("attention.raised", 200, facts(), "matching")
        await keep(running, [*story(), raised])

        async def is_told() -> bool:
            answer = await running.client.get(f"/attention/{ITEM}", headers=bearer("analyst"))
            return answer.status_code == 200

        await eventually(is_told, "the story is told")
        mine = f"/attention?department={DEPARTMENT}"
        asks = [
            Ask("GET /referrals", "/referrals", outside=None, listed=REFERRAL),
            Ask("GET /referrals/{referral_id}/timeline", f"/referrals/{REFERRAL}/timeline"),
            Ask("GET /needs/{need_id}/explanation", f"/needs/{NEED}/explanation"),
            Ask("GET /needs/summary", "/needs/summary", outside=None, listed="0730"),
            Ask("GET /helpers/activity", "/helpers/activity", outside=None, listed=HELPER),
            Ask(
                "GET /matching/time-to-match",
                "/matching/time-to-match",
                outside=None,
                listed=DEPARTMENT,
            ),
            Ask("GET /counts", "/counts", outside=None, listed="dk.brobyg.referral.created"),
            Ask("GET /projections", "/projections", outside=None),
            Ask("GET /attention", "/attention", outside=None, listed=ITEM),
            Ask("GET /attention", mine, outside=403, listed=ITEM),
            Ask("GET /attention/{attention_id}", f"/attention/{ITEM}"),
            Ask("GET /citizens/{person_id}/export", f"/citizens/{HELPER}/export"),
            Ask("GET /volunteers/{person_id}/export", f"/volunteers/{HELPER}/export"),
        ]
        asks += await operators_asks(running)
        assert await faults(running, asks, Own(DEPARTMENT, ELSEWHERE)) == []
