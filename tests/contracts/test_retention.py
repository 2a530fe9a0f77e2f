"""How long what is kept: every table and topic is in the file, and everything in it is done."""

import base64
from pathlib import Path

import pytest
from brobyg_contracts import TOPICS
from brobyg_contracts.errors import InvalidDocument
from brobyg_contracts.retention import kinds, load
from brobyg_kit import tables
from brobyg_kit.cli import load_service, service_entry_points
from brobyg_kit.retention import OWN, Retention
from brobyg_kit.runtime import Runtime
from brobyg_kit.topics import load_topics
from brobyg_local.keys import RANDOM_KEYS

from schemas.tools.privacy import BEGIN, END, privacy_document

ROOT = Path(__file__).parents[2]
FILE = ROOT / "schemas/retention.yaml"
SERVICES = sorted(service_entry_points())
#: What has no default and is no key.
SETTINGS = {
    "BROBYG_PORTAL_URL": "http://127.0.0.1:8000",
    "BROBYG_NOTIFICATION_SMTP": "smtp://mail:25",
    "BROBYG_NOTIFICATION_SENDER": "brobyg@example.org",
    "BROBYG_NOTIFICATION_COORDINATORS": "randers=coordinators@example.org",
}
ROW = """\
kinds:
- kind: thing
  services: [referral]
  tables: [thing]
  whose: [citizens]
  what: Something.
  counted_from: it came
  keep: 10 days
  action: delete
  why: It is needed.
  basis: GDPR
"""


@pytest.mark.parametrize("name", SERVICES)
def test_every_table_of_a_service_is_in_the_file_and_no_other(name: str) -> None:
    own = load_service(name).metadata
    said = {table for row in kinds().values() if name in row.services for table in row.tables}
    there = set() if own is None else {*own.tables.values(), *tables.metadata.tables.values()}
    assert said == {table.name for table in there}


def test_every_topic_is_in_the_file_once_and_kept_as_its_own_file_says() -> None:
    topics = {one.name: one for one in load_topics(ROOT / "schemas/topics")}
    rows = [row for row in kinds().values() if row.topic]
    assert sorted(row.topic for row in rows) == sorted(topics)
    for row in rows:
        days = topics[row.topic].retention_milliseconds / (24 * 60 * 60 * 1000)
        assert row.days == (None if days < 0 else days), row.kind
        erased = topics[row.topic].cleanup_policy == "compact" and row.whose != ("nobody",)
        assert (row.by == "erasure") == erased, row.kind
    assert TOPICS.keys() <= topics.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_ends_exactly_what_the_file_says_that_it_ends(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = base64.b64encode(b"k" * 32).decode()
    for setting, value in (dict.fromkeys(RANDOM_KEYS, key) | SETTINGS).items():
        monkeypatch.setenv(setting, value)
    built = load_service(name)
    if built.metadata is None:
        assert not any(name in row.services for row in kinds().values() if row.by == "timer")
        return
    runtime = Runtime(built, built.settings())
    Retention(name, runtime.parts.retention, runtime.metrics)
    for kind in runtime.parts.retention.keys() - OWN.keys():  # which the kit ends else
        left = {one: how for one, how in runtime.parts.retention.items() if one != kind}
        with pytest.raises(ValueError, match=f"{name} has nobody who ends {kind}"):
            Retention(name, left, runtime.metrics)


def test_an_appointment_is_there_as_long_as_it_tells_whether_a_citizen_is_silent() -> None:
    days = {kind: row.days or 0 for kind, row in kinds().items()}
    assert days["appointment"] >= days["citizen_silent"] >= days["citizen_ended"]


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("10 days", "10 weeks", 2, "`keep` is a number of days"),
        ("10 days", "0 days", 2, "`keep` is a number of days"),
        ("  counted_from: it came\n", "", 2, "say `counted_from`"),
        ("  action: delete\n", "", 2, "say the `action`"),
        ("10 days", "until done", 2, "without days nothing is `counted_from`"),
        ("tables: [thing]", "elsewhere: a file\n  topic: t", 2, "it is kept in one of"),
        ("whose: [citizens]", "whose: [nobody, staff]", 2, "`nobody` stands alone"),
        ("whose: [citizens]\n", "whose: [nobody]\n  # \n", 2, ""),
        ("  counted_from: it came\n  keep: 10 days\n  action: delete\n",
         "  keep: for ever, about nobody\n", 2, "can't be kept for ever"),
        ("tables: [thing]", "elsewhere: a file", 2, ""),
        ("whose: [citizens]", "whose: [people]", 5, "Invalid enum value"),
        ("services: [referral]", "services: [payment]", 3, "Invalid enum value"),
        ("basis: GDPR\n", "", 2, "missing required field `basis`"),
        ("what: Something.", "what: ''", 6, "length >= 1"),
        ("  basis: GDPR\n", "  basis: GDPR\n  note: x\n", 2, "unknown field `note`"),
        ("  basis: GDPR\n", "  basis: GDPR\n" + ROW.partition("\n")[2], 12, "another row"),
        ("  what: Something.", " what: Something.", 6, "it is not YAML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_line_and_why(
    old: str, new: str, line: int, reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "retention.yaml"
    assert ROW.count(old) == 1
    file.write_text(ROW.replace(old, new))
    if not reason:
        assert load(file)["thing"].days == 10
        return
    with pytest.raises(InvalidDocument, match=rf"^retention\.yaml:{line}: .*{reason}"):
        load(file)


def test_the_record_of_processing_has_every_kind_and_leaves_the_rest_of_the_document() -> None:
    before = f"# Title\n{BEGIN}Outdated\n{END}after\n"
    written = privacy_document(before, FILE)
    assert written.startswith(f"# Title\n{BEGIN}")
    assert written.endswith(f"{END}after\n")
    assert "Outdated" not in written
    assert all(written.count(f"| `{kind}` |") == 1 for kind in kinds())
    with pytest.raises(ValueError, match="no part between"):
        privacy_document("# Title\n", FILE)
