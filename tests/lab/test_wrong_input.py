"""What is wrong is told in one line that says what, where and how to mend it; nothing is changed, and nobody else is touched."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import BACKEND, guest, ringfence, running
from ringfence_lab import netns
from ringfence_lab.host import Host
from ringfence_lab.pool import Pool

MANY = ",".join(f"10.0.1.{n}" for n in range(65))
SCENARIO = {
    "hosts": ["h1"],
    "networks": {"backend": {"ringfence": BACKEND}, "plain": {}},
    "guests": {
        "blue1": guest("h1", 11, "groups=blue"),
        "blue2": guest("h1", 12, "groups=blue"),
        "full": guest("h1", 13, "groups=" + ",".join(f"g{n}" for n in range(32))),
        "twin": guest("h1", 21, ""),
        "other": guest("h1", 22, ""),
        "bad": guest("h1", 23, "colour=red"),
        "plain1": {"host": "h1", "vifs": [{"network": "plain", "addresses": ["10.0.9.1"]}]},
    },
}
WRONG: list[tuple[str, int, str]] = [
    # Usage.
    ("", 2, "required: COMMAND: see ringfence --help"),
    ("isolate blue1/0", 2, "invalid choice: 'isolate'"),
    ("vif", 2, "required: ACTION: see ringfence vif --help"),
    ("vif set", 2, "required: vif, KEY=VALUE"),
    ("vif set blue1/0", 2, "required: KEY=VALUE"),
    ("ip add blue1/0", 2, "required: ADDRESS"),
    ("status --colour", 2, "unrecognized arguments: --colour"),
    ("-o xml vif list", 2, "invalid choice: 'xml'"),
    ("drops --every never", 2, "argument --every"),
    ("apply", 2, "required: -f/--file"),
    ("apply -f x --confirm-within soon", 2, "argument --confirm-within"),
    # Names.
    ("vif show nobody/0", 2, "no VIF is called nobody/0: write VM/DEVICE, as ringfence vif list shows it"),
    ("vif show blue1/9", 2, "no VIF is called blue1/9"),
    ("vif show blue1", 2, "write VM/DEVICE or the VIF's uuid"),
    ("vif set copy/0 groups=a", 2, "copy/0 names several: use one of these uuids"),
    ("vif show ff", 2, "no VIF is called ff"),
    ("network set nowhere default=isolated", 2, "no network is called nowhere: use one of backend, plain"),
    ("explain blue1 nobody", 2, "no VM with a VIF is called nobody"),
    ("explain blue1 plain1", 2, "share no network"),
    ("explain 10.0.0.11 8.8.8.8 tcp/0", 2, "tcp/0"),
    ("explain outside 8.8.8.8", 2, "neither is a VIF of the pool"),
    ("explain blue1 blue1", 2, "are one party: name two"),
    ("adopt nobody", 2, "no VM with a VIF is called nobody"),
    # Records.
    ("vif set blue1/0 ipv4=10.0.0.5/24", 2, "10.0.0.5/24 has host bits set: write 10.0.0.5 for one address or 10.0.0.0/24 for the prefix"),
    ("vif set blue1/0 ipv4=10.0.0.300", 2, "'10.0.0.300' is not an address or prefix"),
    ("vif set blue1/0 ipv4=fd00::1", 2, "move it to ipv6="),
    ("vif set blue1/0 ipv6=fe80::1%eth0", 2, "has a zone"),
    ("vif set blue1/0 mode=closed", 2, "write one of unlocked, locked, isolated, disabled"),
    ("vif set blue1/0 colour=red", 2, "unknown key 'colour'"),
    ("vif set blue1/0 isolated", 2, "'isolated' has no ="),
    ("vif set blue1/0 mode=locked mode=isolated", 2, "mode is given twice"),
    ("vif set blue1/0 mac=00:16:3e:00:00:01", 2, "leave it out: it is written by itself"),
    ("vif set blue1/0 services=dns", 2, "write one of dhcp, dhcp6, ra, router"),
    ("vif set blue1/0 external=maybe", 2, "write one of allow, deny"),
    (f"vif set blue1/0 ipv4={MANY}", 2, "lists 65 own addresses: the limit is 64"),
    (f"vif set blue1/0 peers={MANY}", 2, "peers lists 65 peers: the limit is 64"),
    ("vif set full/0 groups=" + ",".join(f"g{n}" for n in range(33)), 2, "groups lists 33 groups: the limit is 32"),
    (f"vif set blue1/0 x-note={'a' * 1900}", 2, "the limit is 1900 bytes"),
    ("vif set bad/0 groups=a", 2, "bad/0: unknown key 'colour'"),
    ("vif set twin/0 ipv4=10.0.0.22", 4, "10.0.0.22 belongs to other/0"),
    ("ip add twin/0 10.0.0.22", 4, "twin/0: 10.0.0.22 belongs to other/0: remove it there, or pass --shared"),
    ("ip add twin/0 10.0.0.1", 4, "10.0.0.1 is a gateway of backend"),
    ("ip add twin/0 10.0.0.0/33", 2, "'10.0.0.0/33' is not an address or prefix"),
    ("ip who 10.0.0", 2, "'10.0.0' is not an address or prefix"),
    ("group add Blue blue1/0", 2, "'Blue' is not a group name"),
    (f"group add {'b' * 64} blue1/0", 2, "63 at most"),
    ("group add red twin/0 full/0", 2, "full/0: groups lists 33 groups: the limit is 32"),
    ("group add red twin/0 nobody/0", 2, "no VIF is called nobody/0"),
    # Lines of networks.
    ("network set backend default=secret", 2, "write one of unlocked, locked, isolated, disabled"),
    ("network set backend inside=10.0.0.1/24", 2, "has host bits set"),
    ("network set backend enforce=maybe", 2, "write one of on, watch"),
    ("network set backend colour=red", 2, "network backend: unknown key 'colour'"),
    ("suggest backend", 2, "network backend: it is not watched: ringfence network set backend enforce=watch"),
    # Files.
    ("apply -f missing.yaml", 2, "missing.yaml: cannot be read (No such file or directory)"),
    ("diff -f empty.yaml", 2, "empty.yaml: is empty"),
    ("apply -f twice.yaml", 2, "twice.yaml: is no YAML ('groups' is there twice)"),
    ("apply -f strange.yaml", 2, "colours is not known"),
    ("apply -f unknown.yaml", 2, "unknown.yaml: "),
    ("apply -f one-of-two.yaml", 2, "has host bits set"),
    ("apply -f unmet.yaml", 2, "nothing was changed: mend the policy, or what is expected of it"),
    ("check -f binary.yaml", 2, "binary.yaml: cannot be read"),
    ("confirm", 1, "nothing waits"),
    # Elsewhere.
    ("--pool 127.0.0.1 vif list", 2, "no password for 127.0.0.1: set RINGFENCE_PASSWORD, or write"),
    ("--pool 127.0.0.1 audit", 2, "ringfence audit is about one host: run it in dom0 of that host, without --pool"),
    ("--pool 127.0.0.1 --fingerprint 12:34 vif list", 2, "argument --fingerprint: '12:34' is no SHA-256 fingerprint"),
]
FILES = {
    "empty.yaml": b"",
    "twice.yaml": b"groups: {a: []}\ngroups: {b: []}\n",
    "strange.yaml": b"colours: {a: red}\n",
    "unknown.yaml": b"vifs: {nobody/0: groups=a}\n",
    "one-of-two.yaml": b"vifs:\n  blue1/0: groups=red\n  blue2/0: ipv4=10.0.0.5/24\n",
    "unmet.yaml": b"groups: {red: [blue1/0]}\nexpect: [blue1 reaches twin]\n",
    "binary.yaml": b"\xff\xfe\x00",
}


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with running(SCENARIO) as made:
        for name in ("twin", "other"):  # a name that two VMs bear
            ref = made.db.create(
                "VM", **{**made.db.get("VM", made.vms[name]), "name_label": "copy", "uuid": str(uuid.uuid4()), "power_state": "Halted"}
            )
            vif = made.db.get("VIF", made.vifs[f"{name}/0"])
            made.db.create(
                "VIF", **{**vif, "VM": ref, "uuid": str(uuid.uuid4()), "MAC": f"00:16:3e:77:00:0{len(name)}", "other_config": {}}
            )
        made.settle()
        yield made


def lines(pool: Pool) -> list[tuple[str, str | None]]:
    rows = [pool.db.get("VIF", ref) for ref in pool.vifs.values()] + [pool.db.get("network", ref) for ref in pool.networks.values()]
    return [(row["uuid"], row["other_config"].get("ringfence")) for row in rows]


@pytest.mark.parametrize(("command", "status", "words"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_it_is_told_in_one_line_and_nothing_changes(pool: Pool, host: Host, tmp_path: Path, command: str, status: int, words: str) -> None:
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    before = lines(pool)
    done = subprocess.run(
        ["ip", "netns", "exec", netns.name_of(host.name), "ringfence", *command.split()],
        env={**os.environ, **host.env},
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert done.stdout == "" or "nothing was changed" in words  # what would have changed is shown first
    assert words in done.stderr
    assert done.stderr.startswith("ringfence: ")
    assert done.stderr.count("\n") == 1
    assert lines(pool) == before


def test_what_stands_already_is_no_error(pool: Pool, host: Host) -> None:
    before = lines(pool)
    for command in (
        "ip add blue1/0 10.0.0.11",
        "group add blue blue1/0 blue2/0",
        "ip remove blue1/0 10.0.0.99",
        "group remove red blue1/0",
    ):
        done = ringfence(host, *command.split())
        assert (done.returncode, done.stderr) == (0, "")
        assert "no change" in done.stdout
    assert lines(pool) == before
