"""README shows what is so."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def brobyg(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("brobyg")), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
    )


def test_the_picture_of_the_flow_is_the_one_the_services_own_tables_give() -> None:
    shown = re.search(r"```mermaid\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    assert shown[1] == brobyg("flow", "--mermaid").stdout, (
        "run: brobyg flow --mermaid, and put it into README.md"
    )


def test_every_make_command_it_names_exists() -> None:
    targets = set(
        re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert set(re.findall(r"`make ([a-z]+)", README)) <= targets


def test_every_brobyg_command_it_names_exists() -> None:
    for command in set(re.findall(r"`brobyg ([a-z-]+(?: (?:list|verify|stop|start))?)", README)):
        answer = brobyg(*command.split(), "--help")
        assert answer.returncode == 0, f"brobyg {command}: {answer.stderr}"


def test_every_file_it_points_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
