"""docker-compose.yml and the Dockerfiles, checked as data: nothing here needs Docker."""

import re
from pathlib import Path

import pytest
import yaml
from brobyg_kit.cli import load_service, load_settings
from brobyg_local import realm
from brobyg_local.jars import pom_of
from brobyg_local.postgres import SETTINGS
from brobyg_local.services import DEFAULT_PORTS, KEEPERS, SERVICES
from brobyg_local.state import ROOT, StateFolder
from brobyg_local.supervisor import STOP_PATIENCE

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
PARTS = COMPOSE["services"]
DOCKERFILES = {
    name: (ROOT / "services" / name / "Dockerfile").read_text(encoding="utf-8") for name in SERVICES
}
# What Docker Compose itself reads: no setting of a service.
FOR_COMPOSE = {
    "BROBYG_DATABASE_PASSWORD",
    *(f"BROBYG_{name.upper()}_DATABASE_PASSWORD" for name in KEEPERS),
    "BROBYG_PUBLIC_KEYS",
    "BROBYG_PORTAL_PUBLIC_KEYS",
    "BROBYG_VERSION",
    "BROBYG_NOTIFICATION_TOKEN",
    "BROBYG_PORTAL_TOKEN",
}


def instructions(name: str) -> list[tuple[str, str]]:
    """A Dockerfile's instructions with their arguments, continued lines joined."""
    joined = DOCKERFILES[name].replace("\\\n", " ")
    lines = [
        line.strip() for line in joined.splitlines() if line.strip() and not line.startswith("#")
    ]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def is_job(name: str) -> bool:
    return name in ("topics", "reference") or name.endswith("-migrate")


def known_settings() -> set[str]:
    return {
        f"BROBYG_{field.upper()}"
        for settings in load_settings().values()
        for field in settings.model_fields
    }


def test_all_five_services_a_broker_a_database_and_a_mail_server_are_described() -> None:
    assert {"kafka", "postgres", "mail", *SERVICES} <= set(PARTS)


def test_the_provider_is_the_keycloak_of_the_tests_with_their_realm_and_only_when_asked_for() -> (
    None
):
    """Its users' passwords are known to everybody."""
    provider = PARTS["provider"]
    pom = pom_of("keycloak").read_text(encoding="utf-8")
    assert f"<version>{provider['image'].rpartition(':')[2]}</version>" in pom
    assert provider["profiles"] == ["provider"]
    assert provider["ports"] == ["127.0.0.1:8080:8080"]
    assert provider["volumes"] == [
        f"./{realm.FILE.relative_to(ROOT)}:/opt/keycloak/data/import/realm.json:ro"
    ]
    stale = "the realm is out of date: python -m brobyg_local.realm"
    assert realm.FILE.read_text(encoding="utf-8") == realm.text(), stale


@pytest.mark.parametrize("name", [name for name in PARTS if not is_job(name)])
def test_everything_that_stays_up_tells_its_health_and_is_restarted(name: str) -> None:
    assert PARTS[name]["healthcheck"]["test"]
    assert PARTS[name]["restart"] == "unless-stopped"
    assert PARTS[name]["mem_limit"]


