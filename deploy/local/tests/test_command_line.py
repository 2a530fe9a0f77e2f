"""Each command imports what it needs: the help and what reads settings load no service."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from brobyg_kit.cli import app
from brobyg_kit.tokens import generate_keys
from typer.testing import CliRunner

HEAVY = {
    "alembic",
    "fastapi",
    "faststream",
    "opentelemetry",
    "prometheus_client",
    "sqlalchemy",
    "starlette",
    "structlog",
    "uvicorn",
}
#: What only some of the commands here need. (pydantic itself is loaded by Typer.)
CLIENTS = {"aiokafka", "asyncpg", "httpx2", "joserfc", "psutil", "pydantic_settings", "rich"}
PROGRAM = """
import contextlib, io, json, sys
from brobyg_kit.cli import main
sys.argv = ["brobyg", *sys.argv[1:]]
said = io.StringIO()
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(said):
    main()
print(json.dumps([said.getvalue(), sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def run(*arguments: str, folder: Path = Path("/"), **environment: str) -> tuple[str, set[str]]:
    """What the command says, and the packages it has loaded."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "100", "TERM": "dumb", **environment},
    )
    said, loaded = json.loads(done.stdout)
    return said, set(loaded)


@pytest.mark.parametrize(
    ("arguments", "needs"),
    [
        (["--help"], {"rich"}),
        (["local", "--help"], {"rich"}),
        (["config"], {"pydantic_settings"}),
        (["config", "--json"], {"pydantic_settings"}),
        (["status", "--json"], {"aiokafka", "psutil", "rich"}),
    ],
    ids=lambda words: " ".join(sorted(words)),  # a set has another order in each worker
)
def test_a_command_loads_no_more_than_it_needs(
    arguments: list[str], needs: set[str], tmp_path: Path
) -> None:
    folder = ["--folder", str(tmp_path)] if arguments[0] == "status" else []
    _, loaded = run(*arguments, *folder, folder=tmp_path)
    assert loaded & HEAVY == set()
    assert loaded & CLIENTS <= needs


def test_a_token_is_issued_without_loading_more_than_its_signature_needs(tmp_path: Path) -> None:
    generate_keys(tmp_path / "private.json", tmp_path / "public.json")
    key = str(tmp_path / "private.json")
    said, loaded = run("token", "--role", "analyst", BROBYG_TOKEN_SIGNING_KEY=key)
    assert said.count(".") == 2
    assert loaded & HEAVY == set()
    assert loaded & CLIENTS <= {"joserfc"}


@pytest.mark.parametrize(
    ("arguments", "right"),
    [
        (["--role", "king"], "'coordinator'"),
        (["--role", "analyst", "--hours", "nan"], "from 0.01 to 8784"),
        (["--role", "analyst", "--hours", "8785"], "from 0.01 to 8784"),
    ],
)
def test_a_token_that_can_not_be_is_refused_with_what_would_be_right(
    arguments: list[str], right: str
) -> None:
    refused = CliRunner().invoke(app, ["token", *arguments], env={"COLUMNS": "200"})
    assert (refused.exit_code, right in refused.output) == (2, True)


def test_the_help_of_what_has_no_commands_names_none() -> None:
    for name in ("explain", "status"):
        said, _ = run(name, "--help")
        assert f"Usage: brobyg {name} [OPTIONS]" in said
        assert "COMMAND" not in said


def test_the_help_lists_the_commands_of_every_part() -> None:
    said, _ = run("--help")
    for name in ("token", "config", "flow", "topics", "dlq", "local", "status", "reporting"):
        assert f" {name} " in said


def test_config_tells_which_settings_are_missing_and_keeps_secrets() -> None:
    said, _ = run("config", BROBYG_KAFKA="broker:1", BROBYG_DATABASE="postgresql://u:s3cret@h")
    assert "BROBYG_REFERRAL_ENCRYPTION_KEY=(Field required)" in said
    assert "BROBYG_KAFKA=broker:1\n" in said
    assert "BROBYG_DATABASE=**********\n" in said
    assert "s3cret" not in said


def test_config_tells_how_long_each_kind_of_record_is_kept_and_why() -> None:
    said, _ = run("config")
    assert "\nhospital_messages: 7 days from: the broker took it (by: broker)\n" in said
    document, _ = run("config", "--json")
    kept = {one["kind"]: one for one in json.loads(document)["retention"]}
    assert {"kind", "services", "place", "keep", "days", "counted_from", "by", "why", "basis"} == (
        kept["citizen_ended"].keys()
    )
    assert (kept["citizen_ended"]["days"], kept["citizen_ended"]["by"]) == (180, "timer")
    assert all(one["why"] and one["basis"] for one in kept.values())
