"""The portal finds the helpers who sign in by their mail address: ids alone."""

import pytest
from brobyg_kit.testing import Running
from matching_api import COORDINATOR, PORTAL, active

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def known(matching: Running, email: str) -> list[str]:
    answer = await matching.client.post(
        "/volunteers/sign-in", json={"email": email}, headers=PORTAL
    )
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["people"]
    return [str(one) for one in answer.json()["people"]]


async def may(matching: Running, helper_id: str) -> int:
    path = f"/volunteers/{helper_id}/sign-in"
    return (await matching.client.get(path, headers=PORTAL)).status_code


async def test_a_helper_is_found_by_the_address_until_they_are_erased(matching: Running) -> None:
    made, client = await active(matching), matching.client
    one = f"/volunteers/{made}"
    for written in ("ida0@example.org", "IDA0@Example.ORG"):
        assert await known(matching, written) == [made]
    assert await known(matching, "ida@example.org") == []
    assert await may(matching, made) == 204
    await client.post(f"{one}/pause", headers=COORDINATOR)
    assert await known(matching, "ida0@example.org") == [made], "a pause is no goodbye"
    body = {"reason": "objection"}
    await client.put(f"{one}/restriction", json=body, headers=COORDINATOR)
    assert await known(matching, "ida0@example.org") == [made], "they may see what is kept"
    assert await may(matching, made) == 204
    await client.delete(f"{one}?reason=requested", headers=COORDINATOR)
    assert await known(matching, "ida0@example.org") == []
    assert await may(matching, made) == 410


async def test_what_is_no_address_is_refused_without_a_word_of_it(matching: Running) -> None:
    answer = await matching.client.post(
        "/volunteers/sign-in", json={"email": "ida\n@example.org"}, headers=PORTAL
    )
    assert answer.status_code == 422
    assert "ida" not in answer.text
