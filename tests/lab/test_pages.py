"""The pages are typed as they stand: what they promise is what is printed, and every command that they name is one."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from console import Shell, pattern, typed
from lab import BACKEND, guest, running
from ringfence_lab.host import Host
from ringfence_lab.pool import Pool

ROOT = Path(__file__).parents[2]
PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if "```console" in page.read_text()]
SCENARIO = {
    "hosts": ["h1"],
    "networks": {"backend": {"ringfence": BACKEND}},
    "guests": {
        "web1": guest("h1", 5, "groups=blue"),
        "db1": guest("h1", 21, "groups=blue"),
        "lb1": guest("h1", 100, "groups=lb"),
        "lb2": guest("h1", 101, "groups=lb"),
        "blue1": guest("h1", 11, "groups=blue"),
        "blue2": guest("h1", 12, "groups=blue"),
        "green1": guest("h1", 22, "groups=green"),
        "old1": guest("h1", 23, ""),
    },
    "outside": {"gw": {"network": "backend", "addresses": ["10.0.0.1"]}},
}
POLICY = "groups:\n  blue: [blue1/0, blue2/0]\nexpect:\n  - blue1 reaches blue2 tcp/5432\n"
NOT_TYPED = {
    "ringfence drops --follow": "goes on until it is interrupted: tests/lab/test_watch.py",
    "ringfence adopt web1": "asks a person: tests/lab/test_trust.py",
    "ringfence apply -f policy.yaml --confirm-within 2m": "needs what follows it: tests/lab/test_policy_files.py",
    "ringfence confirm": "needs what is in front of it: tests/lab/test_policy_files.py",
    "ringfence host doctor": "a lab's host is not installed: tests/lab/test_host_commands.py",
    "ringfence metrics > /var/lib/node_exporter/ringfence.prom": "writes outside the lab: tests/lab/test_host.py",
}


def commands() -> list[tuple[str, str]]:
    """Page and command: the lines of indented blocks that begin with ringfence or xe."""
    found = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        if page.name in ("transcript.md", "workstation.md"):  # the one is printed on a real host, the other is about another machine
            continue
        for line in re.findall(r"^    ((?:ringfence|xe) .*)$", page.read_text(), re.MULTILINE):
            command = re.split(r"\s+#", line)[0].strip()
            if command not in NOT_TYPED:
                found.append((page.name, command))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_shows_is_what_is_printed(page: Path) -> None:
    shell = Shell(ROOT, Path(sys.executable).parent)
    try:
        for line, command, expected in typed(page):
            printed, _ = shell.run(command)
            assert pattern(expected).fullmatch(printed), f"{page.name}, line {line}: {command}\nprinted:\n{printed}"
    finally:
        shell.close()
        subprocess.run([sys.executable, "-m", "ringfence_lab.main", "down"], check=True)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with running(SCENARIO) as made:
        yield made


def test_pages_have_commands() -> None:
    assert len(PAGES) >= 2
    assert len(commands()) > 30
    everything = "\n".join(page.read_text() for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    assert not [command for command in NOT_TYPED if command not in everything]


@pytest.mark.parametrize(("page", "command"), commands())
def test_a_command_that_a_page_names_is_understood(pool: Pool, host: Host, tmp_path: Path, page: str, command: str) -> None:
    """0 and 1 are answers; anything else is a mistake of the page or of the program."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    uuids = {"POOL-UUID": next(iter(pool.db.rows["pool"].values()))["uuid"], "VM-UUID": pool.db.get("VM", pool.vms["web1"])["uuid"]}
    uuids["VIF-UUID"] = pool.db.get("VIF", pool.vifs["web1/0"])["uuid"]
    for name, uuid in uuids.items():
        command = command.replace(name, uuid)
    command = re.sub(r"uuid=UUID\b", f"uuid={uuids['VIF-UUID']}", command)
    done = host.run("sh", "-c", f"cd {shlex.quote(str(tmp_path))} && {command}")
    assert done.returncode in (0, 1), f"{page}: {command}: {done.stderr}"
    assert "Traceback" not in done.stderr
    if command.startswith("xe "):
        assert done.returncode == 0, f"{page}: {command}: {done.stderr}"
