"""A random walk through the lives of VMs and the faults of a pool; after each step frames say what the picture says.

RINGFENCE_SEEDS and RINGFENCE_STEPS take it further (``make soak``).
"""

import os
import random
import shutil
from collections.abc import Callable, Iterator

import pytest

from matrix import check
from ringfence.errors import RingfenceError
from ringfence_lab.folder import LabFolder
from ringfence_lab.pool import Pool
from ringfence_lab.scenario import read
from ringfence_lab.steps import Steps

SEEDS = range(1, int(os.environ.get("RINGFENCE_SEEDS", "1")) + 1)
STEPS = int(os.environ.get("RINGFENCE_STEPS", "200"))
HOSTS = ["h1", "h2", "h3"]
GUESTS = 30
GROUPS = ["blue", "green", "red"]
PAUSE_S = 0.3
STORY = 40
"""How many of the last steps a failure tells."""
INJECTED = (
    "event=xapi-lost",
    "event=switch-lost",
    "event=switch-restarted",
    "event=flows-lost",
    "event=closed",
    "event=tampered",
    "event=no-agent",
    "event=bare",
    "XAPI does not answer",
)
"""What the log may warn of: it is what was done."""


def scenario(dice: random.Random) -> dict:
    """A VLAN and an untagged network with the same addresses on one bridge; most guests are members, some strangers, some unlocked."""
    guests = {}
    for number in range(GUESTS):
        network = "back" if number % 3 else "front"
        address = f"10.0.0.{number + 10}"
        guests[f"vm{number}"] = {
            "host": dice.choice(HOSTS),
            "running": dice.random() < 0.8,
            "vifs": [{"network": network, "addresses": [address], "ringfence": line(dice, address)}],
        }
    return {
        "hosts": HOSTS,
        "networks": {
            "back": {"vlan": 120, "ringfence": "default=isolated inside=10.0.0.0/24 gateways=10.0.0.1"},
            "front": {"ringfence": "default=isolated inside=10.0.0.0/24"},
        },
        "guests": guests,
        "outside": {"gw": {"network": "back", "addresses": ["10.0.0.1"]}},
    }


def line(dice: random.Random, address: str) -> str:
    kind = dice.random()
    own = f"ipv4={address}"
    if kind < 0.55:
        return f"{own} groups={','.join(sorted(dice.sample(GROUPS, dice.choice((1, 1, 2)))))}"
    if kind < 0.7:
        return f"{own} peers=10.0.0.{dice.randrange(10, 10 + GUESTS)},10.0.0.{dice.randrange(8, 16) * 8 % 40}/32"
    if kind < 0.8:
        return f"mode=locked {own}"
    if kind < 0.9:
        return f"mode=unlocked {own}"
    if kind < 0.95:
        return f"{own} external=deny"
    return "ipv4=10.0.0.5/24"  # closed: host bits


