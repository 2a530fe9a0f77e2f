"""Who signs in at the providers: every role, at places that the reference data have."""

from pathlib import Path

import pytest
import yaml
from brobyg_contracts.domain import ROLES
from brobyg_contracts.errors import InvalidDocument
from brobyg_contracts.sign_in import NOT_BY_PROVIDERS, load, sign_in
from brobyg_local.sign_ins import sign_ins
from brobyg_local.state import ROOT

FILE = ROOT / "schemas" / "sign-in.toml"


def ids(name: str) -> set[str]:
    file = ROOT / "schemas" / "reference" / f"{name}.yaml"
    return {one["id"] for one in yaml.safe_load(file.read_text(encoding="utf-8"))[name]}


def test_every_role_that_a_provider_gives_is_somebodys() -> None:
    mapping, known = sign_in(), sign_ins()
    staff = {mapping.staff[word] for one in known.user for word in one.roles}
    machines = {word for one in known.machine for word in one.roles}
    assert staff == set(mapping.staff.values())
    assert staff | machines == ROLES - NOT_BY_PROVIDERS


def test_everybody_is_of_an_organisation_and_a_department_that_exist() -> None:
    everybody = (*sign_ins().user, *sign_ins().machine)
    assert {one.organisation for one in everybody} <= ids("organisations")
    departments = ids("departments") | {sign_in().every_department}
    assert {one.department for one in everybody} == departments


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('analyst = "analyst"', 'boss = "king"', "staff: boss: a provider gives no role 'king'"),
        ('analyst = "analyst"', 'a = "service"', "staff: a: a provider gives no role 'service'"),
        ('roles = ["roles"]', "roles = []", "claims.roles"),
        ("[staff]", "[staff", "sign-in.toml: "),
        ('every_department = "*"', "", "every_department"),
    ],
)
def test_what_is_wrong_in_a_mapping_is_told(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = tmp_path / "sign-in.toml"
    file.write_text(FILE.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InvalidDocument, match=said):
        load(file)


def test_a_mapping_may_take_any_words_and_any_places(tmp_path: Path) -> None:
    file = tmp_path / "sign-in.toml"
    text = FILE.read_text(encoding="utf-8")
    text = text.replace('roles = ["roles"]', 'roles = ["realm_access", "roles"]')
    file.write_text(text.replace("coordinator =", '"CN=Brobyg K" =', 1), encoding="utf-8")
    mapping = load(file)
    assert mapping.claims.roles == ("realm_access", "roles")
    assert mapping.staff["CN=Brobyg K"] == "coordinator"
