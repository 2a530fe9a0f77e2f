"""A volunteer answers, or takes an answer back, or a coordinator has it searched once more: one transaction under the match's lock.

Who answers is locked after it.
"""

from collections.abc import Callable
from typing import Literal
from uuid import UUID

from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_kit.database import Database, Transaction
from itsdangerous import BadSignature, URLSafeSerializer

from brobyg_matching.domain import transitions
from brobyg_matching.domain.match import PROMISED, Change, Context, Match, Offer
from brobyg_matching.domain.transitions import Refused
from brobyg_matching.domain.travel import policy_of
from brobyg_matching.domain.world import Referral
from brobyg_matching.metrics import MatchingMetrics
from brobyg_matching.ports import Answers, TwoPlacesAtOnce

Answer = Literal["accept", "decline"]
_SALT = "offer-answer"


class UnknownOffer(LookupError):
    """There is no such offer."""


class UnknownMatch(LookupError):
    """There is no such appointment here."""


class Links:
    """Signed links: the token says which offer it is about and nothing else. What has become of the offer is in the database."""

    def __init__(self, key: str) -> None:
        """Raises ValueError when the key is too short to sign with."""
        if len(key) < 16:
            raise ValueError(
                "BROBYG_MATCHING_LINK_KEY must be at least 16 characters, better 32, of chance"
            )
        self._serializer = URLSafeSerializer(key, salt=_SALT)

    def token(self, offer_id: str) -> str:
        """The token of an offer; the same each time."""
        return str(self._serializer.dumps(offer_id))

    def offer_id(self, token: str) -> str:
        """The offer of a token. Raises UnknownOffer for one that was not signed here."""
        try:
            return str(UUID(str(self._serializer.loads(token))))
        except (BadSignature, ValueError) as error:
            raise UnknownOffer from error


class Answering:
    """Takes answers. Two at the same instant are taken one after the other; the second finds what the first left."""

    def __init__(self, database: Database, store: Answers, metrics: MatchingMetrics) -> None:
        """Keeps nothing of its own."""
        self._database, self._store, self._metrics = database, store, metrics

    async def answer(self, offer_id: str, answer: Answer) -> Literal["accepted", "declined"]:
        """Take the answer and return the offer's state; the same answer again has no effect.

        Raises UnknownOffer; Refused when it can't be taken (any more); an asyncpg error or OSError when the database is in the way.
        """
        try:
            async with self._database.transaction() as tx:
                change = await self._apply(tx, offer_id, answer)
        except TwoPlacesAtOnce as error:
            raise self._refused("elsewhere") from error
        except Refused as refused:
            self._metrics.refusals.labels(refused.why).inc()
            raise
        if change is not None:
            self._metrics.observe([change])
        return "accepted" if answer == "accept" else "declined"

    def _refused(self, why: transitions.Refusal) -> Refused:
        self._metrics.refusals.labels(why).inc()
        return Refused(why)

    async def _apply(self, tx: Transaction, offer_id: str, answer: Answer) -> Change | None:
        found = await self._store.offer(tx, offer_id)
        if found is None:
            raise UnknownOffer
        match, offer, referral = found
        if not transitions.check_open(
            offer, "accepted" if answer == "accept" else "declined", tx.clock.now()
        ):
            return None
        if answer == "accept":
            change = await self._accept(tx, match, offer, referral)
            # Their other questions hang on other matches, which must not be locked behind the volunteer: a timer sees to them at once.
            tx.schedule(PROMISED, offer.volunteer_id, tx.now)
        else:
            change = transitions.declined(match, offer, await self._context(tx, match, referral))
        await self._store.save(tx, (), [(change, None)])
        return change

    async def _accept(
        self, tx: Transaction, match: Match, offer: Offer, referral: Referral
    ) -> Change:
        # The volunteer's lock first, then what they have promised: another answer of theirs may have been taken meanwhile.
        volunteer = await self._store.volunteer(tx, offer.volunteer_id)
        if volunteer is None:
            raise UnknownOffer
        return transitions.accepted(
            match, offer, volunteer, await self._context(tx, match, referral)
        )

    async def _context(self, tx: Transaction, match: Match, referral: Referral) -> Context:
        world = await self._store.world(
            tx, {match.citizen_id}, [match.starts_at.astimezone(LOCAL_ZONE).date()]
        )
        return Context(tx.clock.now(), policy_of(referral.pathway), referral, world)

    async def release(self, appointment_id: str, volunteer_id: str | None) -> None:
        """Who accepted can't after all. With `volunteer_id` only that volunteer's own match is released.

        Raises UnknownMatch; Refused when nobody (or somebody else) is matched, or it has begun.
        """

        def released(match: Match, context: Context) -> Change:
            if volunteer_id is not None and match.volunteer_id != volunteer_id:
                raise UnknownMatch
            return transitions.volunteer_withdrew(match, context)

        await self._move(appointment_id, released)

    async def reopen(self, appointment_id: str) -> None:
        """Search company once more for what is with the coordinator. Raises UnknownMatch; Refused when it isn't, or it is too late."""
        await self._move(appointment_id, transitions.reopened)

    async def _move(self, appointment_id: str, step: Callable[[Match, Context], Change]) -> None:
        async with self._database.transaction() as tx:
            touched = await self._store.load(tx, (), (appointment_id,), ())
            match = touched.matches.get(appointment_id)
            if match is None:
                raise UnknownMatch
            change = step(
                match, await self._context(tx, match, touched.referrals[match.referral_id])
            )
            await self._store.save(tx, (), [(change, None)])
        self._metrics.observe([change])
