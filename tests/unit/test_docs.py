"""The pages say what the code does."""

import importlib.util
import os
import re
from pathlib import Path

from ringfence.cli.main import COMMANDS
from ringfence.flows.pipeline import KIND_DROP, MARK, REASONS

ROOT = Path(__file__).parents[2]


def test_every_drop_reason_is_told_with_its_cookie() -> None:
    rows = dict(re.findall(r"^\| `([a-z0-9-]+)` \| `(0x[0-9a-f]+)…` \| .+ \|$", (ROOT / "docs/why.md").read_text(), re.MULTILINE))
    assert rows == {name: f"{MARK << 8 | KIND_DROP + number:#x}" for name, number in REASONS.items()}


def test_the_readme_names_every_command_that_there_is() -> None:
    done = (ROOT / "README.md").read_text().partition("Not done yet:")[0]
    assert [command for command in COMMANDS if f"`{command}`" not in done] == []


def test_the_reference_is_what_the_program_says() -> None:
    """After a change that is meant: RINGFENCE_GOLDEN=write pytest tests/unit/test_docs.py."""
    spec = importlib.util.spec_from_file_location("manual", ROOT / "packaging/manual.py")
    assert spec is not None
    assert spec.loader is not None
    manual = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(manual)
    page = ROOT / "docs/commands.md"
    if os.environ.get("RINGFENCE_GOLDEN") == "write":
        page.write_text(manual.reference())
    assert page.read_text() == manual.reference()


def test_every_page_that_is_linked_is_there() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"
