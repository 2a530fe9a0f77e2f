"""Helpers in PostgreSQL: their profile, their contact kept apart, and who read it."""

from collections.abc import Callable, Collection
from datetime import datetime

import msgspec
from brobyg_kit import access_log
from brobyg_kit.auth import Caller
from brobyg_kit.database import Database, Transaction
from brobyg_kit.erasure import erased
from brobyg_kit.statements import unnest
from brobyg_kit.tables import Id
from sqlalchemy import ARRAY, Date, Text, bindparam, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from brobyg_matching.adapters import erased_helpers, rows
from brobyg_matching.adapters.contacts import SealedContacts
from brobyg_matching.adapters.tables import (
    block,
    helper,
    helper_contact,
    paper,
    registration,
    roster,
    turn,
)
from brobyg_matching.domain.helper import Helper
from brobyg_matching.ports import Contact, RegisteredRequest

_IDS = bindparam("helpers", type_=ARRAY(Id))
_HELPERS = select(helper).where(helper.c.helper_id == func.any(_IDS)).order_by(helper.c.helper_id)
_LOCK = _HELPERS.with_for_update(key_share=True)
_LOCK_FREE = _HELPERS.with_for_update(key_share=True, skip_locked=True)
_PAPERS = select(paper).where(paper.c.helper_id == func.any(_IDS))


class PostgresHelpers:
    """`ports.Helpers` on the service's own database, and what the API reads of helpers."""

    def __init__(self, database: Database, contacts: SealedContacts) -> None:
        """Store the arguments."""
        self._database, self._contacts = database, contacts

    async def registered(
        self, tx: Transaction, key_hashes: Collection[bytes]
    ) -> RegisteredRequest | None:
        """See `ports.Helpers.registered`."""
        # In one order, so that two transactions never wait for each other.
        for one in sorted(key_hashes):
            lock = int.from_bytes(one[:8], "big", signed=True)
            await tx.connection.execute(select(func.pg_advisory_xact_lock(lock)))
        columns = (registration.c[name] for name in RegisteredRequest.__struct_fields__)
        found = await tx.connection.execute(
            select(*columns).where(registration.c.key_hash.in_(key_hashes))
        )
        row = found.first()
        return RegisteredRequest(*row) if row else None

    async def alike(self, tx: Transaction, contact: Contact) -> list[str]:
        """See `ports.Helpers.alike`."""
        return await self._contacts.alike(tx, contact)

    async def add(
        self,
        tx: Transaction,
        added: Helper,
        contact: Contact,
        request: RegisteredRequest | None = None,
    ) -> None:
        """See `ports.Helpers.add`."""
        times = {"registered_at": tx.now, "inactive_since": _inactive_since(tx, added)}
        await tx.connection.execute(insert(helper).values(rows.helper_values(added) | times))
        await self._contacts.add(tx, added.helper_id, contact)
        await tx.connection.execute(insert(turn).values(helper_id=added.helper_id))
        if request is not None:
            await tx.connection.execute(
                insert(registration).values(
                    msgspec.structs.asdict(request) | {"registered_at": tx.now}
                )
            )
        await _save_papers(tx, added)
        await _count_up(tx, added.departments)

    async def lock(
        self, tx: Transaction, helper_ids: Collection[str], *, wait: bool = True
    ) -> dict[str, Helper]:
        """See `ports.Helpers.lock`."""
        given = {"helpers": sorted(helper_ids)}
        found = await tx.connection.execute(_LOCK if wait else _LOCK_FREE, given)
        papers = rows.papers_of(await tx.connection.execute(_PAPERS, given))
        return {
            row["helper_id"]: rows.helper_of(row, papers.get(row["helper_id"], {}))
            for row in found.mappings()
        }

    async def update(self, tx: Transaction, before: Helper, changed: Helper) -> None:
        """See `ports.Helpers.update`."""
        values = rows.helper_values(changed)
        # Lifting a restriction is a sign of them: nobody is erased by time that same night.
        lifted = before.status == "restricted"
        if lifted or (before.status == "active") != (changed.status == "active"):
            values["inactive_since"] = _inactive_since(tx, changed)
        await tx.connection.execute(
            update(helper).where(helper.c.helper_id == changed.helper_id).values(values)
        )
        await _save_papers(tx, changed)
        await _count_up(tx, {*before.departments, *changed.departments})

    async def erase(self, tx: Transaction, before: Helper, left: Helper) -> None:
        """See `ports.Helpers.erase`."""
        await erased_helpers.destroy(tx, before.helper_id)
        await self._contacts.destroy(tx, before.helper_id)
        await self.update(tx, before, left)
        await self.forget_times(tx, before.helper_id)

    async def forget_times(self, tx: Transaction, helper_id: str) -> None:
        """See `ports.Helpers.forget_times`."""
        await erased_helpers.forget_times(tx, helper_id)

    async def bound(self, tx: Transaction, helper_id: str) -> list[str]:
        """See `ports.Helpers.bound`."""
        return await erased_helpers.bound(tx, helper_id)

    async def left(self, tx: Transaction, before: datetime, most: int) -> dict[str, Helper]:
        """See `ports.Helpers.left`."""
        return await self.lock(tx, await erased_helpers.left(tx, before, most))

    async def block(self, tx: Transaction, helper_id: str, citizen_id: str, asked_by: str) -> None:
        """See `ports.Helpers.block`."""
        if await erased(tx, [citizen_id]):
            return
        values = {
            "helper_id": helper_id, "citizen_id": citizen_id, "asked_by": asked_by,
            "blocked_at": tx.now,
        }  # fmt: skip
        await tx.connection.execute(upsert(block).values(values).on_conflict_do_nothing())

    async def get(self, helper_id: str) -> Helper | None:
        """The helper without contact, or None."""
        given = {"helpers": [helper_id]}
        async with self._database.connect() as connection:
            row = (await connection.execute(_HELPERS, given)).mappings().first()
            papers = rows.papers_of(await connection.execute(_PAPERS, given))
        return rows.helper_of(row, papers.get(helper_id, {})) if row else None

    async def language(self, helper_id: str) -> str | None:
        """The language a helper reads. Names nobody, so it is not recorded as a reading."""
        async with self._database.connect() as connection:
            language: str | None = await connection.scalar(
                select(helper_contact.c.language).where(helper_contact.c.helper_id == helper_id)
            )
        return language

    async def is_erased(self, helper_id: str) -> bool:
        """Whether the helper was erased, from the moment on in which that was answered."""
        async with self._database.connect() as connection:
            found = select(helper.c.status).where(helper.c.helper_id == helper_id)
            return bool(await connection.scalar(found) == "erased")

    async def contact(
        self,
        helper_id: str,
        caller: Caller,
        purpose: str,
        check: Callable[[Helper | None], None] = lambda _: None,
    ) -> Contact | None:
        """How the helper is reached, or None.

        `check` refuses by an error; the locked helper can't be restricted or erased meanwhile. Who
        reads it and what for is recorded in the same transaction.
        """
        async with self._database.transaction() as tx:
            check((await self.lock(tx, (helper_id,))).get(helper_id))
            found = await self.reached(tx, helper_id)
            if found is not None:
                await access_log.record(tx, caller, [helper_id], purpose)
        return found

    async def reached(self, tx: Transaction, helper_id: str) -> Contact | None:
        """How the helper is reached, or None; whoever asks records it in the access log."""
        return await self._contacts.read(tx, helper_id)


