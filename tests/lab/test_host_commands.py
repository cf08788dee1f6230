"""``ringfence host`` on a host that cannot carry it: one line with the mend, and nothing is changed."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import BACKEND, guest, ringfence, running
from ringfence_lab.host import Host
from ringfence_lab.pool import Pool

SCENARIO = {
    "hosts": ["h1"],
    "networks": {"backend": {"ringfence": BACKEND}},
    "guests": {"blue1": guest("h1", 11, "groups=blue"), "blue2": guest("h1", 12, "groups=blue")},
}
SYSTEMCTL = '#!/bin/sh\necho "$*" >>"$RINGFENCE_ROOT/systemctl.log"\n[ "$2" != is-active ]\n'
"""In place of systemd, which is no one host's in the lab: says that nothing runs, and does nothing."""


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with running(SCENARIO) as made:
        host = made.hosts["h1"]
        (host.root / "bin/systemctl").write_text(SYSTEMCTL)
        (host.root / "bin/systemctl").chmod(0o755)
        (host.root / "etc/xenopsd.conf.d").mkdir()
        (host.root / "etc/xenopsd.conf").write_text("setup-vif-rules=/usr/libexec/xenopsd/setup-vif-rules\n")
        yield made


def files(host: Host) -> dict[str, bytes]:
    """What an installation could change."""
    tops = ("etc", "opt", "var/lib", "systemctl.log")
    found: list[Path] = [path for top in tops for path in (host.root / top).rglob("*")] + [host.root / "systemctl.log"]
    kept = {str(path): path.read_bytes() for path in found if path.is_file() and path.name not in ("state.json", "state.journal")}
    return {**kept, **{f"xenstore /{path}": value.encode() for path, value in host.xenstore.tree("/").items()}}


@contextlib.contextmanager
def written(host: Host, path: str, text: str) -> Iterator[None]:
    """A file with another text for a while."""
    full = host.root / path
    before = full.read_text() if full.exists() else None
    full.write_text(text)
    yield
    if before is None:
        full.unlink()
    else:
        full.write_text(before)


@contextlib.contextmanager
def switched(host: Host, there: list[str], back: list[str]) -> Iterator[None]:
    """A setting of the switch for a while."""
    host.switch.vsctl(*there)
    yield
    host.switch.vsctl(*back)


CASES: dict[str, tuple[Callable[[Host], contextlib.AbstractContextManager], str]] = {
    "the Linux bridge": (
        lambda host: written(host, "etc/xensource/network.conf", "bridge\n"),
        "backend: nothing was changed: this host uses the Linux bridge: run xe-switch-network-backend openvswitch",
    ),
    "no host of a pool": (
        lambda host: written(host, "etc/xensource-inventory", "PRODUCT='x'\n"),
        "xapi: nothing was changed: {}/etc/xensource-inventory names no INSTALLATION_UUID: is this an XCP-ng or XenServer host?",
    ),
    "a controller": (
        lambda host: switched(host, ["set-controller", "xenbr0", "tcp:127.0.0.1:1"], ["del-controller", "xenbr0"]),
        "controllers: nothing was changed: the flows of bridge xenbr0 belong to the controller tcp:127.0.0.1:1: ovs-vsctl del-controller",
    ),
    "an old protocol": (
        lambda host: switched(host, ["set", "Bridge", "xenbr0", "protocols=OpenFlow10"], ["clear", "Bridge", "xenbr0", "protocols"]),
        "switch: nothing was changed: bridge xenbr0 speaks [OpenFlow10] only",
    ),
    "a setting that comes later": (
        lambda host: written(host, "etc/xenopsd.conf.d/zz.conf", "setup-vif-rules = /opt/other/hook\n"),
        "etc/xenopsd.conf.d/zz.conf sets setup-vif-rules = /opt/other/hook after ringfence's own setting: remove that line",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_stands_in_the_way_is_told_and_nothing_is_changed(pool: Pool, host: Host, case: str) -> None:
    spoil, told = CASES[case]
    with spoil(host):
        before = files(host)
        done = ringfence(host, "host", "install")
        after = files(host)
    pool.settle()
    assert (done.returncode, done.stdout) == (3, "")
    assert told.format(host.root) in done.stderr
    assert done.stderr.count("\n") == 1
    assert after == before


def test_no_xapi_no_installation(pool: Pool, host: Host) -> None:
    pool.stop_xapi()
    try:
        before = files(host)
        done = ringfence(host, "host", "install")
        assert done.returncode == 3
        assert done.stderr.startswith("ringfence: xapi: nothing was changed: XAPI does not answer")
        assert files(host) == before
    finally:
        pool.start_xapi()
        pool.settle()


def test_an_agent_that_does_not_come_up_is_taken_back(host: Host) -> None:
    """systemd refuses to start it: setting, link and state go again."""
    before = files(host)
    script = host.root / "bin/systemctl"
    script.write_text(SYSTEMCTL + '[ "$1" != restart ] || { echo "Job for ringfenced.service failed" >&2; exit 1; }\n')
    try:
        done = ringfence(host, "host", "install")
    finally:
        script.write_text(SYSTEMCTL)
    assert done.returncode == 4
    assert "all is as it was: Job for ringfenced.service failed" in done.stderr
    after = files(host)
    after.pop(str(host.root / "systemctl.log"))
    assert after == before
    assert not (host.root / "opt/ringfence/current").is_symlink()
    (host.root / "systemctl.log").unlink()


def test_the_doctor_names_what_is_missing(host: Host) -> None:
    done = ringfence(host, "host", "doctor")
    assert done.returncode == 1
    assert "FAILED   in force      ringfence is not in force on this host\n" in done.stdout
    assert "mend: ringfence host install" in done.stdout
    checks = json.loads(ringfence(host, "-o", "json", "host", "doctor").stdout)["checks"]
    by_result: dict[str, set[str]] = {}
    for check in checks:
        by_result.setdefault(check["result"], set()).add(check["name"])
    assert {"backend", "switch", "xapi", "agent", "pool"} <= by_result["ok"]
    assert by_result["FAILED"] == {"in force", "units", "running VIFs"}


def test_uninstalling_what_is_not_there_is_no_error(host: Host) -> None:
    done = ringfence(host, "host", "uninstall")
    assert (done.returncode, done.stdout) == (0, "ringfence is not in force on this host\n")
