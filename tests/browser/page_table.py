"""PAGES: every page of the portal, and how a test opens it.

A page that is listed gets the tests of `test_every_page.py`; a route of the portal that answers
with pages and is not listed fails one of them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import get_args

from brobyg_portal.adapters.sessions import Sessions
from brobyg_portal.domain.session import Person
from brobyg_portal.errors import MatchingUnavailable, ServiceUnavailable, UnknownLink
from brobyg_portal.ports import Answer, Offer, OfferState, Reply
from playwright.async_api import Page as Tab

from .known_services import CHIEF, CITIZEN, ERASED, HELPER, LUCKY, OPERATOR, THEN

#: A link to sign in by, and the secret of the browser that asked for it.
LINK, ASKED_BY = "l" * 43, "b" * 43

#: Whose sessions can't be ended, as what would end them does not answer.
LOST = "019ad7a0-1f00-5c3a-9a51-3b7f0e6d2aff"

Act = Callable[[Tab], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Page:
    """One page, in one state."""

    #: In the tests' names, and the name of its pictures.
    name: str
    #: The template of its route; "" for what no route answers.
    route: str
    #: Its address.
    path: str
    status: int = 200
    #: What a reader does on it until it is in that state; None for nothing.
    act: Act | None = None
    #: Whether it is opened by who is signed in, and who that is: an administrator of staff.
    signed_in: bool = False
    who: Person = CHIEF
    #: Whether it is compared with its picture. One page of each look is enough.
    picture: bool = False
    #: Whether it is walked through by keyboard and turned right to left. Not where another state
    #: of it is made of the same parts.
    fully: bool = True


def _press(button: str) -> Act:
    async def act(tab: Tab) -> None:
        await tab.locator(f"button[value={button}]").click()

    return act


async def _answer_neither(tab: Tab) -> None:
    await tab.eval_on_selector("button[value=accept]", "button => { button.value = 'maybe' }")
    await tab.locator("button[value=maybe]").click()


async def _save_nothing(tab: Tab) -> None:
    await tab.locator("form[action='/parts'][method=post] button[type=submit]").click()
    await tab.locator("#errors").wait_for()


async def _open_dialog(tab: Tab) -> None:
    await tab.locator("[data-dialog=discard]").click()
    await tab.locator("dialog[open]").wait_for()


async def _end_nobodys(tab: Tab) -> None:
    await tab.locator("#subject").fill("nobody")
    await tab.locator("form[action='/sessions'] button[type=submit]").click()
    await tab.locator("#errors").wait_for()


async def _end_lost(tab: Tab) -> None:
    await tab.locator("#subject").fill(LOST)
    await tab.locator("form[action='/sessions'] button[type=submit]").click()


async def _send(tab: Tab) -> None:
    await tab.locator("main form button[type=submit]").click()


async def _sign_out(tab: Tab) -> None:
    await tab.locator("form[action='/sign-out'] button").first.click()


async def _ask_for_nobody(tab: Tab) -> None:
    await tab.locator("#email").fill("nobody")
    await tab.locator("form[action='/sign-in/link'] button[type=submit]").click()
    await tab.locator("#errors").wait_for()


async def _open_link(tab: Tab) -> None:
    await tab.context.add_cookies([{"name": "brobyg-asked", "value": ASKED_BY, "url": tab.url}])
    await tab.goto(tab.url.replace("/sent", f"/{LINK}"))


_ANSWER, _LINK = "/answer/{token}", "/sign-in/link/{token}"
_ACCESSES = "/citizens/{person_id}/accesses"
_LETTER = "/operations/{service}/{letter_id}"
_REPLAY, _DISCARD = (f"/operations/referral/1/{act}" for act in ("replay", "discard"))
PAGES = (
    Page("offer", _ANSWER, "/answer/open", picture=True),
    Page("offer-of-another-pathway", _ANSWER, "/answer/other"),
    Page("choose", _ANSWER, "/answer/open", 422, _answer_neither),
    Page("accepted", _ANSWER, "/answer/accepted"),
    Page("declined", _ANSWER, "/answer/declined", fully=False),
    Page("released", _ANSWER, "/answer/helper_withdrew", fully=False),
    Page("restricted", _ANSWER, "/answer/helper_restricted", 410, fully=False),
    Page("erased", _ANSWER, "/answer/helper_erased", 410, fully=False),
    Page("expired", _ANSWER, "/answer/expired", 410),
    Page("withdrawn", _ANSWER, "/answer/withdrawn", 410, fully=False),
    *(
        Page(reply, _ANSWER, f"/answer/open-{reply}", 409, _press("accept"), fully=False)
        for reply in ("taken", "answered", "begun", "ended", "prevented")
    ),
    Page("unknown", _ANSWER, "/answer/unknown", 404),
    Page("unavailable", _ANSWER, "/answer/unavailable", 503, picture=True),
    Page("unsure", _ANSWER, "/answer/open-lost", 503, _press("accept")),
    Page("sign-in", "/sign-in", "/sign-in?next=/sessions", picture=True),
    Page("sign-in-of-staff", "/sign-in/staff", "/sign-in/staff", 404, fully=False),
    Page("sign-in-failed", "/sign-in/back", "/sign-in/back?state=other", 400),
    Page("link-ask", "/sign-in/link", "/sign-in/link?next=/me", picture=True),
    Page("link-ask-errors", "/sign-in/link", "/sign-in/link", 422, _ask_for_nobody, fully=False),
    Page("link-sent", "/sign-in/link/sent", "/sign-in/link/sent", fully=False),
    Page("link", _LINK, "/sign-in/link/sent", 200, _open_link, fully=False),
    Page("link-elsewhere", _LINK, f"/sign-in/link/{LINK}", 403, picture=True, fully=False),
    Page("link-unknown", _LINK, "/sign-in/link/unknown", 404, fully=False),
    Page("signed-out-there", "/sign-out/back", "/sign-out/back"),
    Page("start", "/", "/", picture=True, signed_in=True),
    Page("sessions", "/sessions", "/sessions?ended=1", picture=True, signed_in=True),
    Page(
        "sessions-errors", "/sessions", "/sessions", 422, _end_nobodys, signed_in=True, fully=False
    ),
    *(
        Page(name, *at, signed_in=True, who=OPERATOR, picture=name == "operations", fully=fully)
        for name, fully, *at in (
            ("operations", True, "/operations", "/operations"),
            ("dead-letter", True, _LETTER, "/operations/referral/1"),
            ("dead-letter-gone", False, _LETTER, "/operations/referral/21", 404),
            ("replay", False, f"{_LETTER}/replay", _REPLAY),
            ("not-replayed", False, f"{_LETTER}/replay", _REPLAY, 409, _send),
            ("discard", True, f"{_LETTER}/discard", _DISCARD),
            ("discard-errors", False, f"{_LETTER}/discard", _DISCARD, 422, _send),
        )
    ),
    Page("my-data", "/my-data", "/my-data", picture=True, signed_in=True, who=CITIZEN),
    Page("my-data-empty", "/my-data", "/my-data", signed_in=True, who=HELPER, fully=False),
    Page("my-data-erased", "/my-data", "/my-data", 410, signed_in=True, who=ERASED, fully=False),
    Page(
        "accesses",
        _ACCESSES,
        f"/citizens/{CITIZEN.subject}/accesses?sort=who",
        signed_in=True,
        fully=False,
    ),
    Page("operations-well", "/operations", "/operations", signed_in=True, who=LUCKY, fully=False),
    Page("operations-forbidden", "/operations", "/operations", 403, signed_in=True, fully=False),
    Page("again", "/sessions", "/sessions", 503, _end_lost, signed_in=True),
    Page("start-of-helpers", "/me", "/me", picture=True, signed_in=True, who=HELPER, fully=False),
    Page(
        "passkeys",
        "/passkeys",
        "/passkeys?done=added",
        picture=True,
        signed_in=True,
        who=HELPER,
    ),
    Page("passkeys-of-staff", "/passkeys", "/passkeys", 403, signed_in=True, fully=False),
    Page("passkey-sign-in", "/sign-in/passkey", "/sign-in/passkey", fully=False),
    Page("signed-out", "/", "/", 200, _sign_out, signed_in=True),
    Page("statement", "/was", "/was", picture=True),
    Page("nowhere", "", "/nowhere", 404),
    Page("parts", "/parts", "/parts", picture=True),
    Page("parts-empty", "/parts", "/parts?q=nowhere&sort=-place", fully=False),
    Page("parts-done", "/parts", "/parts?done=saved&page=3", picture=True, fully=False),
    Page("parts-errors", "/parts", "/parts", 422, _save_nothing, picture=True, fully=False),
    Page("parts-dialog", "/parts", "/parts", act=_open_dialog),
    Page("parts-discard", "/parts/discard", "/parts/discard"),
)


class LostSessions(Sessions):
    """Stands in for sessions, of which one's are lost on the way."""

    async def end_all_of(self, subject: str) -> int:
        """See LOST."""
        if subject == LOST:
            raise ServiceUnavailable
        return await super().end_all_of(subject)