def _inactive_since(tx: Transaction, one: Helper) -> datetime | None:
    """For a helper whose status is so from now on."""
    return None if one.status == "active" else tx.now


async def _save_papers(tx: Transaction, one: Helper) -> None:
    if not one.papers:
        return
    kinds = {"helper_id": Id, "kind": Text(), "since": Date(), "valid_until": Date()}
    given = unnest(
        kinds,
        [(one.helper_id, kind, its.since, its.valid_until) for kind, its in one.papers.items()],
    )
    statement = upsert(paper).from_select(
        [paper.c[name] for name in kinds], select(*(given.c[name] for name in kinds))
    )
    await tx.connection.execute(
        statement.on_conflict_do_update(
            index_elements=[*paper.primary_key],
            set_={name: statement.excluded[name] for name in ("since", "valid_until")},
        )
    )


async def _count_up(tx: Transaction, departments: Collection[str]) -> None:
    """Tell all processes that helpers of these departments have changed."""
    given = unnest({"department": Text()}, [(one,) for one in sorted(departments)])
    statement = upsert(roster).from_select(
        [roster.c.department, roster.c.version], select(given.c.department, literal(1))
    )
    await tx.connection.execute(
        statement.on_conflict_do_update(
            index_elements=[roster.c.department], set_={"version": roster.c.version + 1}
        )
    )