def test_the_portal_believes_the_gateway_alone_who_a_browser_is() -> None:
    (network,) = COMPOSE["networks"]["default"]["ipam"]["config"]
    told = PARTS["portal"]["environment"]["FORWARDED_ALLOW_IPS"]
    assert told == f"${{FORWARDED_ALLOW_IPS:-{network['gateway']}}}"
    assert all(one.startswith("127.0.0.1:") for one in PARTS["portal"]["ports"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_given_the_time_to_finish_what_is_in_hand_here_as_there(name: str) -> None:
    assert PARTS[name]["stop_grace_period"] == f"{STOP_PATIENCE:.0f}s"


@pytest.mark.parametrize("name", [name for name in PARTS if "depends_on" in PARTS[name]])
def test_every_start_waits_for_health_or_for_a_jobs_success(name: str) -> None:
    for other, how in PARTS[name]["depends_on"].items():
        expected = "service_completed_successfully" if is_job(other) else "service_healthy"
        assert how["condition"] == expected, other
        assert other in PARTS


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_starts_only_after_its_migration_and_the_topics(name: str) -> None:
    if f"{name}-migrate" in PARTS:
        assert {"topics", f"{name}-migrate"} <= set(PARTS[name]["depends_on"])
    else:
        assert load_service(name).metadata is None


@pytest.mark.parametrize("name", list(PARTS))
def test_every_image_is_pinned(name: str) -> None:
    image = PARTS[name]["image"]
    _, _, tag = image.partition(":")
    assert tag
    assert "latest" not in tag
    if "build" in PARTS[name]:
        assert (ROOT / PARTS[name]["build"]["dockerfile"]).exists()
    else:
        assert re.search(r"\d+\.\d+", tag)


@pytest.mark.parametrize(
    "name", [name for name in PARTS if name.removesuffix("-migrate") in SERVICES]
)
def test_every_variable_is_a_setting_that_exists(name: str) -> None:
    assert {
        key for key in PARTS[name]["environment"] if key.startswith("BROBYG_")
    } <= known_settings()


@pytest.mark.parametrize("name", list(PARTS))
def test_only_what_migrates_signs_in_as_the_databases_owner(name: str) -> None:
    migrates = name.endswith("-migrate")
    assert ("BROBYG_DATABASE" in PARTS[name].get("environment", {})) == migrates


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_signs_in_on_the_database_as_itself_alone(name: str) -> None:
    given = {key for key in PARTS[name]["environment"] if key.endswith("_DATABASE")}
    assert given == ({f"BROBYG_{name.upper()}_DATABASE"} if name in KEEPERS else set())


def test_every_variable_taken_from_outside_is_known_and_no_secret_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    used = dict(re.findall(r"\$\{(BROBYG_\w+)(:[?-])", text))
    assert set(used) <= known_settings() | FOR_COMPOSE
    secrets = {name for name in used if re.search(r"KEY$|TOKEN$|PASSWORD$", name)}
    assert secrets
    assert {used[name] for name in secrets} == {":?"}


@pytest.mark.parametrize(
    "variable",
    [
        "BROBYG_PORTAL_URL",
        "BROBYG_NOTIFICATION_SMTP",
        "BROBYG_NOTIFICATION_SENDER",
        "BROBYG_NOTIFICATION_COORDINATORS",
    ],
)
def test_what_decides_whether_mail_arrives_must_be_said(variable: str) -> None:
    """With a default all would look ready, and mails and links would lead nowhere."""
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    uses = re.findall(rf"\$\{{{variable}(:[?-])([^}}]*)\}}", text)
    assert uses
    assert {how for how, _ in uses} == {":?"}
    assert all("such as" in explanation for _, explanation in uses)


def test_no_default_is_an_address_that_only_an_example_has() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    defaults = re.findall(r"\$\{BROBYG_\w+:-([^}]*)\}", text)
    assert defaults
    assert [one for one in defaults if re.search(r"example|127\.0\.0\.1|smtp", one)] == []


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_those_of_the_documentation_and_open_on_this_machine_only(name: str) -> None:
    port = DEFAULT_PORTS[name]
    assert PARTS[name]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert ("EXPOSE", str(port)) in instructions(name)


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_built_in_stages_from_the_lock_and_runs_as_nobody_special(name: str) -> None:
    steps = instructions(name)
    bases = [argument for step, argument in steps if step == "FROM"]
    assert len(bases) == 2
    assert all(re.match(r"python:3\.\d+\.\d+-slim", base) for base in bases)
    assert any(step == "RUN" and "--require-hashes" in argument for step, argument in steps)
    assert [argument for step, argument in steps if step == "USER"] == ["10001"]
    (check,) = [argument for step, argument in steps if step == "HEALTHCHECK"]
    assert f"{DEFAULT_PORTS[name]}/livez" in check
    for step, argument in steps:
        if step == "COPY" and not argument.startswith("--from"):
            assert (ROOT / argument.split()[0]).exists(), argument


def test_the_images_lock_holds_the_versions_that_are_tested() -> None:
    def versions(path: Path) -> set[str]:
        return {
            line.split()[0]
            for line in path.read_text(encoding="utf-8").splitlines()
            if re.match(r"[a-z]", line)
        }

    assert versions(ROOT / "deploy" / "production.lock") <= versions(ROOT / "requirements.lock")


def test_the_broker_in_a_container_has_the_settings_of_the_one_without(tmp_path: Path) -> None:
    from brobyg_local.kafka import broker_settings

    local = broker_settings(1, 2, tmp_path)
    given = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in PARTS["kafka"]["environment"].items()
    }
    places = {"listeners", "advertised.listeners", "controller.quorum.voters", "log.dirs"}
    assert {name: str(value) for name, value in local.items() if name not in places} == {
        name: value for name, value in given.items() if name not in places | {"heap.opts"}
    }


def test_the_database_in_a_container_has_the_settings_of_the_one_without() -> None:
    local = dict(re.findall(r"^(\w+) = '?([^'\n]*)'?$", SETTINGS, re.MULTILINE))
    given = dict(
        argument.removeprefix("-c").split("=", 1) for argument in PARTS["postgres"]["command"][1:]
    )
    # In a container the address is the container's own; the socket serves its health check.
    assert {
        name: value
        for name, value in local.items()
        if name not in {"listen_addresses", "unix_socket_directories"}
    } == given


def test_everything_of_a_state_folder_is_within_it(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    paths = (state.local, state.logs, state.kafka, state.postgres, state.mail, state.environment)
    assert all(path.is_relative_to(tmp_path) for path in paths)
