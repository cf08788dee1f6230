"""The package itself: the same bytes twice, what it holds, and that its parts are what the tools of a host take."""

import gzip
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from ringfence import __version__
from ringfence.cli.main import COMMANDS

PROJECT = Path(__file__).parents[2]
HOME = f"/opt/ringfence/{__version__}"


def build(kind: str, folder: Path, **env: str) -> Path:
    words = [str(PROJECT / "packaging" / "build"), kind, str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **env})
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("layout") / "tree"
    subprocess.run([str(PROJECT / "packaging" / "layout"), str(made)], check=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    return made


def inside(tree: Path) -> set[str]:
    return {"/" + str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_symlink() or path.is_file()}


@pytest.mark.parametrize("kind", ["rpm", "tarball"])
def test_two_builds_are_the_same_bytes(kind: str, tmp_path: Path) -> None:
    first = build(kind, tmp_path / "a", TZ="Pacific/Auckland")
    second = build(kind, tmp_path / "b", TZ="America/Lima", LC_ALL="C")
    assert hashlib.sha256(first.read_bytes()).hexdigest() == hashlib.sha256(second.read_bytes()).hexdigest()


def test_the_rpm_holds_what_the_layout_holds_for_root(tree: Path, tmp_path: Path) -> None:
    package = build("rpm", tmp_path)
    form = "[%{FILENAMES} %{FILEMODES} %{FILEUSERNAME} %{FILEGROUPNAME}\n]"
    rows = [
        line.split()
        for line in subprocess.run(["rpm", "-qp", "--qf", form, str(package)], capture_output=True, text=True).stdout.splitlines()
    ]
    files = {name for name, mode, *_ in rows if not stat.S_ISDIR(int(mode))}
    assert files == inside(tree)
    assert {(user, group) for _, _, user, group in rows} == {("root", "root")}
    assert [name for name, mode, *_ in rows if not stat.S_ISLNK(int(mode)) and int(mode) & 0o022] == []
    asked = subprocess.run(["rpm", "-qp", "--requires", str(package)], capture_output=True, text=True).stdout.split("\n")
    needs = {line for line in asked if line and not line.startswith("rpmlib(")}
    assert needs == {"/bin/sh", "/usr/bin/python3", "openvswitch"}
    features = {line.split()[0] for line in asked if line.startswith("rpmlib(")}
    assert features <= {"rpmlib(CompressedFileNames)", "rpmlib(FileDigests)", "rpmlib(PayloadFilesHavePrefix)"}, (
        "too new for XCP-ng 8.3's rpm"
    )


def test_every_file_is_in_the_bill_of_materials(tree: Path) -> None:
    path = tree / HOME[1:] / "sbom.spdx.json"
    document = parse_file(str(path))
    assert [str(message.validation_message) for message in validate_full_spdx_document(document)] == []
    listed = {entry["fileName"][1:]: entry["checksums"][1]["checksumValue"] for entry in json.loads(path.read_text())["files"]}
    regular = {name for name in inside(tree) if not (tree / name[1:]).is_symlink()} - {f"{HOME}/sbom.spdx.json"}
    assert set(listed) == regular
    for name, digest in listed.items():
        assert hashlib.sha256((tree / name[1:]).read_bytes()).hexdigest() == digest, name


def test_every_command_has_a_page_that_groff_takes_without_a_word(tree: Path) -> None:
    pages = {path.name: path for path in (tree / "usr/share/man/man1").iterdir()}
    assert set(pages) == {"ringfence.1.gz", *(f"ringfence-{command}.1.gz" for command in COMMANDS)}
    for name, path in pages.items():
        words = ["groff", "-man", "-Tutf8", "-ww", "-z"]
        done = subprocess.run(words, input=gzip.decompress(path.read_bytes()), capture_output=True)
        assert (done.returncode, done.stderr) == (0, b""), name


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("ringfence ho", {"host"}),
        ("ringfence host u", {"upgrade", "uninstall"}),
        ("ringfence vif set --sh", {"--shared"}),
        ("ringfence -o json aud", {"audit"}),
    ],
)
def test_the_shell_completes(tree: Path, typed: str, offered: set[str]) -> None:
    script = tree / "usr/share/bash-completion/completions/ringfence"
    ask = f'source {script}; COMP_WORDS=({typed}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); _ringfence; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True)
    assert (set(done.stdout.split()), done.stderr) == (offered, "")


def test_the_units_name_what_is_there(tree: Path) -> None:
    for unit in ("ringfenced.service", "ringfence-watchdog.service"):
        text = (tree / "usr/lib/systemd/system" / unit).read_text()
        program = re.search(r"^ExecStart=(\S+)", text, re.M)
        assert program is not None
        assert (tree / program[1][1:].replace("/current/", f"/{__version__}/")).stat().st_mode & 0o111
    for path in (tree / HOME[1:] / "bin").iterdir():
        assert path.read_text().startswith("#!/usr/bin/python3 -I"), "the caller's environment must not be looked at"


def test_the_programs_start_from_where_they_lie(tree: Path, tmp_path: Path) -> None:
    tree = shutil.copytree(tree, tmp_path / "tree", symlinks=True)  # they leave their bytecode
    done = subprocess.run(["/usr/bin/python3", "-I", str(tree / HOME[1:] / "bin/ringfence"), "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{__version__}\n", "")
    done = subprocess.run(["/usr/bin/python3", "-IS", str(tree / HOME[1:] / "bin/setup-vif-rules")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("usage: setup-vif-rules BACKEND INTERFACE")


def test_the_tarball_installs_and_leaves_nothing(tree: Path, tmp_path: Path) -> None:
    package = build("tarball", tmp_path)
    with tarfile.open(package) as packed:
        assert {(entry.uid, entry.gid) for entry in packed} == {(0, 0)}
    subprocess.run(["tar", "-xzf", str(package), "-C", str(tmp_path)], check=True)
    script = str(tmp_path / f"ringfence-{__version__}" / "install.sh")
    root = tmp_path / "root"
    (root / "etc/logrotate.d").mkdir(parents=True)
    (root / "etc/logrotate.d/other").write_text("another package's\n")
    before = sorted(root.rglob("*"))
    env = {**os.environ, "DESTDIR": str(root)}
    for _ in range(2):  # twice is once
        subprocess.run([script], check=True, env=env)
    assert inside(root) - {"/etc/logrotate.d/other", "/opt/ringfence/MANIFEST"} == inside(tree)
    subprocess.run([script, "--remove"], check=True, env=env)
    left = [path for path in sorted(root.rglob("*")) if path not in before]
    assert left == []
    assert (root / "etc/logrotate.d/other").exists()


def test_a_layout_writes_over_nothing(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("kept\n")
    done = subprocess.run([str(PROJECT / "packaging" / "layout"), str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == f"packaging/layout: {tmp_path}: is not empty: name a new folder\n"
    shutil.rmtree(tmp_path)
