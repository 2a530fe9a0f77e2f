"""The example week as the players need it: read from examples/hospital-week, checked for shape."""

from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

Expectation = Literal["kept", "repeat", "stale", "dropped", "rejected"]


class HospitalMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery by the hospital; the fields are explained in the example's README."""

    at: datetime
    channel: Literal["fhir", "kafka"]
    organisation: str | None
    keys: tuple[str, ...]
    method: str | None
    path: str
    body: msgspec.Raw
    expect: Expectation
    note: str
    inflate: int = 0

    def content(self) -> bytes:
        """The bytes to send: JSON, or text that is not JSON, too large where it is to be."""
        raw = bytes(self.body)
        if raw.startswith(b'"'):
            return msgspec.json.decode(raw, type=str).encode()
        if self.inflate:
            return msgspec.json.encode(
                msgspec.json.decode(raw, type=dict[str, object]) | {"comment": "x" * self.inflate}
            )
        return raw


class Referral(msgspec.Struct, frozen=True, kw_only=True):
    """Who refers, and the body of POST /referrals."""

    organisation: str
    idempotency_key: str
    body: msgspec.Raw
    #: Whether the citizen asks to be erased near the week's end.
    canary: bool = False


class Habit(msgspec.Struct, frozen=True):
    """How a volunteer answers: shares of yes and no (else silence), after how many minutes."""

    accept: float
    decline: float
    delay_minutes: tuple[int, int]


class VolunteerRegistration(msgspec.Struct, frozen=True):
    """What the players must know of a volunteer; the rest is for the register only."""

    email: str
    department: str


class PlayedVolunteer(msgspec.Struct, frozen=True, kw_only=True):
    """A volunteer: the bodies of POST /volunteers and its activation, and how they answer."""

    key: str
    registration: msgspec.Raw
    activation: msgspec.Raw
    habit: Habit

    @property
    def known(self) -> VolunteerRegistration:
        """Address and department."""
        return msgspec.json.decode(self.registration, type=VolunteerRegistration)


class Week(msgspec.Struct, frozen=True):
    """Everything there is to play."""

    messages: tuple[HospitalMessage, ...]
    referrals: tuple[Referral, ...]
    volunteers: tuple[PlayedVolunteer, ...]
    seed: int = 20261130
    #: How many pairs of needs of one citizen must be in each other's way, or one way, at least.
    least_clashes: int = 0


def load(folder: Path) -> Week:
    """The week in `folder`. Raises OSError, or msgspec.ValidationError where a file is wrong."""
    lines = (folder / "messages.jsonl").read_bytes().splitlines()
    referrals, volunteers = (folder / "referrals.json", folder / "volunteers.json")
    return Week(
        messages=tuple(msgspec.json.decode(line, type=HospitalMessage) for line in lines),
        referrals=msgspec.json.decode(referrals.read_bytes(), type=tuple[Referral, ...]),
        volunteers=msgspec.json.decode(volunteers.read_bytes(), type=tuple[PlayedVolunteer, ...]),
        least_clashes=3,
    )
