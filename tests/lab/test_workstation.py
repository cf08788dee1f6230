"""The command line away from dom0: over HTTPS to the pool's master, and through XAPI's plugin to each host's agent."""

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import BACKEND, guest, running
from ringfence_lab.pool import Pool
from ringfence_lab.xapi import serve

SCENARIO = {
    "hosts": ["h1", "h2"],
    "networks": {"backend": {"ringfence": BACKEND}},
    "guests": {"blue1": guest("h1", 11, "groups=blue"), "blue2": guest("h2", 12, "groups=blue"), "green1": guest("h2", 21, "groups=green")},
}
Run = Callable[..., subprocess.CompletedProcess]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with running(SCENARIO) as made:
        yield made


@pytest.fixture
def run(pool: Pool, identity: tuple[ssl.SSLContext, str]) -> Iterator[Run]:
    """ringfence as typed on a workstation."""
    context, known = identity
    server = serve(pool.xapi, tls=context)
    where = f"127.0.0.1:{server.server_address[1]}"

    def typed(*words: str, fingerprint: str = known) -> subprocess.CompletedProcess:
        line = [sys.executable, "-m", "ringfence.cli.main", "--pool", where, "--fingerprint", fingerprint, *words]
        return subprocess.run(line, env={**os.environ, "RINGFENCE_PASSWORD": "secret"}, capture_output=True, text=True)

    yield typed
    server.stop()


def test_status_tells_of_every_host(pool: Pool, run: Run) -> None:
    done = run("status")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[0] == "host:      h1"
    assert done.stdout.count("in sync with XAPI") == 2
    found = json.loads(run("-o", "json", "status").stdout)["hosts"]
    assert {name: status["plugged"] for name, status in found.items()} == {"h1": 1, "h2": 2}
    assert pool.hosts["h1"].run("ringfence", "status", "--all").stdout.count("host:") == 2


def test_a_change_is_in_force_on_every_host_when_the_command_returns(pool: Pool, run: Run) -> None:
    for number in range(30, 40):
        done = run("ip", "add", "blue1/0", f"10.0.0.{number}")
        assert (done.returncode, done.stderr) == (0, "")
        for host in pool.hosts.values():
            flows = host.switch.run("ovs-ofctl", "-O", "OpenFlow14", "dump-flows", "xenbr0")
            assert f"10.0.0.{number}" in flows, host.name
    assert run("ip", "remove", "blue1/0", *(f"10.0.0.{number}" for number in range(30, 40))).returncode == 0


def test_a_host_that_cannot_be_asked_is_named(pool: Pool, run: Run) -> None:
    pool.hosts["h2"].stop_agent()
    try:
        done = run("ip", "add", "blue1/0", "10.0.0.40")
        assert done.returncode == 0
        assert done.stderr == "ringfence: written, but not known to be in force on h2: see ringfence status there\n"
        status = run("status")
        assert status.returncode == 1
        assert "host:      h2\nagent:     its agent cannot be asked (XENAPI_PLUGIN_FAILURE ask RINGFENCE" in status.stdout
    finally:
        pool.hosts["h2"].start_agent()
        pool.settle()
    assert run("ip", "remove", "blue1/0", "10.0.0.40").stderr == ""


def test_explain_asks_the_switch_of_the_senders_host(run: Run) -> None:
    rows = json.loads(run("-o", "json", "explain", "blue2", "blue1", "tcp/443", "-v").stdout)["rows"]
    assert [row["switch"] for row in rows] == ["h2 delivers tcp/443", "h1 delivers tcp/443"]
    done = run("explain", "green1", "blue1", "-v")
    assert done.returncode == 1
    assert "switch: h2 drops icmp (" in done.stdout
    assert "cookie 0x5246" in done.stdout


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("metrics",), 2, "ringfence metrics is about one host: run it in dom0 of that host, without --pool"),
        (("audit", "--repair"), 2, "ringfence audit is about one host"),
        (("host", "doctor"), 2, "ringfence host is about one host"),
        (("vif", "show", "nobody/0"), 2, "no VIF is called nobody/0"),
    ],
)
def test_what_cannot_be_asked_from_here_is_said(run: Run, words: tuple[str, ...], status: int, told: str) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (status, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_another_servers_certificate_is_refused(run: Run) -> None:
    done = run("vif", "list", fingerprint="00" * 32)
    assert (done.returncode, done.stdout) == (3, "")
    assert "check it, then pass --fingerprint" in done.stderr


def test_the_password_comes_from_a_file_that_others_cannot_read(pool: Pool, identity: tuple[ssl.SSLContext, str], tmp_path: Path) -> None:
    context, known = identity
    server = serve(pool.xapi, tls=context)
    where = f"127.0.0.1:{server.server_address[1]}"
    kept = tmp_path / "netrc"
    kept.write_text(f"machine {where} login root password secret\n")
    kept.chmod(0o644)

    def typed() -> subprocess.CompletedProcess:
        line = [sys.executable, "-m", "ringfence.cli.main", "vif", "list", "--pool", where, "--fingerprint", known]
        env = {name: value for name, value in os.environ.items() if not name.startswith("RINGFENCE_")}
        return subprocess.run(line, env={**env, "NETRC": str(kept)}, capture_output=True, text=True)

    try:
        refused = typed()
        assert (refused.returncode, refused.stderr) == (2, f"ringfence: {kept}: others may read it: chmod 600 {kept}\n")
        kept.chmod(0o600)
        done = typed()
        assert (done.returncode, done.stderr) == (0, "")
        assert "blue1/0" in done.stdout
        kept.write_text("machine elsewhere login root password secret\n")
        refused = typed()
        assert refused.returncode == 2
        assert f"ringfence: no password for {where}: set RINGFENCE_PASSWORD, or write" in refused.stderr
    finally:
        server.stop()
