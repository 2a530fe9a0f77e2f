"""A link to sign in by is mailed to the address on file, and its token is kept nowhere."""

import re
from datetime import timedelta

import pytest
from brobyg_kit.backoff import Backoff
from brobyg_kit.clock import ManualClock, WallClock
from brobyg_kit.ids import derived_id
from brobyg_kit.testing import bearer, eventually, tables_naming
from brobyg_notification.adapters.mail import compose
from brobyg_notification.bootstrap import SERVICE
from brobyg_notification.errors import OwnerUnavailable, TooManyLinks
from brobyg_notification.use_cases import sign_in_links
from brobyg_notification.use_cases.sign_in_links import SignInLink, SignInLinks

HELPER, CITIZEN = derived_id("helper"), derived_id("citizen")
PORTAL, TOKEN = bearer("portal"), "T0ken_of-a-link" * 2 + "0123456789abc"
LINK = {"role": "helper", "person_id": HELPER, "token": TOKEN, "seconds": 600}


async def test_a_link_is_mailed_to_the_address_on_file_and_its_token_is_stored_nowhere(
    serve, mail_server, owners, clock, required, capsys
) -> None:
    settings = required | {
        "notification_smtp": f"smtp://127.0.0.1:{mail_server.port}",
        "referral_url": owners.url,
        "matching_url": owners.url,
    }
    async with serve(SERVICE, clock=clock, **settings) as running:
        mail_server.answers["ellen@example.org"] = ["451 greylisted"]
        for body in (LINK, LINK | {"role": "citizen", "person_id": CITIZEN}):
            answer = await running.client.post("/sign-in-links", json=body, headers=PORTAL)
            assert (answer.status_code, answer.content) == (202, b"null")

        async def arrived() -> bool:
            return len(mail_server.inbox) == 2

        await eventually(arrived, "both links are mailed, one at the second try")
        database = running.runtime.database
        assert await tables_naming(database, TOKEN) == set()
        added = LINK | {"role": "citizen", "person_id": CITIZEN, "token": None}
        answer = await running.client.post("/sign-in-links", json=added, headers=PORTAL)
        assert answer.status_code == 202

        async def told() -> bool:
            return len(mail_server.inbox) == 3

        await eventually(told, "that a passkey was added")
        wrong = LINK | {"token": "short"}
        refused = await running.client.post("/sign-in-links", json=wrong, headers=PORTAL)
        assert refused.status_code == 422
    (english,), (danish, passkey) = map(mail_server.to, ("ellen@example.org", "einer@example.org"))
    assert passkey["Subject"] == "Der er tilføjet en adgangsnøgle hos Brobyg"
    text = passkey.get_body(("plain",)).get_content()
    assert "http://portal.example.org/passkeys" in text
    assert TOKEN not in text
    assert english["Subject"] == "Your link to sign in to Brobyg"
    assert danish["Subject"] == "Dit link til at logge ind på Brobyg"
    for mail, helps, warns in (
        (english, "who helps", "Send it to nobody: who asked for it could sign in as you."),
        (danish, "der får hjælp", "Send aldrig linket videre: Den, der bad om det, kan logge ind"),
    ):
        told = " ".join(mail.get_body(("plain",)).get_content().split())
        assert f"http://portal.example.org/sign-in/link/{TOKEN}" in told
        assert helps in told
        assert warns in told
        assert re.search(r"\b10 minut", told)
    assert ("/volunteers/" + HELPER + "/contact", "message") in owners.asked
    assert TOKEN not in "".join(capsys.readouterr())


class Nobody:
    """People of whom the owner knows no address, or who are not to be written to."""

    async def contact(self, *_: object) -> None:
        return None


def links(transport: object, clock: ManualClock, people: object = None, **more) -> SignInLinks:
    return SignInLinks(
        people or Nobody(), lambda message: compose("Brobyg <brobyg@example.org>", message),
        transport, clock, more["metrics"], portal_url="http://portal.example.org",
        languages=["da", "en"], default_language="da", tries=Backoff(first=0.0, longest=0.0),
    )  # fmt: skip


def a_link() -> SignInLink:
    return SignInLink("helper", HELPER, TOKEN, timedelta(minutes=10))


async def test_a_link_is_given_up_when_it_has_ended_and_no_more_than_so_many_are_in_hand(
    parts_for, clock, monkeypatch
) -> None:
    time = ManualClock(WallClock().now())
    tried = 0

    class Away:
        """A mail server that is away, and each try takes a minute."""

        async def contact(self, *_: object) -> None:
            nonlocal tried
            tried += 1
            time.advance(timedelta(minutes=1))
            raise OwnerUnavailable("matching: 503")

    async with parts_for(clock) as parts:
        sending = links(None, time, Away(), metrics=parts.metrics)
        sending.take(a_link())

        async def failed() -> bool:
            name = "brobyg_notification_ended_total"
            told = {"template": "sign_in", "outcome": "failed"}
            return parts.registry.get_sample_value(name, told) == 1

        await eventually(failed, "it is given up")
        assert tried == 10
        assert TOKEN not in repr(a_link())
        monkeypatch.setattr(sign_in_links, "MOST", 1)
        sending.take(a_link())
        with pytest.raises(TooManyLinks):
            sending.take(a_link())
        await sending.close()
