"""Other rules of what finds a citizen: found meanwhile by old and new, made anew by itself."""

import asyncio
import hashlib
import re
import signal
import sys
from datetime import date
from pathlib import Path

import pytest
from brobyg_kit import faultpoints
from brobyg_kit.testing import bearer
from brobyg_referral.people.domain.contact import Contact
from brobyg_referral.people.domain.hashing import Hasher
from brobyg_referral.people.domain.names import RULES, Rules, terms_of
from rebuild_names import rebuilding
from referral_bench import Served
from referral_samples import CPR, OTHER_CPR, UNKNOWN_CPR, referral
from test_citizen_search import found

SCRIPT = Path(__file__).parent / "rebuild_names.py"
#: What the rules of a version were: what they make of a name of every letter.
KNOWN = dict.fromkeys((1, 2), "1eb057eeb431b6d178e73154804187cd63f8d176cd1c6387a6acb0f67861c6b8")
on_parts = pytest.mark.asyncio(loop_scope="session")


def newer() -> Rules:
    """By these, and not by those of now, Lauridsen sounds as Laurissen."""
    now = RULES[0]
    sounds = [(re.compile("ds"), "ss"), *now.sounds]
    return Rules(now.version + 1, now.letters, sounds)


def use(monkeypatch: pytest.MonkeyPatch, *rules: Rules) -> None:
    for module in ("adapters.citizens", "adapters.name_rebuild", "domain.names"):
        monkeypatch.setattr(f"brobyg_referral.people.{module}.RULES", rules)


def test_rules_that_change_are_a_version_of_their_own() -> None:
    """Else what is stored is of rules that nobody knows any more."""
    alphabet = "Æblegrød-Åse Schwarz Phillip Thøger Hjalmar Hvid Qvist Cecilie Xenia Zacharias"
    family = "Bødker Dahl Eskildsen Fjordbak Wiingaard Kjærsgård Łukasz Müller Öström Lauridsen"
    contact = Contact(given_name=alphabet, family_name=family, language="da", phone="+4520304050")
    terms = sorted(terms_of(contact, date(1960, 1, 2)))
    made = hashlib.sha256(repr(terms).encode()).hexdigest()
    assert made == KNOWN[RULES[0].version]


def test_versions_count_up_and_the_newest_is_the_first() -> None:
    versions = [one.version for one in RULES]
    assert versions == sorted(set(versions), reverse=True)


async def left(service: Served) -> int:
    async with service.database.connect() as connection:
        return await rebuilding(service.database).remaining(connection)


async def several(service: Served) -> list[str]:
    people = [referral(cpr)["citizen"] for cpr in (CPR, OTHER_CPR, UNKNOWN_CPR)]
    return sorted([(await service.referred(citizen=one))["citizen_id"] for one in people])


@on_parts
async def test_while_rules_change_citizens_are_found_by_old_and_new(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await several(service)
    use(monkeypatch, newer(), *RULES)
    assert await left(service) == 3
    assert sorted(await found(service, name="lauritsen")) == old, "as it sounded before"
    person = referral()["citizen"] | {"family_name": "Madsen"}
    again = referral() | {"pathway": "toy_caseload", "citizen": person}
    renewed = (await service.referred(**again))["citizen_id"]
    assert await left(service) == 2, "who is told anew is of the new rules"
    assert await found(service, name="massen") == [renewed]
    done = [one async for one in rebuilding(service.database).batches(1)]
    assert sum(one.rebuilt for one in done) == 2
    assert await left(service) == 0
    use(monkeypatch, newer())
    assert sorted(await found(service, name="laurissen")) == sorted(set(old) - {renewed})
    assert [one async for one in rebuilding(service.database).batches()] == []


@on_parts
async def test_a_process_of_the_older_rules_leaves_the_new_alone(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = RULES
    use(monkeypatch, newer(), *before)
    await several(service)
    use(monkeypatch, *before)
    assert await left(service) == 0
    # What it writes itself is found and made anew by the newer.
    await service.referred(pathway="toy_caseload")
    use(monkeypatch, newer(), *before)
    assert await left(service) == 1


@on_parts
@pytest.mark.parametrize(
    ("fault", "done"),
    [(faultpoints.BEFORE_REBUILT_NAMES_COMMIT, 0), (faultpoints.BETWEEN_REBUILT_NAMES, 2)],
)
async def test_a_rebuild_killed_half_way_goes_on_with_the_rest(
    service: Served, fault: str, done: int
) -> None:
    made = await several(service)
    await service.rows("delete from name_token")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), service.database.url, "2",
        env={"BROBYG_FAULT_POINT": fault, "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL
    assert await left(service) == 3 - done
    assert len(await found(service, name="lauridsen")) == done
    assert sum([one.rebuilt async for one in rebuilding(service.database).batches()]) == 3 - done
    assert await found(service, name="lauridsen", birth_date="1960-01-02"), "CPR numbers tell it"
    assert sorted(await found(service, name="lauridsen")) == made


@on_parts
async def test_who_can_not_be_opened_stops_nobody_and_stays_as_they_were(service: Served) -> None:
    made = await several(service)
    await service.rows(f"delete from person_key where person_id = '{made[0]}'")
    marker = Hasher(b"c" * 32).rules(RULES[0].version).hex()
    await service.rows(f"delete from name_token where token = '\\x{marker}'")
    done = [one async for one in rebuilding(service.database).batches()]
    assert (sum(one.rebuilt for one in done), sum(one.unreadable for one in done)) == (2, 1)
    assert await left(service) == 1
    assert sorted(await found(service, name="lauridsen")) == made


@on_parts
async def test_an_erasure_in_the_middle_of_a_search_and_of_a_rebuild_leaves_nothing(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await several(service)
    use(monkeypatch, newer(), *RULES)
    head_office, stop = bearer("coordinator"), asyncio.Event()

    async def searches() -> int:
        number = 0
        while not stop.is_set():
            told = await found(service, head_office, name="lauridsen", phone="20304050")
            assert set(told) <= set(made)
            number += 1
        return number

    async def rebuilds() -> None:
        while not stop.is_set():
            await service.rows(
                "delete from name_token where citizen_id in (select citizen_id"
                " from citizen where erased_at is null)"
            )
            async for done in rebuilding(service.database).batches(1):
                assert not done.unreadable

    async def erases() -> None:
        for one in made:
            answer = await service.running.client.delete(
                f"/citizens/{one}?reason=requested", headers=head_office
            )
            assert answer.status_code == 202, answer.text
            # From the answer on nobody finds them.
            assert one not in await found(service, head_office, name="lauridsen")
        stop.set()

    searched, _, _ = await asyncio.gather(searches(), rebuilds(), erases())
    assert searched
    assert await service.rows("select 1 from name_token union all select 1 from person_key") == []
