"""Scopes and texts of consent, and the table of access: what they say, and how faults are told."""

import shutil
from datetime import date
from pathlib import Path

import pytest
from brobyg_contracts import access, consent, pathways
from brobyg_contracts.domain import ROLES, roles_for
from brobyg_contracts.errors import InvalidDocument, UnknownAct
from msgspec import Struct

from schemas.tools.access import access_document

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "schemas"
SERVICES = ("referral", "matching", "notification", "reporting", "portal")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the folder of scopes and texts."""
    return Path(shutil.copytree(SCHEMAS / "consent", tmp_path / "consent"))


def changed(file: Path, old: str, new: str) -> Path:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return file


def test_an_installation_has_scopes_and_texts_of_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed(folder / "scopes.yaml", "Beskeder", "Breve")
    monkeypatch.setenv("BROBYG_CONSENT", str(folder))
    assert consent.catalogue().scopes["contact"].label.da == "Breve"
    monkeypatch.delenv("BROBYG_CONSENT")
    assert consent.catalogue().scopes["contact"].label.da == "Beskeder"


def test_every_pathway_that_a_text_is_for_is_known() -> None:
    named = {one.pathway for one in consent.catalogue().texts.values()}
    assert named - {None} <= pathways.pathways().keys()


def test_what_a_scope_allows_and_ends_is_asked_of_the_table(folder: Path) -> None:
    file = changed(folder / "scopes.yaml", "allows: [messages]", "allows: [messages, gp]")
    changed(file, "allows: [gp]", "allows: [research]")
    changed(file, "allows: [research]", "allows: [help]")
    with pytest.raises(InvalidDocument, match=r"scopes\.yaml:\d+: research: 'help' is allowed by"):
        consent.load(folder)
    known = consent.catalogue()
    assert [known.allows(one, "help") for one in ("processing", "research", "later")] == [
        True, False, False,
    ]  # fmt: skip
    assert [known.ends(one, "help") for one in ("processing", "research", "later")] == [
        True, False, False,
    ]  # fmt: skip
    assert known.allowing("messages").id == "contact"


@pytest.mark.parametrize(
    ("age", "has_guardian", "expected"),
    [
        (14, False, "must"), (15, False, "may"), (17, False, "may"), (18, False, "never"),
        (80, False, "never"), (None, False, "may"), (80, True, "must"), (None, True, "must"),
    ],
)  # fmt: skip
def test_who_gives_consent_to_the_help(
    age: int | None, has_guardian: bool, expected: consent.Guardian
) -> None:
    help_ = consent.catalogue().allowing("help")
    assert help_.guardian(age, has_guardian=has_guardian) == expected


@pytest.mark.parametrize("scope", [*consent.catalogue().scopes])
@pytest.mark.parametrize("has_guardian", [False, True])
def test_below_the_age_a_guardian_must_whether_recorded_or_not(
    scope: str, has_guardian: bool
) -> None:
    found = consent.catalogue().scopes[scope]
    assert found.guardian(found.minimum_age - 1, has_guardian=has_guardian) == "must"


def test_a_version_is_in_use_from_its_day_until_the_next_ones(folder: Path) -> None:
    file = folder / "research.yaml"
    first = file.read_text().partition("versions:\n")[2]
    second = first.replace("version: 1", "version: 2").replace("2026-01-01", "2026-12-01")
    file.write_text(file.read_text() + second)
    text = consent.load(folder).texts["research"]
    days = (date(2025, 12, 31), date(2026, 1, 1), date(2026, 11, 30), date(2026, 12, 1))
    found = [text.in_use(day) for day in days]
    assert [one and one.version for one in found] == [None, 1, 1, 2]
    changed(file, "2026-12-01", "2026-01-01")
    with pytest.raises(InvalidDocument, match=r"research\.yaml:\d+: version 2: `from` is not"):
        consent.load(folder)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("scopes.yaml", "minimum_age: 15", "minimum_age: old", r":21: scopes\[0\].minimum_age:"),
        ("scopes.yaml", "minimum_age: 15", "minimum_age: 19", "nobody could give it"),
        ("scopes.yaml", "with_guardian: must", "with_guardian: soon", r":23: .*with_guardian"),
        ("scopes.yaml", "id: gp_sharing", "id: research", ":43: there is another scope"),
        ("scopes.yaml", "allows: [gp]", "allows: [fun]", r"allows\[0\]"),
        ("scopes.yaml", "id: processing", "id: care", "care: only 'processing' may allow 'help'"),
        ("scopes.yaml", "id: research", "id: study", "study: only 'research' may allow 'research'"),
        ("scopes.yaml", "    why: GDPR", "    whose: GDPR", "unknown field `whose`"),
        ("messages.yaml", "id: messages", "id: letters", ":1: `id` is 'letters'"),
        ("messages.yaml", "scope: contact", "scope: party", ":2: `scope` is 'party'; there are"),
        ("messages.yaml", "version: 1", "version: 2", ":4: expected version 1"),
        ("messages.yaml", "from: 2026-01-01", "from: soon", r":5: versions\[0\].from:"),
        ("messages.yaml", "      en: Yes to", "      de: Ja", "unknown field `de`"),
        ("messages.yaml", "id: messages", "id: a\nid: b", ":2: it is not YAML: `id` is given"),
        ("messages.yaml", "id: messages", "id: [", "it is not YAML"),
        ("research.yaml", "scope: research", "scope: research\npathway: escort", "research"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_told_with_its_line(
    folder: Path, name: str, old: str, new: str, said: str
) -> None:
    changed(folder / name, old, new)
    with pytest.raises(InvalidDocument, match=said) as refused:
        consent.load(folder)
    assert str(refused.value).startswith((name, "scopes.yaml"))


def test_a_folder_without_scopes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidDocument, match=r"there is no scopes\.yaml"):
        consent.load(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("who: {service: all", "who: {king: all", r"access\.yaml:\d+: reach-citizen: no"),
        ("who: {service: all", "who: {service: some", r"access\.yaml:\d+: acts\[3\].who"),
        ("act: erase-citizen", "act: read-consent", "another row of the act 'read-consent'"),
        ("who: administrator", "who: king", r"yaml:\d+: 'king' is no act, and none of signed_in, "),
    ],
)
def test_what_is_wrong_in_the_table_of_access_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    file = Path(shutil.copy(SCHEMAS / "access.yaml", tmp_path))
    with pytest.raises(InvalidDocument, match=said):
        access.load(changed(file, old, new))


def test_who_may_do_what_is_asked_of_the_table() -> None:
    assert roles_for("erase-citizen") == {"data_protection", "coordinator"}
    assert set(access.act("withdraw-consent").who) <= ROLES
    with pytest.raises(UnknownAct):
        roles_for("make-coffee")


def test_the_document_has_every_act() -> None:
    document = access_document(SCHEMAS / "access.yaml")
    assert all(f"| `{name}` |" in document for name in access.acts())
    assert (ROOT / "docs/access.md").read_text() == document


def test_every_endpoint_of_the_table_is_of_a_service_and_asked_about_once(tmp_path: Path) -> None:
    for name in SERVICES:
        assert any(access.endpoints(name).values()), name
    places = [place for row in access.table().acts for place in row.at]
    assert {place.partition(" ")[0] for place in places} <= set(SERVICES)
    file = Path(shutil.copy(SCHEMAS / "access.yaml", tmp_path))
    changed(file, '"* GET /livez"', "referral GET /referrals/{referral_id}")
    with pytest.raises(InvalidDocument, match="is open and needs an act"):
        access.load(file)


class Somebody(Struct):
    roles: set[str]
    subject: str = "anna"
    organisation: str | None = None
    department: str | None = None


@pytest.mark.parametrize(
    ("who", "name", "expected"),
    [
        (Somebody({"coordinator"}, department="randers"), "read-referral", "coordinator"),
        (Somebody({"coordinator"}), "read-referral", "coordinator"),
        (Somebody({"coordinator"}, department="aarhus"), "read-referral", None),
        (Somebody({"referrer"}, organisation="gp"), "read-referral", "referrer"),
        (Somebody({"referrer"}, organisation="other"), "read-referral", None),
        (Somebody({"referrer"}), "read-referral", None),
        (
            Somebody({"coordinator", "referrer"}, organisation="gp", department="aarhus"),
            "read-referral",
            "referrer",
        ),
        (Somebody({"volunteer"}), "read-helper", "volunteer"),
        (Somebody({"volunteer"}, subject="bo"), "read-helper", None),
        (Somebody({"coordinator"}), "change-reference", "coordinator"),
        (Somebody({"coordinator"}, department="randers"), "change-reference", None),
        (Somebody({"coordinator"}, department=""), "read-referral", None),
        (Somebody({"coordinator"}, department=""), "change-reference", None),
        (Somebody({"king"}), "read-reference", None),
    ],
)
def test_a_role_reaches_what_its_row_says(who: Somebody, name: str, expected: str | None) -> None:
    found = access.reaching_role(
        who, name, departments=["randers"], organisations=["gp", None], subjects=["anna", None]
    )
    assert found == expected
