"""Reference data over HTTP: read by everybody, changed by head office."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx2
import pytest
from brobyg_kit.testing import Running, bearer
from reference_data import store_reference

from tests.reference.parts import OWNER

HEAD_OFFICE = bearer("coordinator")


@pytest.fixture
async def client(
    serve: Callable[..., AbstractAsyncContextManager[Running]],
) -> AsyncIterator[httpx2.AsyncClient]:
    """The owner's API, with the project's own reference data."""
    async with serve(OWNER) as running:
        assert running.runtime.database is not None
        await store_reference(running.runtime.database)
        yield running.client


async def put(
    client: httpx2.AsyncClient, body: dict[str, Any], etag: str | None = None, **headers: str
) -> httpx2.Response:
    seen = {"If-Match": etag} if etag else {}
    return await client.put(
        f"/reference/place/{body['id']}", json=body, headers={**HEAD_OFFICE, **headers, **seen}
    )


async def hospital(client: httpx2.AsyncClient) -> tuple[dict[str, Any], str]:
    """The hospital as it can be put, and its ETag."""
    answer = await client.get("/reference/place/randers-hospital", headers=bearer("volunteer"))
    assert answer.status_code == 200
    body = answer.json()
    del body["version"]
    return body, answer.headers["ETag"]


async def test_everybody_reads_the_entries_of_a_kind(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/reference/department", headers=bearer("referrer"))
    [department] = answer.json()
    assert department["id"] == "randers-norddjurs"
    assert department["version"] == 1
    assert len((await client.get("/reference/postcode", headers=HEAD_OFFICE)).json()) == 1089
    assert (await client.get("/reference/department")).status_code == 401


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/reference/street", 422),
        ("/reference/place/nowhere", 404),
        ("/reference/place/Upper", 422),
    ],
)
async def test_what_is_not_there_is_told(
    client: httpx2.AsyncClient, path: str, status: int
) -> None:
    assert (await client.get(path, headers=HEAD_OFFICE)).status_code == status


async def test_an_entry_is_changed_by_whoever_has_seen_its_last_version(
    client: httpx2.AsyncClient,
) -> None:
    body, etag = await hospital(client)
    changed = await put(client, {**body, "label": "RHR"}, etag)
    assert (changed.status_code, changed.json()["label"], changed.json()["version"]) == (
        200, "RHR", 2,
    )  # fmt: skip
    assert changed.headers["ETag"] == '"2"'
    late = await put(client, {**body, "label": "another"}, etag)
    assert late.status_code == 412
    assert "has version 2" in late.json()["detail"]
    unseen = await put(client, {**body, "label": "another"})
    assert unseen.status_code == 428
    same = await put(client, {**body, "label": "RHR"}, '"2"')
    assert same.headers["ETag"] == '"2"'


async def test_a_new_place_is_there_at_once(client: httpx2.AsyncClient) -> None:
    body, _ = await hospital(client)
    new = {**body, "id": "new-house", "aliases": []}
    made = await put(client, new)
    assert (made.status_code, made.headers["ETag"]) == (201, '"2"')
    found = await client.get("/reference/place/new-house", headers=HEAD_OFFICE)
    assert found.json() == made.json()
    assert (await put(client, {**new, "id": "newer-house"}, '"7"')).status_code == 412


async def test_what_does_not_fit_the_rest_is_refused_with_the_reason(
    client: httpx2.AsyncClient,
) -> None:
    body, etag = await hospital(client)
    refused = await put(client, {**body, "calendar_record": "calendar/none"}, etag)
    assert refused.status_code == 422
    assert "calendar 'none' is not a known calendar" in refused.json()["errors"][0]["detail"]
    malformed = await put(client, {**body, "latitude": "far"}, etag)
    assert malformed.json()["errors"][0]["pointer"] == "/latitude"
    other = await client.put("/reference/place/another", json=body, headers=HEAD_OFFICE)
    assert other.json()["errors"] == [{"pointer": "/id", "detail": "expected another"}]
    assert (await put(client, body, "7")).status_code == 400


async def test_only_head_office_changes_it(client: httpx2.AsyncClient) -> None:
    body, etag = await hospital(client)
    department = bearer("coordinator", department="randers-norddjurs")
    for headers in (department, bearer("analyst")):
        assert (await put(client, body, etag, **headers)).status_code == 403


async def test_a_postcode_moves_to_another_municipality_only_when_it_is_said(
    client: httpx2.AsyncClient,
) -> None:
    path = "/reference/postcode/8990"
    found = await client.get(path, headers=HEAD_OFFICE)
    body = {name: value for name, value in found.json().items() if name != "version"}
    moved, headers = {**body, "municipality_code": "0791"}, {**HEAD_OFFICE, "If-Match": '"1"'}
    for query in ("", "?move=false"):
        refused = await client.put(path + query, json=moved, headers=headers)
        assert refused.status_code == 422
        assert refused.json()["errors"] == [
            {
                "pointer": "",
                "detail": "postcode/8990 moves from municipality 0730 to 0791: say so (`--move`;"
                " over HTTP `?move=true`)",
            }
        ]
    assert (await client.get(path, headers=HEAD_OFFICE)).json() == found.json()
    renamed = await client.put(path, json={**body, "label": "Faarup"}, headers=headers)
    assert renamed.status_code == 200, "it does not move"
    headers["If-Match"] = renamed.headers["ETag"]
    done = await client.put(path + "?move=true", json=moved, headers=headers)
    assert (done.status_code, done.json()["municipality_code"]) == (200, "0791")
