"""A policy file of 5,000 records, applied to a pool of 5,000 VIFs, killed on its way again and again."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import BACKEND, guest, ringfence, running
from ringfence_lab import netns
from ringfence_lab.folder import wait_for
from ringfence_lab.host import Host
from ringfence_lab.pool import Pool

VIFS = 5000
KILLS = 10
SCENARIO = {"hosts": ["h1"], "networks": {"backend": {"ringfence": BACKEND}}, "guests": {"blue1": guest("h1", 11, "groups=blue")}}


def mac(number: int) -> str:
    return f"00:16:3e:70:{number >> 8:02x}:{number & 255:02x}"


def record(number: int) -> str:
    return f"ipv4=10.1.{number >> 8}.{number & 255} groups=tenant-{number % 100}"


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """With as many halted VMs beside the guest that runs."""
    with running(SCENARIO) as made:
        for number in range(VIFS):
            vm = made.db.create("VM", name_label=f"vm{number}", power_state="Halted")
            made.db.create("VIF", VM=vm, network=made.networks["backend"], device="0", MAC=mac(number), locking_mode="network_default")
        made.settle()
        yield made


def lines(pool: Pool) -> dict[str, str]:
    """What is written, by MAC."""
    rows = list(pool.db.rows["VIF"].values())
    return {
        row["MAC"]: row["other_config"]["ringfence"]
        for row in rows
        if row["MAC"].startswith("00:16:3e:70") and row["other_config"].get("ringfence")
    }


def test_killed_at_ten_points_it_ends_as_it_would_have(pool: Pool, host: Host, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("vifs:\n" + "".join(f"  vm{number}/0: {record(number)}\n" for number in range(VIFS)))
    wanted = {mac(number): f"{record(number)} mac={mac(number)}" for number in range(VIFS)}
    words = ["ip", "netns", "exec", netns.name_of("h1"), sys.executable, "-m", "ringfence.cli.main", "apply", "-f", str(policy)]
    for point in sorted(random.Random(7).sample(range(1, VIFS), KILLS)):
        going = subprocess.Popen(words, env={**os.environ, **host.env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda point=point: len(lines(pool)) >= point, f"{point} lines", 60)  # type: ignore[misc]
        finally:
            going.send_signal(signal.SIGKILL)
            going.wait()
        written = lines(pool)
        assert written.items() <= wanted.items()
        assert len(written) < VIFS
    done = ringfence(host, "apply", "-f", str(policy))
    assert done.returncode == 0, done.stderr
    assert f"{VIFS - len(written)} lines would change" in done.stdout
    assert lines(pool) == wanted
    assert ringfence(host, "diff", "-f", str(policy)).stdout == "nothing would change\n"
