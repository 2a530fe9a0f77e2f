"""Forms: what is sent acts once, and what was typed when a session had ended is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec
from brobyg_kit.clock import Clock
from brobyg_kit.database import Database, Transaction
from brobyg_kit.timers import DueTimer
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from brobyg_portal.adapters.secrets import hash_of, is_secret, new_secret, seal, unseal
from brobyg_portal.adapters.tables import kept_form, spent
from brobyg_portal.domain.session import Session

#: The kind of the timers that delete what was kept too long.
KEPT_FORM = "kept_form"
#: How long what was typed is kept.
KEPT = timedelta(minutes=30)
#: How many forms of one person are kept; an older one makes way.
_MOST = 20
_USE = "form"
_k, _spent = kept_form.c, spent.c


@dataclass(frozen=True, slots=True)
class Before:
    """What a key did when it was used before."""

    #: The page that it was answered with; None while that is not known.
    led_to: str | None


class Spent:
    """Keys that act once."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """`clock` tells real time."""
        self._database, self._clock = database, clock

    async def spend(self, key: str) -> Before | None:
        """Use the key; what it did where it was used before."""
        row = {"key_hash": hash_of(key), "spent_at": self._clock.now()}
        statement = upsert(spent).values(row).on_conflict_do_nothing()
        async with self._database.connect() as connection:
            if (await connection.execute(statement)).rowcount:
                return None
            found = select(_spent.led_to).where(_spent.key_hash == hash_of(key))
            return Before(await connection.scalar(found))

    async def is_spent(self, key: str) -> bool:
        """Whether the key was used."""
        found = select(_spent.spent_at).where(_spent.key_hash == hash_of(key))
        async with self._database.connect() as connection:
            return (await connection.scalar(found)) is not None

    async def led_to(self, key: str, path: str) -> None:
        """Say with which page the use of the key was answered."""
        statement = update(spent).where(_spent.key_hash == hash_of(key)).values(led_to=path)
        async with self._database.connect() as connection:
            await connection.execute(statement)

    async def release(self, key: str) -> None:
        """The use had no effect: the key may be used again."""
        async with self._database.connect() as connection:
            await connection.execute(delete(spent).where(_spent.key_hash == hash_of(key)))


class KeptForms:
    """What was typed in a form whose session had ended, for whoever typed it, in the same browser.

    It opens by the browser's own secret alone.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        """`clock` tells real time."""
        self._database, self._clock = database, clock

    async def keep(
        self, secret: str | None, subject: str, path: str, fields: Sequence[tuple[str, str]]
    ) -> str:
        """Keep what `subject` typed at `path`; the secret by which it is found and opened.

        That of the browser's if it has one: a form at another path may be kept under it.
        """
        secret = secret if secret is not None and is_secret(secret) else new_secret()
        hashed, ends_at = _hash_of(secret, path), self._clock.now() + KEPT
        sealed = seal(secret, msgspec.json.encode(fields), subject, _USE + path)
        row = {
            "token_hash": hashed, "subject": subject, "path": path, "sealed": sealed,
            "ends_at": ends_at,
        }  # fmt: skip
        newest = (
            select(_k.token_hash)
            .where(_k.subject == subject)
            .order_by(_k.ends_at.desc())
            .limit(_MOST - 1)
        )
        async with self._database.transaction() as tx:
            await tx.connection.execute(
                delete(kept_form).where(_k.subject == subject, _k.token_hash.not_in(newest))
            )
            made = upsert(kept_form).values(row)
            await tx.connection.execute(
                made.on_conflict_do_update(index_elements=["token_hash"], set_=row)
            )
            tx.schedule(KEPT_FORM, hashed.hex()[:16], tx.now + KEPT)
        return secret

    async def typed(
        self, secret: str | None, session: Session, path: str
    ) -> Sequence[tuple[str, str]]:
        """What was typed at this path by who is signed in now; nothing of anybody else's."""
        if secret is None or not is_secret(secret):
            return ()
        statement = select(_k.sealed).where(
            _k.token_hash == _hash_of(secret, path),
            _k.subject == session.subject,
            _k.path == path,
            _k.ends_at > self._clock.now(),
        )
        async with self._database.connect() as connection:
            sealed = await connection.scalar(statement)
        plain = None if sealed is None else unseal(secret, sealed, session.subject, _USE + path)
        return () if plain is None else msgspec.json.decode(plain, type=list[tuple[str, str]])

    async def forget(self, secret: str, path: str) -> None:
        """Delete what was typed at this path."""
        this = _k.token_hash == _hash_of(secret, path)
        async with self._database.connect() as connection:
            await connection.execute(delete(kept_form).where(this))

    async def delete_over(self, tx: Transaction, timers: Sequence[DueTimer]) -> None:
        """A timer's handler: delete all that was kept too long.

        A service whose time runs fast has its timers too early, and looks again.
        """
        del timers
        await tx.connection.execute(delete(kept_form).where(_k.ends_at <= self._clock.now()))
        if await tx.connection.scalar(select(_k.ends_at).limit(1)):
            tx.schedule(KEPT_FORM, "rest", tx.now + KEPT)


def _hash_of(secret: str, path: str) -> bytes:
    return hash_of(f"{secret}\x00{path}")
