"""`brobyg export` asks every service, and says when one could not be asked."""

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from brobyg_kit import export_cli
from brobyg_kit.auth import Verifier
from brobyg_kit.clock import WallClock
from brobyg_kit.free_ports import free_port
from brobyg_kit.problems import GONE
from brobyg_kit.tokens import generate_keys
from typer.testing import CliRunner, Result

WHO = "019ac012-5c00-7a10-8b6e-2f6d0c9a1e01"
SERVICES = ("matching", "notification", "portal", "referral", "reporting")
NOTHING: dict[str, object] = {"sections": []}
REFERRAL = {
    "sections": [
        {
            "heading": "Referrals",
            "rows": [
                {"pathway": "escort", "created_at": "2026-11-30T08:00:00+00:00", "waits": True}
            ],
        }
    ]
}
Answers = dict[str, tuple[int, object]]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    """What each service answers. Who asks and for what is in `asked`."""
    given: Answers = dict.fromkeys(SERVICES, (200, NOTHING)) | {"asked": (0, [])}
    asked: Any = given["asked"][1]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["Authorization"]))
            status, body = given[self.path.split("/")[1]]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("BROBYG_SERVICE_TOKEN", "a-token")
    for name in SERVICES:
        url = f"http://127.0.0.1:{server.server_port}/{name}"
        monkeypatch.setenv(f"BROBYG_{name.upper()}_URL", url)
    yield given
    server.shutdown()
    thread.join()
    server.server_close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(export_cli.app, arguments)


@pytest.mark.parametrize(("kind", "people"), [("citizen", "citizens"), ("helper", "volunteers")])
def test_every_service_that_may_hold_of_them_is_asked_with_the_service_token(
    answers: Answers, kind: str, people: str
) -> None:
    owner = {"citizens": "referral", "volunteers": "matching"}[people]
    answers[owner] = 200, REFERRAL
    assert run(kind, WHO).exit_code == 0
    assert answers["asked"][1] == [  # first who knows them
        (f"/{name}/{people}/{WHO}/export", "Bearer a-token")
        for name in sorted(SERVICES, key=lambda one: one != owner)
        if (name, people) != ("referral", "volunteers")  # it knows no helpers
    ]


def test_people_read_it_in_their_language(answers: Answers) -> None:
    answers["referral"] = 200, REFERRAL
    danish, english = run("citizen", WHO), run("citizen", WHO, "--language", "en")
    assert danish.exit_code == english.exit_code == 0
    for line in (
        "Henvisninger (referral)",
        "  - Forløb: ledsagelse",
        "    Oprettet: 2026-11-30 09:00",
        "    Venter på en ledig plads: ja",
    ):
        assert line in danish.output.splitlines()
    assert "    Created at: 2026-11-30 09:00" in english.output.splitlines()
    assert run("citizen", WHO, "--language", "xx").exit_code == 2


def test_machines_read_all_of_it(answers: Answers) -> None:
    answers["referral"] = 200, REFERRAL
    found = json.loads(run("citizen", WHO, "--json").output)
    assert (found["person_id"], found["complete"], found["missing"]) == (WHO, True, {})
    assert found["services"]["referral"] == REFERRAL["sections"]


@pytest.mark.parametrize(
    "answer",
    [
        (503, {"type": "about:blank"}),
        (404, {"detail": "Not Found"}),
        (404, {"type": "about:blank", "status": 404}),
        (502, b"<html>"),
    ],
)
def test_a_service_that_does_not_answer_makes_it_incomplete(
    answers: Answers, answer: tuple[int, object]
) -> None:
    answers["referral"], answers["matching"] = (200, REFERRAL), answer
    result = run("citizen", WHO, "--json")
    assert result.exit_code == export_cli.INCOMPLETE
    found = json.loads(result.stdout)
    assert (found["complete"], [*found["missing"]]) == (False, ["matching"])
    assert found["services"]["referral"] == REFERRAL["sections"]
    told = run("citizen", WHO)
    assert told.exit_code == export_cli.INCOMPLETE
    assert "Udtrækket er ikke fuldstændigt" in told.stdout
    assert "matching" in told.stdout


def test_a_service_that_is_down_is_told(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROBYG_REPORTING_URL", f"http://127.0.0.1:{free_port()}")
    answers["referral"] = 200, REFERRAL
    result = run("citizen", WHO, "--language", "en")
    assert result.exit_code == export_cli.INCOMPLETE
    assert "reporting (ConnectError)" in result.stdout


@pytest.mark.parametrize(
    ("kind", "owner", "other"),
    [("citizen", "referral", "helper"), ("helper", "matching", "citizen")],
)
def test_who_is_not_of_this_kind_is_told_nothing_and_no_other_service_is_asked(
    answers: Answers, kind: str, owner: str, other: str
) -> None:
    answers |= dict.fromkeys(SERVICES, (200, REFERRAL))
    answers[owner] = 404, {"type": "about:blank", "status": 404}
    result = run(kind, WHO)
    assert (result.exit_code, result.stdout) == (1, "")
    expected = f"nobody of this id is a {kind} here; try 'brobyg export {other} ID'"
    assert expected in result.output
    assert [path.split("/")[1] for path, _ in answers["asked"][1]] == [owner]


def test_nobody_of_whom_anything_is_held_has_no_export(answers: Answers) -> None:
    result = run("citizen", WHO)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nothing is held" in result.output


def test_without_a_token_one_is_issued_by_the_key_of_the_system(
    answers: Answers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers["referral"] = 200, REFERRAL
    generate_keys(tmp_path / "private", tmp_path / "public")
    monkeypatch.delenv("BROBYG_SERVICE_TOKEN")
    monkeypatch.setenv("BROBYG_TOKEN_SIGNING_KEY", str(tmp_path / "private"))
    assert run("citizen", WHO).exit_code == 0
    told = Verifier.of_files(tmp_path / "public", None, WallClock())
    for _, header in answers["asked"][1]:
        caller = asyncio.run(told.caller(header.removeprefix("Bearer ")))
        assert (caller.subject, caller.roles) == ("command:export", {"service"})


def test_who_was_erased_is_told_what_the_history_says_of_the_id(answers: Answers) -> None:
    answers["referral"], answers["reporting"] = (410, {"type": GONE}), (200, REFERRAL)
    result = run("citizen", WHO)
    assert result.exit_code == 0
    assert "referral: du er slettet her" in result.output


def test_an_id_and_a_token_are_needed(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("citizen", "helper"):
        refused = run(kind, "somebody")
        assert (refused.exit_code, "an id is a UUID" in refused.output) == (2, True)
    monkeypatch.setenv("BROBYG_SERVICE_TOKEN", "")
    monkeypatch.delenv("BROBYG_TOKEN_SIGNING_KEY", raising=False)
    refused = run("citizen", WHO)
    assert refused.exit_code == export_cli.INCOMPLETE
    assert "set BROBYG_SERVICE_TOKEN" in refused.output
    assert "brobyg token --role service" in refused.output
    assert answers["asked"][1] == []
