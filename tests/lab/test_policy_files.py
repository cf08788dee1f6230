"""``export``, ``diff``, ``apply`` and ``check -f`` against a pool that runs."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import BACKEND, guest, reaches, ringfence, running
from ringfence_lab import netns
from ringfence_lab.folder import wait_for
from ringfence_lab.host import Host
from ringfence_lab.pool import Pool
from ringfence_lab.probe import Pinger

SCENARIO = {
    "hosts": ["h1", "h2"],
    "networks": {"backend": {"ringfence": BACKEND}},
    "guests": {
        "blue1": guest("h1", 11, "groups=blue"),
        "blue2": guest("h2", 12, "groups=blue"),
        "green1": guest("h1", 21, "groups=green"),
        **{f"spare{n}": {"host": "h2", "vifs": [{"network": "backend", "addresses": [f"10.0.0.{n}"]}]} for n in range(100, 104)},
    },
}


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with running(SCENARIO) as made:
        yield made


@pytest.fixture
def policy(host: Host, tmp_path: Path) -> Iterator[Path]:
    """A file to write; what the pool was is put back afterwards."""
    kept = tmp_path / "kept.yaml"
    kept.write_text(ringfence(host, "export").stdout)
    yield tmp_path / "policy.yaml"
    assert ringfence(host, "apply", "-f", str(kept), "--prune").returncode == 0


def lines(pool: Pool) -> dict[str, str | None]:
    return {name: pool.db.get("VIF", ref)["other_config"].get("ringfence") for name, ref in pool.vifs.items()}


def test_what_is_exported_is_what_there_is(pool: Pool, host: Host, policy: Path) -> None:
    before = lines(pool)
    for form in ("table", "json"):
        policy.write_text(ringfence(host, "-o", form, "export").stdout)
        same = ringfence(host, "diff", "-f", str(policy), "--prune")
        assert (same.returncode, same.stdout) == (0, "nothing would change\n")
        assert ringfence(host, "apply", "-f", str(policy), "--prune").returncode == 0
        assert lines(pool) == before


def test_apply_brings_together_and_takes_apart_under_way(pool: Pool, host: Host, policy: Path) -> None:
    policy.write_text("groups: {green: [green1/0, blue1/0]}\nexpect: [blue1 reaches green1, blue1 reaches blue2]\n")
    shown = ringfence(host, "diff", "-f", str(policy))
    assert shown.returncode == 1
    assert "1 line would change; 1 pair of guests gain each other, 0 pairs lose each other" in shown.stdout
    dry = ringfence(host, "apply", "-f", str(policy), "--dry-run")
    assert (dry.returncode, dry.stdout) == (0, shown.stdout)
    assert not reaches(pool, "blue1/0", "green1/0", 0.5)
    pinger = Pinger(pool.ends["blue2/0"], "10.0.0.11", 0.01)
    done = ringfence(host, "apply", "-f", str(policy))
    assert (done.returncode, done.stderr) == (0, "")
    assert reaches(pool, "blue1/0", "green1/0")
    policy.write_text("groups: {green: [green1/0]}\n")
    assert ringfence(host, "apply", "-f", str(policy)).returncode == 0
    pinger.stop()
    assert pinger.sent > 20
    assert pinger.lost == 0
    assert not reaches(pool, "blue1/0", "green1/0", 0.5)


def test_what_is_expected_is_held_to(pool: Pool, host: Host, policy: Path) -> None:
    before = lines(pool)
    policy.write_text("groups: {blue: [blue1/0, blue2/0, green1/0]}\nexpect: ['green* reaches no blue*']\n")
    refused = ringfence(host, "apply", "-f", str(policy))
    assert refused.returncode == 2
    assert "green* reaches no blue*: green1/0 reaches blue1/0: both are in group blue (and 1 more" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert lines(pool) == before
    assert ringfence(host, "diff", "-f", str(policy)).returncode == 1
    checked = json.loads(ringfence(host, "-o", "json", "check", "-f", str(policy)).stdout)["rows"]
    assert [row["where"] for row in checked if row["severity"] == "error"] == ["expect", "expect"]


def test_one_mistake_and_nothing_is_written(pool: Pool, host: Host, policy: Path) -> None:
    before = lines(pool)
    policy.write_text("vifs:\n  blue1/0: mode=locked ipv4=10.0.0.11\n  blue2/0: ipv4=10.0.0.0.1\n")
    done = ringfence(host, "apply", "-f", str(policy))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{policy}: vifs: blue2/0: " in done.stderr
    assert lines(pool) == before
    missing = ringfence(host, "apply", "-f", str(policy.parent / "none.yaml"))
    assert missing.stderr == f"ringfence: {policy.parent}/none.yaml: cannot be read (No such file or directory): name a policy file\n"


def test_killed_on_its_way_and_run_again(pool: Pool, host: Host, policy: Path) -> None:
    """Wherever it is killed, what is done is done, and running it again ends where an untroubled run ends."""
    chance = random.Random(5)
    spares = [name for name in pool.vifs if name.startswith("spare")]
    start = "vifs: {" + ", ".join(f"{name}: null" for name in spares) + "}\n"
    goal = "".join(f"  {name}: 'ipv4=10.0.0.{100 + n}'\n" for n, name in enumerate(spares))
    policy.write_text(f"vifs:\n{goal}groups: {{spare: [{', '.join(spares)}]}}\n")
    assert ringfence(host, "apply", "-f", str(policy)).returncode == 0
    wanted = lines(pool)
    back = policy.with_name("start.yaml")
    back.write_text(start)
    for _ in range(10):
        assert ringfence(host, "apply", "-f", str(back)).returncode == 0
        words = ["ip", "netns", "exec", netns.name_of("h1"), sys.executable, "-m", "ringfence.cli.main", "apply", "-f", str(policy)]
        running_one = subprocess.Popen(words, env={**os.environ, **host.env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.1, 0.5))
        running_one.send_signal(signal.SIGKILL)
        running_one.wait()
        assert all(line is None or line == wanted[name] for name, line in lines(pool).items() if name in spares)
        assert ringfence(host, "apply", "-f", str(policy)).returncode == 0
        assert lines(pool) == wanted


TOGETHER = "groups: {green: [green1/0, blue1/0]}\n"


def test_what_is_not_confirmed_goes_back(pool: Pool, host: Host, policy: Path) -> None:
    """Also where the agent was killed meanwhile."""
    before = lines(pool)
    policy.write_text(TOGETHER)
    done = ringfence(host, "apply", "-f", str(policy), "--confirm-within", "5s")
    assert (done.returncode, done.stderr) == (0, "ringfence: all goes back in 5 s, unless you run: ringfence confirm\n")
    assert reaches(pool, "blue1/0", "green1/0")
    again = ringfence(host, "apply", "-f", str(policy.with_name("kept.yaml")), "--prune", "--confirm-within", "5s")
    assert again.returncode == 4
    assert "an earlier apply waits to be confirmed" in again.stderr
    host.stop_agent(kill=True)
    host.start_agent()
    wait_for(lambda: lines(pool) == before, "the way back", 15)
    pool.settle()
    assert not reaches(pool, "blue1/0", "green1/0", 0.5)
    late = ringfence(host, "confirm")
    assert (late.returncode, late.stdout) == (1, "")


def test_what_is_confirmed_stays(pool: Pool, host: Host, policy: Path) -> None:
    policy.write_text(TOGETHER)
    assert ringfence(host, "apply", "-f", str(policy), "--confirm-within", "5s").returncode == 0
    assert ringfence(host, "confirm").stdout == "confirmed: 1 line\n"
    wanted = lines(pool)
    time.sleep(6.5)
    assert lines(pool) == wanted
    assert reaches(pool, "blue1/0", "green1/0")


def test_an_apply_that_dies_goes_back_too(pool: Pool, host: Host, policy: Path) -> None:
    spares = [name for name in pool.vifs if name.startswith("spare")]
    before = lines(pool)
    policy.write_text(f"groups: {{spare: [{', '.join(spares)}]}}\n")
    words = ["ip", "netns", "exec", netns.name_of("h1"), sys.executable, "-m", "ringfence.cli.main"]
    words += ["apply", "-f", str(policy), "--confirm-within", "5s"]
    dying = subprocess.Popen(words, env={**os.environ, **host.env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: lines(pool) != before, "the first line", 10)
    dying.send_signal(signal.SIGKILL)
    dying.wait()
    wait_for(lambda: lines(pool) == before, "the way back", 15)


@pytest.mark.parametrize("time_given", ["1s", "2d", "soon", "-5s"])
def test_a_time_that_is_none_is_refused(pool: Pool, host: Host, policy: Path, time_given: str) -> None:
    policy.write_text(TOGETHER)
    before = lines(pool)
    done = ringfence(host, "apply", "-f", str(policy), f"--confirm-within={time_given}")
    assert done.returncode == 2
    assert f"{time_given!r} is no time: write 90s, 5m or 1h" in done.stderr
    assert lines(pool) == before


def test_a_dry_run_shows_the_flows_that_come_and_go(pool: Pool, host: Host, policy: Path) -> None:
    before = lines(pool)
    shown = ringfence(host, "ip", "add", "blue1/0", "10.0.0.111", "--dry-run", "-v")
    assert (shown.returncode, shown.stderr) == (0, "")
    flows = [line.strip() for line in shown.stdout.splitlines() if " xenbr0 " in line]
    assert {line.split()[0] for line in flows} == {"h1", "h2"}
    claimed = "reg12=0xa00006f"  # the same address, as what ARP says is kept
    assert all("10.0.0.111" in line or claimed in line for line in flows if line.split()[2] == "+")
    assert lines(pool) == before
    there = ringfence(host, "ip", "add", "blue1/0", "10.0.0.111")
    assert there.returncode == 0
    installed = host.switch.run("ovs-ofctl", "-O", "OpenFlow14", "dump-flows", "xenbr0")
    assert installed.count("10.0.0.111") + installed.count(claimed) == len([line for line in flows if line.startswith("h1")])
    policy.write_text("vifs: {blue1/0: 'ipv4=10.0.0.11 groups=blue'}\n")
    back = ringfence(host, "apply", "-f", str(policy), "--dry-run", "-v").stdout
    assert {line.split()[2] for line in back.splitlines() if " xenbr0 " in line} == {"-"}
