"""The forms in which a canary is searched for, and what is no canary."""

import base64
import hashlib
import json
from urllib.parse import quote, quote_plus

import pytest
from brobyg_local.canaries import Canary
from brobyg_local.canaries.needles import Needles

NAME, CPR = "Åse Prøve Mærsk", "1509819996"
WHO = "0190a1b2-0000-7000-8000-00000000aaaa"
CITIZEN = {
    "cpr": CPR,
    "given_name": "Åse Prøve",
    "family_name": "Mærsk",
    "email": "aase.maersk@citizen.example",
    "phone": "+4510293847",
    "address": {"line": "Prøvevej 17", "postcode": "8985"},
}
NEEDLES = Needles([Canary.of_citizen(CITIZEN, WHO)])

HIDDEN = {
    "as it is": NAME.encode(),
    "the family name alone": "mærsk".encode(),
    "in capitals": NAME.upper().encode(),
    "folded": b"aase proeve",
    "in another alphabet of bytes": NAME.encode("latin-1"),
    "in UTF-16": NAME.encode("utf-16"),
    "in JSON": json.dumps({"name": NAME}).encode(),
    "in a URL": quote(NAME).encode(),
    "in a form": quote_plus(NAME).encode(),
    "in XML": NAME.encode("ascii", "xmlcharrefreplace"),
    "in quoted-printable": b"=C3=85se Pr=C3=B8ve",
    "in a dump of bytes": NAME.encode().hex().encode(),
    **{
        f"in base64 after {before} bytes": base64.b64encode(b"x" * before + NAME.encode() + b"yz")
        for before in range(6)
    },
    "in base64 for URLs": base64.urlsafe_b64encode(NAME.encode()),
    "the mail address": b"AASE.MAERSK@citizen.example",
    "the mail address in a URL": b"aase.maersk%40citizen.example",
    "the CPR number": CPR.encode(),
    "the CPR number with a dash": b"150981-9996",
    "the CPR number in base64": base64.b64encode(b"150981-9996"),
    "the CPR number hashed": hashlib.sha256(CPR.encode()).hexdigest().encode(),
    "the CPR number hashed in capitals": hashlib.sha1(CPR.encode()).hexdigest().upper().encode(),
    "the CPR number hashed, as bytes": hashlib.sha512(b"150981-9996").digest(),
    "the CPR number hashed, in base64": base64.b64encode(hashlib.md5(CPR.encode()).digest()),
    "the phone": b"+4510293847",
    "the phone in pairs": b"10 29 38 47",
    "the address": "prøvevej 17".encode(),
}


@pytest.mark.parametrize("content", HIDDEN.values(), ids=HIDDEN)
def test_it_is_found_however_it_is_written(content: bytes) -> None:
    around = b"\x00\x01 before " + content + b" after\n\xff"
    assert NEEDLES.may_be_in(around)
    assert NEEDLES.count(around) > 0


@pytest.mark.parametrize(
    "content",
    [b"", b"Somebody else", b"1509819995", b"8985", WHO.encode(), bytes(range(256)) * 1_000],
)
def test_what_is_not_about_them_is_not_found(content: bytes) -> None:
    assert not NEEDLES.may_be_in(content)
    assert NEEDLES.count(content) == 0


def test_the_postcode_says_something_beside_the_id_alone() -> None:
    assert NEEDLES.beside(f"{WHO},8985".encode()) == 1
    assert NEEDLES.beside(b"another,8985") == 0
    assert NEEDLES.beside(f"{WHO},2026-11-30T08:00:00.189854".encode()) == 0
    assert NEEDLES.beside(f"{WHO},0190a1b2-0000-7000-8985-000000000000".encode()) == 0