class KnownOffers:
    """Stands in for matching: what a link is about is in its token."""

    async def offer(self, token: str) -> Offer:
        """The offer that the token's first word tells of."""
        word = token.partition("-")[0]
        if word == "unknown":
            raise UnknownLink
        if word == "unavailable":
            raise MatchingUnavailable
        states: dict[str, OfferState] = {one: one for one in get_args(OfferState)}
        state: OfferState = states.get(word, "withdrawn")
        open_ = word in ("open", "other")
        return Offer(
            state="open" if open_ else state,
            reason=word if word.startswith("helper_") else None,
            pathway="toy" if word == "other" else "escort",
            starts_at=THEN,
            ends_at=THEN + timedelta(minutes=45),
            location_name="Regionshospitalet Randers",
            meeting="home",
            meet_at=THEN - timedelta(minutes=40),
            home_at=THEN + timedelta(minutes=95),
            distance_metres=4210,
            language="da",
            expires_at=THEN - timedelta(hours=17),
            withdrawable=state == "accepted",
        )

    async def answer(self, token: str, answer: Answer) -> Reply:
        """What the token's second word says becomes of any answer."""
        word = token.partition("-")[2]
        replies: dict[str, Reply] = {one: one for one in get_args(Reply)}
        if word not in replies:
            raise MatchingUnavailable
        return replies[word]
