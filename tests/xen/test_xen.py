"""ringfence on a real Xen host: installed by its own package, proved on netback, oxenstored and the kernel datapath.

The machine runs once; each test is one of the proofs that ran in it (proofs.py), and the last holds the transcript in
the docs to what the machine printed.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import machine
from order import PROOFS
from ringfence import __version__
from ringfence.records.addresses import link_local
from table import ALL, ATTACKS, HONEST

HERE = Path(__file__).parent
PROJECT = machine.PROJECT
TRANSCRIPT = PROJECT / "docs" / "transcript.md"
CONSOLE = PROJECT / "build" / "xen-console.log"
"""Kept when a proof fails."""
NEXT = "0.1.99"
GUESTS = ("isolated", "locked", "near", "stranger")


class End(NamedTuple):
    """A VIF or the gateway, as the rows of the attack table know it."""

    mac: str
    ip4: str
    ip6: str
    ll: str


def ends() -> dict[str, dict[str, End]]:
    """By guest (and ``gw``), by network."""
    found: dict[str, dict[str, End]] = {}
    for number, name in enumerate((*GUESTS, "gw"), 11):
        found[name] = {}
        for place, network in enumerate(("net", "vlan")):
            mac = "02:00:00:00:00:01" if name == "gw" else f"00:16:3e:00:{place:02x}:{number:02x}"
            last = 1 if name == "gw" else number
            found[name][network] = End(mac, f"10.{place}.0.{last}", f"fd0{place}::{last}", str(link_local(mac).network_address))
    return found


def frames() -> tuple[dict[str, dict[str, str]], dict[str, dict[str, Any]]]:
    """Every row of the attack table and its twin as bytes in hex, and what is told of them, by set and number."""
    made: dict[str, dict[str, str]] = {}
    told: dict[str, dict[str, Any]] = {}
    parties = ends()
    for network in ("net", "vlan"):
        for attacker in ("isolated", "locked"):
            for target in ("near", "gw"):
                a, v = parties[attacker][network], parties[target][network]
                m = parties["near" if target == "gw" else "locked" if attacker == "isolated" else "isolated"][network]
                name = f"{network}:{attacker}:{target}"
                twins = [(row, row.twin) for row in ATTACKS if row.twin] + [(row, row.attack) for row in HONEST]
                for kind, rows in (("attack", [(row, row.attack) for row in ATTACKS]), ("twin", twins)):
                    made[f"{name}:{kind}"] = {str(n): bytes(make(a, v, m)).hex() for n, (_, make) in enumerate(rows)}
                    told[f"{name}:{kind}"] = {
                        str(n): {"name": row.name, "reason": row.reason, "to": "all" if row.to == ALL else ""}
                        for n, (row, _) in enumerate(rows)
                    }
    return made, told


def packages(folder: Path, version: str, work: Path) -> None:
    """The package and the tarball of a version: this tree's files, under that number."""
    tree = work / f"tree-{version}"
    for name in subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name.startswith(("src/ringfence/", "packaging/", "LICENSE")) and (PROJECT / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, tree / name)
    init = tree / "src/ringfence/__init__.py"
    init.write_text(init.read_text().replace(f'"{__version__}"', f'"{version}"'))
    for words in (["git", "init", "--quiet"], ["git", "add", "--all"]):
        subprocess.run(words, cwd=tree, check=True)
    for kind in ("rpm", "tarball"):
        env = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
        subprocess.run([sys.executable, "packaging/build", kind, str(folder)], cwd=tree, env=env, check=True, stdout=subprocess.DEVNULL)
    (folder / "VERSION").write_text(version + "\n")


def run_machine(work: Path) -> dict[str, Any]:
    """Everything that is tried, once; what came of it."""
    found = machine.base()
    tree = work / "payload"
    tree.mkdir()
    made, told = frames()
    (tree / "frames.json").write_text(json.dumps(made))
    (tree / "sets.json").write_text(json.dumps(told))
    (tree / "ends.json").write_text(json.dumps({name: {n: e._asdict() for n, e in by.items()} for name, by in ends().items()}))
    for name in ("guest.py", "xcp.py", "order.py", "proofs.py", "volley.py", "vif"):
        shutil.copy(HERE / name, tree / name)
    inside = {"init": HERE / "init", "guest.py": HERE / "guest.py", "frames.json": tree / "frames.json"}
    shutil.copy(machine.guest_initrd(found, work, inside), tree / "guest.cpio")
    shutil.copy(machine.empty_initrd(work), tree / "empty.cpio")
    machine.unpack_kernel(found / "vmlinuz", tree / "vmlinux")
    for package in ("ringfence", "ringfence_lab"):
        shutil.copytree(PROJECT / "src" / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    packages(tree / "first", __version__, work)
    packages(tree / "second", NEXT, work)
    (tree / "nothing").write_text("#!/bin/sh\nexit 0\n")
    (tree / "run").write_text("#!/bin/sh\ncd /payload\nexec python3 proofs.py\n")
    for name in ("nothing", "run"):
        (tree / name).chmod(0o755)
    disk = work / "payload.img"
    machine.payload(tree, disk)
    CONSOLE.parent.mkdir(exist_ok=True)
    with CONSOLE.open("w") as console:
        machine.boot(found, disk, console, lambda line: print(line, flush=True))
    try:
        kept: dict[str, Any] = json.loads(machine.read_back(disk, "/results.json"))
    except ValueError:
        pytest.fail(f"the machine left no results: see {CONSOLE}")
    if all(result["good"] for result in kept["results"]):
        CONSOLE.unlink()
    return kept


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run_machine(tmp_path_factory.mktemp("xen"))


@pytest.mark.timeout(machine.LIMIT_S + 600)
@pytest.mark.parametrize("name", PROOFS)
def test_proof(results: dict[str, Any], name: str) -> None:
    found = {result["name"]: result for result in results["results"]}
    assert name in found, f"it did not run: an earlier one failed; see {CONSOLE}"
    assert found[name]["good"], found[name]["text"]


def test_the_transcript_in_the_docs_is_what_the_machine_printed(results: dict[str, Any]) -> None:
    text = "\n".join(results["transcript"]).strip()
    if os.environ.get("RINGFENCE_GOLDEN") == "write":
        head = TRANSCRIPT.read_text().partition("```")[0]
        TRANSCRIPT.write_text(f"{head}```\n{text}\n```\n")
    assert TRANSCRIPT.read_text().partition("```\n")[2].rpartition("\n```")[0] == text