class Walk:
    def __init__(self, pool: Pool, dice: random.Random) -> None:
        self.pool = pool
        self.dice = dice
        self.steps = Steps(pool)
        self.down: set[str] = set()
        """Hosts whose agent is stopped."""

    def running(self) -> list[str]:
        return [name for name in self.pool.vms if self.pool.host_of(name) is not None]

    def options(self) -> list[tuple[int, Callable[[], str]]]:
        """What may come next, with its weight. Policy changes only while all can hear of them."""
        dice, running = self.dice, self.running()
        halted = [name for name in self.pool.vms if name not in running]
        all_hear = not self.down and self.pool.xapi_up
        found: list[tuple[int, Callable[[], str]]] = []
        if running:
            found += [
                (6, lambda: f"reboot {dice.choice(running)}"),
                (4, lambda: f"stop {dice.choice(running)}"),
                (2, lambda: f"crash {dice.choice(running)}"),
                (2, lambda: f"suspend {dice.choice(running)}"),
            ]
        if halted:
            found.append((8, lambda: f"start {dice.choice(halted)} {dice.choice(HOSTS)}"))
        if running and all_hear:
            found += [(8, self._migrate), (2, self._unplug), (1, self._guest_writes)]
        if all_hear:
            found += [(14, self._set), (1, lambda: f"set-network back {self._network()}")]
            found += [(2, lambda: f"agent {dice.choice(('stop', 'kill'))} {dice.choice(HOSTS)}"), (1, lambda: "xapi stop")]
            found += [(1, lambda: f"xapi {dice.choice(('expire', 'lose-events'))}"), (1, lambda: f"master {dice.choice(HOSTS)}")]
            found += [
                (1, lambda: f"flows-lost {dice.choice(HOSTS)}"),
                (1, lambda: f"switch {dice.choice(('kill', 'restart'))} {dice.choice(HOSTS)}"),
            ]
            found += [(1, lambda: f"ovsdb restart {dice.choice(HOSTS)}"), (1, lambda: f"remake-bridge {dice.choice(HOSTS)} back")]
        if self.down:
            found.append((6, lambda: f"agent start {dice.choice(sorted(self.down))}"))
        if not self.pool.xapi_up:
            found.append((6, lambda: "xapi start"))
        return found

    def _network(self) -> str:
        external = self.dice.choice(("", " external=deny"))
        return f"'default=isolated inside=10.0.0.0/24 gateways=10.0.0.1{external}'"

    def _set(self) -> str:
        guest = self.dice.choice(list(self.pool.vms))
        return f"set {guest}/0 '{line(self.dice, str(self.pool.ends[f'{guest}/0'].addresses[0].ip))}'"

    def _migrate(self) -> str:
        guest = self.dice.choice(self.running())
        host = self.pool.host_of(guest)
        assert host is not None
        target = self.dice.choice([h for h in HOSTS if h != host.name])
        return f"{self.dice.choice(('migrate', 'migrate', 'fail-migrate'))} {guest} {target}"

    def _unplug(self) -> str:
        guest = self.dice.choice(self.running())
        attached = self.pool.db.get("VIF", self.pool.vifs[f"{guest}/0"])["currently_attached"]
        return f"{'unplug' if attached else 'plug'} {guest}/0"

    def _guest_writes(self) -> str:
        return f"guest-writes {self.dice.choice(self.running())} vm-data/ringfence/0 'mode=unlocked groups=blue,green,red'"

    def step(self) -> str:
        weights, choices = zip(*self.options(), strict=True)
        text = self.dice.choices(choices, weights)[0]()
        words = text.split()
        if words[0] in ("migrate", "fail-migrate"):
            self.pool.xenopsd.migrate(words[1], words[2], PAUSE_S, fails=words[0] == "fail-migrate")
            self.pool.settle()
        else:
            self.steps.run({"do": text})
        if words[0] == "agent":
            (self.down.discard if words[1] == "start" else self.down.add)(words[2])
        return text


@pytest.fixture
def folder() -> Iterator[LabFolder]:
    folder = LabFolder()
    folder.take()
    yield folder
    folder.leave()


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", SEEDS)
def test_frames_say_what_the_picture_says(folder: LabFolder, seed: int) -> None:
    dice = random.Random(seed)
    pool = Pool(folder, read(scenario(dice)))
    done: list[str] = []
    try:
        pool.build()
        walk = Walk(pool, dice)
        assert not check(pool), "before the first step"
        for number in range(1, STEPS + 1):
            try:
                done.append(walk.step())
                difference = check(pool)
            except (AssertionError, RingfenceError, Exception) as error:
                raise AssertionError(f"step {number} of seed {seed}: {done[-STORY:]}: {error!r}") from error
            if difference:
                keep = os.environ.get("RINGFENCE_KEEP")
                if keep:
                    shutil.copytree(
                        folder.root, keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock", "*.ctl", "*.mgmt", "*.snoop", "xapi")
                    )
                raise AssertionError(f"step {number} of seed {seed}: {done[-STORY:]}, agents down {sorted(walk.down)}: {difference}")
        for name in sorted(walk.down):
            walk.steps.run({"do": f"agent start {name}"})
        if not pool.xapi_up:
            walk.steps.run({"do": "xapi start"})
        for name in pool.hosts:
            walk.steps.run({"flows": {"host": name, "orphans": 0}})
        assert not check(pool)
        for name in walk.running():
            pool.xenopsd.stop(name)
        pool.settle()
        for name, host in pool.hosts.items():
            walk.steps.run({"flows": {"host": name, "orphans": 0}})
            walk.steps.run({"flows": {"host": name, "count": 0}})
            assert not [p for p in host.switch.vsctl("--bare", "--columns=name", "list", "Port").split() if p.startswith(("vif", "tap"))]
            unexpected = [
                entry
                for entry in (host.root / "agent.log").read_text().splitlines()
                if "level=INFO" not in entry and not any(known in entry for known in INJECTED)
            ]
            assert not unexpected, unexpected[:5]
    finally:
        if pool.xapi_up:
            pool.stop_xapi()
