"""The forms in which a canary is searched for, what is no canary, and what can't be searched."""

import base64
import hashlib
import http.server
import json
import os
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, quote_plus
from uuid import UUID

import pytest
from brobyg_local.canaries import Canary, Places, search
from brobyg_local.canaries.needles import Needles
from brobyg_local.canaries.places import KeptFile, Piece, _answers, _segments
from brobyg_local.errors import PlaceUnreadable

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
CANARY = Canary.of_citizen(CITIZEN, WHO)
NEEDLES = Needles([CANARY])

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
    assert NEEDLES.count(NEEDLES.in_content(around), 0) > 0


@pytest.mark.parametrize(
    "content",
    [b"", b"Somebody else", b"1509819995", b"8985", WHO.encode(), bytes(range(256)) * 1_000],
)
def test_what_is_not_about_them_is_not_found(content: bytes) -> None:
    assert not NEEDLES.may_be_in(content)
    assert NEEDLES.count(NEEDLES.in_content(content), 0) == 0


def test_the_postcode_says_something_beside_the_id_alone() -> None:
    assert NEEDLES.beside(f"{WHO},8985".encode(), 0) == 1
    assert NEEDLES.beside(b"another,8985", 0) == 0
    assert NEEDLES.beside(f"{WHO},2026-11-30T08:00:00.189854".encode(), 0) == 0
    assert NEEDLES.beside(f"{WHO},0190a1b2-0000-7000-8985-000000000000".encode(), 0) == 0


@pytest.mark.parametrize(
    "form", [WHO.encode(), UUID(WHO).hex.encode(), UUID(WHO).bytes], ids=["text", "hex", "bytes"]
)
def test_in_a_file_without_lines_it_counts_near_the_id(form: bytes) -> None:
    far = bytes(600)
    assert NEEDLES.beside_within(far + b"8985" + bytes(9) + form + far, 0) == 1
    assert NEEDLES.beside_within(b"8985\0" + form + b"\x0b8985" + form, 0) == 2
    assert NEEDLES.beside_within(b"8985" + far + form + far + b"8985", 0) == 0
    assert NEEDLES.beside_within(form + b"\x0b89851", 0) == 1
    assert NEEDLES.beside_within(form + b"18985", 0) == 0


def test_of_what_a_helper_is_told_the_rest_is_not_told() -> None:
    told = "Hello, you are accompanying Åse Prøve, Prøvevej 17".encode()
    assert NEEDLES.count_told(NEEDLES.in_content(told), 0) > 0
    assert NEEDLES.count_untold(NEEDLES.in_content(told), 0) == 0
    assert NEEDLES.count_untold(NEEDLES.in_content("Åse Prøve Mærsk".encode()), 0) > 0


def test_each_canary_is_counted_by_itself() -> None:
    needles = Needles([Canary(("Wilhelmina",)), Canary(("Balthazar",))])
    assert [needles.count(needles.in_content(b"balthazar"), whose) > 0 for whose in (0, 1)] == [
        False,
        True,
    ]


def test_a_file_that_can_not_be_read_is_an_error_and_one_that_is_gone_is_not(
    tmp_path: Path,
) -> None:
    (tmp_path / "held").write_text(NAME)
    names = [str(tmp_path / one) for one in ("gone", "held")]
    assert NEEDLES.files(names) == names[1:]
    (tmp_path / "folder").mkdir()
    with pytest.raises(PlaceUnreadable, match="could not be searched"):
        NEEDLES.files([*names, str(tmp_path / "folder")])


def test_of_a_file_with_holes_what_was_written_is_searched(tmp_path: Path) -> None:
    names = [str(tmp_path / one) for one in ("held", "other", "empty")]
    for name, content in zip(names, (NAME.encode(), b"Somebody", b""), strict=True):
        with Path(name).open("wb") as file:
            os.truncate(name, 50_000_000)
            file.seek(20_000_000)
            file.write(content)
    assert NEEDLES.files(names) == names[:1]


async def test_a_kind_of_place_with_nothing_in_it_is_an_error(tmp_path: Path) -> None:
    class Empty(Places):
        async def pieces(self) -> AsyncIterator[Piece]:
            yield Piece("log", "some.log", NAME.encode())

        async def files(self) -> list[KeptFile]:
            return []

    places = Empty("", "", tmp_path, tmp_path, kinds=frozenset({"log", "trace", "topic"}))
    with pytest.raises(PlaceUnreadable, match="to be searched: topic, trace"):
        await search(places, [CANARY])
    searched = await search(replace(places, kinds=frozenset({"log"})), [CANARY])
    assert searched.pieces == {"log": 1}
    assert [(one.kind, one.where) for one in searched.findings] == [("log", "some.log")]


def test_a_segment_that_can_not_be_read_is_an_error(tmp_path: Path) -> None:
    partition = tmp_path / "data" / "brobyg.citizen.v1-0"
    partition.mkdir(parents=True)
    (partition / "0.log").write_bytes(bytes(8) + b"\0\0\0\x05" + bytes(60))
    with pytest.raises(PlaceUnreadable, match=r"a segment of brobyg\.citizen\.v1"):
        list(_segments(tmp_path))


async def test_metrics_that_are_not_told_are_an_error() -> None:
    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(503)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            told = _answers({"referral": f"http://127.0.0.1:{server.server_port}"})
            with pytest.raises(PlaceUnreadable, match="referral/metrics answered 503"):
                await anext(told)
        finally:
            server.shutdown()
            thread.join()
