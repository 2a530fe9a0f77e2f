"""Files of reference data: every fault is told with its file, its line and the reason."""

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from brobyg_contracts import CalendarRecorded, PlaceRecorded
from brobyg_referral.reference.adapters.files import read_folder
from brobyg_referral.reference.domain.entries import Entry
from brobyg_referral.reference.errors import FaultyReference
from brobyg_referral.reference.use_cases.records import check
from reference_data import FOLDER, entries

Change = Callable[[str], str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of schemas/reference that a test may change."""
    return Path(shutil.copytree(FOLDER, tmp_path / "reference"))


def replaced(old: str, new: str) -> Change:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


def added(text: str) -> Change:
    return lambda before: before + text


def faults(folder: Path) -> list[str]:
    """What is wrong with the folder, each with the file's name and line."""
    try:
        check(read_folder(folder))
    except FaultyReference as error:
        return [str(fault).removeprefix(f"{folder}/") for fault in error.faults]
    return []


def line_of(path: Path, text: str) -> int:
    return path.read_text().splitlines().index(text) + 1


def test_the_projects_own_files_are_right() -> None:
    check(list(entries()))


ANOTHER = """
  - id: hadsten-clinic
    label: Hadsten
    postcode: "8370"
    latitude: 56.328
    longitude: 10.049
    municipality_code: "0710"
"""


def department(name: str, *former: str, withdrawn: bool = False) -> str:
    """An entry like the project's own."""
    return f"""
  - id: {name}
    label: {name}
    municipalities: ["0751"]
    pools: [student]
    pathways: [escort]
    languages: [da]
    quiet_from: "21:00"
    quiet_to: "08:00"
    zone: Europe/Copenhagen
    former: [{", ".join(former)}]
    withdrawn: {str(withdrawn).lower()}
"""


def closed_on_many_days(name: str, year: int, closed_as: str | None = None) -> str:
    """A calendar, closed on 300 days of the year."""
    days = [date(year, 1, 1) + timedelta(days=number) for number in range(300)]
    return f"""
  - id: {name}
    label: Lukket
    zone: Europe/Copenhagen
    openings: [{{weekdays: [1], opens: "08:00", closes: "16:00"}}]
    closed_on: [{", ".join(map(str, days))}]
""" + (f"    closed_as: {closed_as}\n" if closed_as else "")


#: File, what is done to it, the line that has the fault (as text), and words of the reason.
WRONG: dict[str, tuple[str, Change, str, str]] = {
    "a missing property": (
        "places.yaml",
        replaced("    label: Randers Sundhedscenter\n", ""),
        "  - id: randers-health-centre",
        "label: Field required",
    ),
    "an unknown property": (
        "places.yaml",
        replaced("label: Randers Sundhedscenter", "lable: Randers Sundhedscenter"),
        "    lable: Randers Sundhedscenter",
        "lable: this property is not known here; known: id, label, withdrawn, postcode,",
    ),
    "an unknown property of a part": (
        "calendars.yaml",
        replaced("closes:", "shuts:"),
        "",
        "openings.0.shuts: this property is not known here; known: weekdays, opens, closes",
    ),
    "a language that does not exist": (
        "departments.yaml",
        replaced("languages: [da, en]", "languages: [da, qq]"),
        "    languages: [da, qq]",
        "languages.1: expected the code of a language (ISO 639-1), such as da",
    ),
    "a number that is none": (
        "places.yaml",
        replaced("latitude: 56.466", "latitude: north"),
        "    latitude: north",
        "latitude: Input should be a valid number",
    ),
    "a latitude beyond the pole": (
        "places.yaml",
        replaced("latitude: 56.466", "latitude: 156.466"),
        "    latitude: 156.466",
        "less than or equal to 90",
    ),
    "an id in capitals": (
        "places.yaml",
        replaced("id: randers-hospital", "id: Randers-Hospital"),
        "  - id: Randers-Hospital",
        "id: String should match pattern",
    ),
    "a place given twice": (
        "places.yaml",
        added(ANOTHER + ANOTHER.lstrip("\n")),
        "  - id: hadsten-clinic",
        "place/hadsten-clinic is given twice; first by place/hadsten-clinic",
    ),
    "an alias given twice": (
        "places.yaml",
        replaced("places|RHG", "places|RHR"),
        "  - id: grenaa-health-house",
        "alias 'https://hospital.example/places|RHR' is given twice",
    ),
    "a property given twice": (
        "places.yaml",
        replaced('    postcode: "8930"\n', '    postcode: "8930"\n    postcode: "8900"\n'),
        '    postcode: "8900"',
        "`postcode` is given twice",
    ),
    "a place in an unknown postcode": (
        "places.yaml",
        replaced('postcode: "8930"', 'postcode: "8931"'),
        "  - id: randers-hospital",
        "postcode '8931' is not a known postcode",
    ),
    "an unknown calendar": (
        "places.yaml",
        replaced("calendar/weekdays", "calendar/sundays"),
        "  - id: randers-nursing-clinic",
        "calendar 'sundays' is not a known calendar",
    ),
    "an unknown pool": (
        "departments.yaml",
        replaced("[student, retired_professional]", "[student, pensioners]"),
        "  - id: randers-norddjurs",
        "pool 'pensioners' is not a known pool",
    ),
    "an unknown pathway": (
        "departments.yaml",
        replaced("[escort]", "[escort, gardening]"),
        "  - id: randers-norddjurs",
        "there is no pathway 'gardening'; known: escort",
    ),
    "an unknown sender": (
        "departments.yaml",
        replaced("hospital-grenaa]", "hospital-viborg]"),
        "  - id: randers-norddjurs",
        "sender 'hospital-viborg' is not a known organisation",
    ),
    "an unknown municipality": (
        "departments.yaml",
        replaced('"0707"', '"9999"'),
        "  - id: randers-norddjurs",
        "no postcode is in municipality '9999'",
    ),
    "an unknown zone": (
        "departments.yaml",
        replaced("Europe/Copenhagen", "Europe/Randers"),
        "    zone: Europe/Randers",
        "expected the name of a time zone",
    ),
    "a department that is its own former one": (
        "departments.yaml",
        replaced("[randers, norddjurs]", "[randers-norddjurs]"),
        "  - id: randers-norddjurs",
        "`former` leads back to it: a loop",
    ),
    "departments that are each other's former one": (
        "departments.yaml",
        added(department("one", "two") + department("two", "one")),
        "  - id: one",
        "department/one: `former` leads back to it: a loop",
    ),
    "a loop through a withdrawn department": (
        "departments.yaml",
        added(department("one", "two") + department("two", "one", withdrawn=True)),
        "  - id: two",
        "department/two: `former` leads back to it: a loop",
    ),
    "a former department that is still in use": (
        "departments.yaml",
        added(department("one", "two") + department("two")),
        "  - id: one",
        "former 'two' is still in use",
    ),
    "a text where a list is expected": (
        "departments.yaml",
        replaced("pathways: [escort]", "pathways: escort"),
        "    pathways: escort",
        "pathways: Input should be a valid list",
    ),
    "a list where a text is expected": (
        "places.yaml",
        replaced("label: Randers Sundhedscenter", "label: [Randers, Sundhedscenter]"),
        "    label: [Randers, Sundhedscenter]",
        "label: Input should be a valid string",
    ),
    "nothing where a text is expected": (
        "places.yaml",
        replaced("label: Randers Sundhedscenter", "label:"),
        "    label:",
        "label: String should have at least 1 character",
    ),
    "a text where an entry is expected": (
        "pools.yaml",
        added("  - student\n"),
        "  - student",
        "Input should be a valid dictionary",
    ),
    "an unknown property beside the list": (
        "pools.yaml",
        added("more: []\n"),
        "# Where helpers come from.",
        "expected `pools:` and a list, and nothing else",
    ),
    "an unknown organisation": (
        "pools.yaml",
        replaced("organisation: social-sundhed", "organisation: nobody"),
        "  - id: student",
        "organisation 'nobody' is not a known organisation",
    ),
    "a caseload without a limit": (
        "pools.yaml",
        replaced("capacity: span", "capacity: caseload"),
        "  - id: student",
        "`limit` goes with `capacity: caseload`",
    ),
    "a withdrawn pool that is still asked": (
        "pools.yaml",
        replaced("employed: false", "employed: false\n    withdrawn: true"),
        "",
        "pool 'student' is withdrawn",
    ),
    "a calendar that closes before it opens": (
        "calendars.yaml",
        replaced('closes: "15:00"', 'closes: "07:00"'),
        "  - id: weekdays",
        "it closes at 07:00, not after it opens",
    ),
    "calendars that are closed as each other": (
        "calendars.yaml",
        replaced("    closed_on:", "    closed_as: weekdays\n    closed_on:"),
        "  - id: weekdays",
        "`closed_as` comes back to 'weekdays': a loop",
    ),
    "a day that is none": (
        "calendars.yaml",
        replaced("- 2027-01-01", "- 2027-02-30"),
        "      - 2027-02-30",
        "closed_on.11: Input should be a valid date",
    ),
    "no YAML": (
        "pools.yaml",
        replaced("  - id: student", "  - id: [student"),
        "    label: Studerende",
        "it is not YAML",
    ),
    "an anchor": (
        "pools.yaml",
        replaced("requires: [", "requires: &all ["),
        "    requires: &all [confidentiality, record_check, introduction]",
        "anchors and aliases (& and *) are not read",
    ),
    "another list": (
        "pools.yaml",
        replaced("pools:\n", "pool:\n"),
        "# Where helpers come from.",
        "expected `pools:` and a list",
    ),
    "a postcode with three digits": (
        "postcodes.csv",
        replaced("\n8900,", "\n890,"),
        "890,Randers C,56.4607,10.0364,0730",
        "id: String should match pattern",
    ),
    "two calendars that are closed as one on more days than a calendar may be": (
        "calendars.yaml",
        added(
            closed_on_many_days("one-year", 2027) + closed_on_many_days("another", 2028, "one-year")
        ),
        "  - id: another",
        "calendar/another: it is closed on 600 days with those of `closed_as`, and at most 400",
    ),
    "a postcode given twice": (
        "postcodes.csv",
        added("8900,Randers C,56.4607,10.0364,0730\n"),
        "8900,Randers C,56.4607,10.0364,0730",
        "postcode/8900 is given twice; first by postcode/8900 (",
    ),
    "a postcode whose latitude is a word": (
        "postcodes.csv",
        replaced("8900,Randers C,56.4607", "8900,Randers C,north"),
        "8900,Randers C,north,10.0364,0730",
        "latitude: Input should be a valid number",
    ),
    "a postcode line too short": (
        "postcodes.csv",
        replaced("8900,Randers C,56.4607,10.0364,0730", "8900,Randers C,56.4607"),
        "8900,Randers C,56.4607",
        "expected 5 values",
    ),
    "other columns": (
        "postcodes.csv",
        replaced("postcode,label,", "label,postcode,"),
        "label,postcode,latitude,longitude,municipality_code",
        "expected the columns postcode,label",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_fault_is_told_with_its_file_its_line_and_the_reason(what: str, folder: Path) -> None:
    file, change, line, reason = WRONG[what]
    path = folder / file
    path.write_text(change(path.read_text()))

    found = faults(folder)

    assert any(reason in one for one in found), found
    if line:
        said = [one for one in found if reason in one]
        lines = path.read_text().splitlines()
        places = {f"{file}:{n}: " for n, text in enumerate(lines, 1) if text == line}
        assert any(one.startswith(tuple(places)) for one in said), (places, said)


def test_every_fault_of_every_file_is_told_at_once(folder: Path) -> None:
    for file, old, new in (
        ("places.yaml", "latitude: 56.466", "latitude: x"),
        ("places.yaml", "longitude: 10.055", "longitude: y"),
        ("pools.yaml", "employed: false", "employed: perhaps"),
    ):
        path = folder / file
        path.write_text(replaced(old, new)(path.read_text()))
    (folder / "organisations.yaml").unlink()
    found = faults(folder)
    assert [one.partition(":")[0] for one in found] == [
        "organisations.yaml", "places.yaml", "places.yaml", "pools.yaml",
    ]  # fmt: skip
    assert "it can't be read: No such file or directory" in found[0]


def test_bytes_that_are_no_text_are_told_with_their_line(folder: Path) -> None:
    (folder / "pools.yaml").write_bytes("pools:\n  - id: pensionær\n".encode("latin-1"))
    assert "pools.yaml:2: it is not UTF-8" in faults(folder)


def test_a_file_nested_without_end_is_told(folder: Path) -> None:
    (folder / "pools.yaml").write_text("[" * 5_000)
    assert any(one.startswith("pools.yaml:1: ") for one in faults(folder))


@pytest.mark.parametrize("file", [path.name for path in sorted(FOLDER.glob("*.*[vl]"))])
def test_a_byte_order_mark_and_carriage_returns_change_nothing(folder: Path, file: str) -> None:
    path = folder / file
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert faults(folder) == []
    assert [one.record for one in read_folder(folder)] == [one.record for one in entries()]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("places.yaml", b"latitude: 56.466", b"latitude: north"),
        ("postcodes.csv", b"\n8900,", b"\n890,"),
    ],
)
def test_with_them_a_fault_is_told_with_the_same_line(
    folder: Path, file: str, old: bytes, new: bytes
) -> None:
    path = folder / file
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    told = faults(folder)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(told) == 1
    assert faults(folder) == told


def test_numbers_are_read_as_they_are_written(folder: Path) -> None:
    path = folder / "places.yaml"
    path.write_text(path.read_text().replace('"0730"', "0730").replace('"8930"', "8930"))
    assert faults(folder) == []
    hospital = by_key(read_folder(folder))["place/randers-hospital"].record
    assert isinstance(hospital, PlaceRecorded)
    assert hospital.municipality_code == "0730"


def test_a_calendar_may_be_closed_as_another(folder: Path) -> None:
    path = folder / "calendars.yaml"
    path.write_text(
        path.read_text()
        + """
  - id: clinics
    label: Klinikker
    zone: Europe/Copenhagen
    openings: [{weekdays: [1], opens: "08:00", closes: "09:00"}]
    closed_as: weekdays
    closed_on: [2026-06-05]
"""
    )
    assert faults(folder) == []
    clinics = by_key(read_folder(folder))["calendar/clinics"].record
    assert isinstance(clinics, CalendarRecorded)
    assert {"2026-06-05", "2026-12-24"} <= set(clinics.closed_on)


def test_a_pathway_that_asks_a_pool_nobody_serves_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    escort = (FOLDER.parent / "pathways" / "escort.toml").read_text()
    walks = escort.replace('name = "escort"', 'name = "walks"').replace(
        'pools = ["student", "retired_professional"]', 'pools = ["navigator"]'
    )
    (tmp_path / "walks.toml").write_text(walks)
    monkeypatch.setenv("BROBYG_PATHWAYS", str(tmp_path))
    path = folder / "departments.yaml"
    path.write_text(replaced("[escort]", "[escort, walks]")(path.read_text()))
    [fault] = faults(folder)
    assert "pathway 'walks' asks navigator for the role 'companion'" in fault


def by_key(found: list[Entry]) -> dict[str, Entry]:
    return {entry.key: entry for entry in found}


def test_a_folder_that_is_not_there_is_told_once_with_what_it_should_hold(tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("")
    for name, why in (("none", "there is no such folder"), ("a-file", "this is not a folder")):
        [fault] = faults(tmp_path / name)
        assert why in fault
        assert "places.yaml" in fault
        assert "postcodes.csv" in fault
        assert "copy schemas/reference" in fault
