"""A department is taken over by `brobyg reference apply` while needs of it are open, on real parts.

The owner of the reference data and matching run; their topics, databases and the command are real.
"""

import asyncio
import base64
import json
import shutil
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from brobyg_contracts import CitizenRecorded, ConsentGiven, NeedOpened
from brobyg_kit.clock import ManualClock
from brobyg_kit.ids import derived_id
from brobyg_kit.testing import Running, bearer, eventually
from brobyg_matching.bootstrap import SERVICE
from brobyg_referral.reference.entrypoints.cli import app
from reference_data import FOLDER
from typer.testing import CliRunner

from tests.reference.parts import OWNER

PATHWAYS = Path(__file__).parents[1] / "pathways"
OLD, PRESENT = "viborg", "randers-norddjurs"
KEYS = {
    "matching_link_keys": "a-link-key-of-these-tests-only",
    "matching_registration_keys": "a-registration-key-of-these-tests",
    "matching_encryption_key": base64.b64encode(b"m" * 32).decode(),
    "matching_lookup_key": base64.b64encode(b"l" * 32).decode(),
}
COORDINATOR = bearer("coordinator", department=PRESENT)
HEAD_OFFICE = bearer("coordinator")
NAVIGATORS = """pools:
  - id: navigator
    label: Sociale navigatører
    organisation: municipality-0730
    employed: true
    capacity: caseload
    limit: 30
"""
VIBORG = """departments:
  - id: viborg
    label: Viborg
    municipalities: ["0791"]
    pools: [student, navigator]
    pathways: [escort, toy_caseload]
    languages: [da]
    quiet_from: "22:00"
    quiet_to: "07:00"
    zone: Europe/Copenhagen
"""
#: What is changed in the file so that the one department has taken over the other.
TAKEN_OVER = (
    ("    label: Viborg\n", "    label: Viborg\n    withdrawn: true\n"),
    ('["0730", "0707"]', '["0730", "0707", "0791"]'),
    ("[student, retired_professional]", "[student, retired_professional, navigator]"),
    ("pathways: [escort]", "pathways: [escort, toy_caseload]"),
    ("former: [randers, norddjurs]", "former: [randers, norddjurs, viborg]"),
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Away from the checkout, whose running system the command would take for its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BROBYG_PATHWAYS", str(PATHWAYS))


def edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text)


async def registered(matching: Running, name: str, **fields: object) -> str:
    """An active helper, as soon as the service knows the department and pool."""
    body: dict[str, Any] = {
        "name": f"{name} Test", "email": f"{name}@example.org", "language": "da",
        "languages": ["da"], "gender": "female", "range_metres": 100_000, "travel": "car",
        "availability": [{"weekday": day, "from": "00:00", "to": "24:00"} for day in range(1, 8)],
        "weekly_limit": 5, "home_postcode": "8800", **fields,
    }  # fmt: skip
    made: list[str] = []

    async def known() -> bool:
        answer = await matching.client.post("/volunteers", json=body, headers=HEAD_OFFICE)
        made[:] = [answer.json()["helper_id"]] if answer.status_code == 201 else []
        return bool(made)

    await eventually(known, f"{name} is registered", 60)
    papers = {
        "confidentiality_signed_on": "2026-09-01", "record_checked_on": "2026-09-02",
        "introduced_on": "2026-09-03",
    }  # fmt: skip
    path = f"/volunteers/{made[0]}/activate"
    assert (await matching.client.post(path, json=papers, headers=HEAD_OFFICE)).status_code == 200
    return made[0]


async def opened(owner: Running, word: str, **fields: Any) -> str:
    """A need of a citizen whose record and consent are there; its id."""
    need_id, citizen_id = derived_id("test", word), derived_id("test", f"citizen of {word}")
    referral_id = derived_id("test", f"referral of {word}")
    assert owner.runtime.database is not None
    async with owner.runtime.database.transaction() as tx:
        record = CitizenRecorded(
            citizen_id=citizen_id, languages=("da",), gender_wish=None, mobility="independent",
            meeting="home", postcode="8800",
        )  # fmt: skip
        tx.emit(record, subject=citizen_id)
        consent = ConsentGiven(referral_id=referral_id, citizen_id=citizen_id)
        tx.emit(consent, subject=referral_id)
        need = NeedOpened(
            need_id=need_id, about_id=need_id, department=OLD, mode="in_person", priority=5,
            competences=(), referral_id=referral_id, citizen_id=citizen_id, policy_version=1,
            **fields,
        )  # fmt: skip
        tx.emit(need, subject=need_id)
    return need_id


@pytest.mark.timeout(240)
async def test_open_needs_of_a_department_that_is_taken_over_go_on_as_the_present_ones(
    serve: Callable[..., AbstractAsyncContextManager[Running]],
    topics: str,
    clock: ManualClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert topics
    folder = Path(shutil.copytree(FOLDER, tmp_path / "reference"))
    edit(folder / "pools.yaml", ("pools:\n", NAVIGATORS))
    edit(folder / "departments.yaml", ("departments:\n", VIBORG))
    async with (
        serve(OWNER, role="run") as owner,
        serve(SERVICE, role="run", clock=clock, **KEYS) as matching,
    ):
        assert owner.runtime.database is not None
        url = owner.runtime.database.url
        monkeypatch.setattr("brobyg_kit.database.database_url", lambda _server, _service: url)

        async def apply() -> dict[str, Any]:
            arguments = ["apply", str(folder), "--json"]
            done = await asyncio.to_thread(CliRunner().invoke, app, arguments)
            assert done.exit_code == 0, done.output
            answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
            return answer

        async def seat(need_id: str) -> dict[str, Any]:
            answer = await matching.client.get(f"/needs/{need_id}", headers=HEAD_OFFICE)
            return answer.json() if answer.status_code == 200 else {"seats": [{}], "offers": []}

        async def stands(need_id: str, **fields: object) -> None:
            async def so() -> bool:
                return fields.items() <= (await seat(need_id))["seats"][0].items()

            await eventually(so, f"the seat is {fields}", 60)

        async def asked(need_id: str, helper_id: str) -> None:
            async def so() -> bool:
                offers = (await seat(need_id))["offers"]
                return [o["helper_id"] for o in offers if o["state"] == "open"] == [helper_id]

            await eventually(so, "the helper is asked", 60)

        await apply()
        silent = await registered(matching, "silent", pool="student", department=OLD)
        start: datetime = clock.now() + timedelta(days=4)
        visit = await opened(
            owner, "visit", about_kind="appointment", pathway="escort",
            location_id="randers-hospital", starts_at=start, ends_at=start + timedelta(minutes=30),
        )  # fmt: skip
        case = await opened(owner, "case", about_kind="referral", pathway="toy_caseload")
        await asked(visit, silent)
        await stands(case, state="waiting", reason="capacity")
        helper = await registered(matching, "helper", pool="student", department=PRESENT)
        navigator = await registered(matching, "navigator", pool="navigator", department=PRESENT)
        assert (await seat(case))["seats"][0]["state"] == "waiting"

        edit(folder / "departments.yaml", *TAKEN_OVER)
        assert {f"department/{one}" for one in (OLD, PRESENT)} == {*(await apply())["changed"]}
        await stands(case, state="filled", helper_id=navigator)
        clock.advance(timedelta(hours=8))
        await asked(visit, helper)
        for name in (OLD, PRESENT):
            path = f"/needs?department={name}"
            found = (await matching.client.get(path, headers=COORDINATOR)).json()["items"]
            assert {one["need_id"] for one in found} == {visit, case}
            assert {one["department"] for one in found} == {PRESENT}
