"""The attack table sent by a guest: where its frames come, where their honest twins come, and what the switch counts."""

import json
import time
from collections import Counter
from typing import Any

from ringfence.agent.metrics import dropped
from xcp import HERE, Dom0, Failed, until

ENDS: dict[str, dict[str, dict[str, str]]] = json.loads((HERE / "ends.json").read_text())
SETS: dict[str, dict[str, dict[str, str]]] = json.loads((HERE / "sets.json").read_text())
"""By set of frames, by number: the row's name, drop reason and whom its twin goes to."""
DEVICES = {"net": 0, "vlan": 1}
GW = {"net": "eth0", "vlan": "eth0.120"}
TURNS = 3


def counted() -> Counter:
    """Packets that the switch dropped, by reason."""
    return Counter({labels["reason"]: count for labels, count in dropped(("xenbr0",))})


class Volley:
    """All rows of the table from one guest, on one network, towards one target: ``NETWORK:ATTACKER:TARGET``."""

    def __init__(self, dom0: Dom0, name: str, team: tuple[str, ...]) -> None:
        self.name = name
        self.attacks, self.twins = SETS[f"{name}:attack"], SETS[f"{name}:twin"]
        self.sent = self.honest = 0
        self._dom0 = dom0
        self._network, self._attacker, self._target = name.split(":")
        self._device = f"eth{DEVICES[self._network]}"
        self._others = [guest for guest in dom0.guests if guest != self._attacker]
        self._all = {*team, "gw"} - {self._attacker}

    def fire(self) -> list[str]:
        """Attacks, honest twins, attacks again: no honest frame opens a way. What is not as it should be."""
        wrong: list[str] = []
        expected = {number: self._all if row["to"] == "all" else {self._target} for number, row in self.twins.items()}
        missing = dict(expected)
        before = counted()
        told: dict[str, Any] = {}
        for _ in range(TURNS):
            found, told = self._send("attack")
            self.sent += told["sent"]
            wrong += [f"{self.name}: {self.attacks[n]['name']} arrived at {place}" for place, numbers in found.items() for n in numbers]
            if not missing:
                break
            found, honestly = self._send("twin", sorted(missing), 0.01)
            self.honest += honestly["sent"]
            for place, numbers in found.items():
                strange = [n for n in numbers if place not in expected[n]]
                wrong += [f"{self.name}: the twin {self.twins[n]['name']} was seen by {place}" for n in strange]
            left = {n: missing[n] - {place for place, numbers in found.items() if n in numbers} for n in missing}
            missing = {n: places for n, places in left.items() if places}
        wrong += [f"{self.name}: the twin {self.twins[n]['name']} was not seen by {sorted(places)}" for n, places in missing.items()]
        wanted = Counter(row["reason"] for number, row in self.attacks.items() if number not in told["refused"])
        try:
            until(lambda: not wanted - (counted() - before), "the count", 15)
        except Failed:
            wrong.append(f"{self.name}: dropped, but not counted: {dict(wanted - (counted() - before))}")
        return wrong

    def _send(self, kind: str, only: list[str] | None = None, pause: float = 0.002) -> tuple[dict[str, set[str]], dict[str, Any]]:
        """Where the frames of a set came, by place; and what the sender says of them."""
        name, gw = f"{self.name}:{kind}", GW[self._network]
        for other in self._others:
            self._dom0.guests[other].ask("capture", device=self._device, sets=[name])
        self._dom0.gw.ask("capture", device=gw, sets=[name])
        told = self._dom0.guests[self._attacker].ask("send", name=name, device=self._device, only=only, pause=pause)
        time.sleep(0.5)  # what is still under way arrives
        found = {other: set(self._dom0.guests[other].ask("captured", device=self._device)["seen"]) for other in self._others}
        found["gw"] = set(self._dom0.gw.ask("captured", device=gw)["seen"])
        return found, told
