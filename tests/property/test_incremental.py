"""What follows from a change is what follows from everything: the next picture is the one made from nothing."""

import random

import pytest

from pools import NETWORK_LINES, changed, picture, vif
from ringfence.picture import Facts, NetworkFacts, NetworkView, Picture
from ringfence.picture.roster import HOST, MACHINE

STEPS = 60
SPACES = (MACHINE, HOST, ("open", frozenset("a")), ("open", frozenset()))


def first(chance: random.Random) -> Facts:
    networks = {uuid: NetworkFacts(uuid, uuid, "xapi1", chance.choice(NETWORK_LINES)) for uuid in ("net", "other")}
    facts = Facts({}, networks, {"here": "h1", "there": "h2"})
    for _ in range(chance.randint(0, 12)):
        facts = changed(facts, chance)
    return facts


def shown(view: NetworkView) -> dict:
    members = {u: (m.vif, m.policy, view.identity(m), view.entries(m)) for u, m in view.members.items()}
    return {
        "members": members,
        "closed": view.closed,
        "macs": view.by_mac,
        "fenced": view.fenced,
        "owners": view.owners,
        "inside": view.inside,
        "strange": view.strange,
        "boundaries": {space: view.boundaries(space) for space in SPACES},
        "reserved": (view.reserved(False), view.reserved(True)),
    }


@pytest.mark.parametrize("seed", range(40))
def test_a_picture_that_took_changes_is_the_picture_of_the_facts(seed: int) -> None:
    chance = random.Random(seed)
    facts = first(chance)
    kept = Picture(facts)
    for step in range(STEPS):
        facts = changed(facts, chance)
        kept, anew = Picture(facts, kept), Picture(facts)
        assert {uuid: shown(view) for uuid, view in kept.networks.items()} == {uuid: shown(view) for uuid, view in anew.networks.items()}, (
            f"step {step}"
        )
        assert sorted(kept.problems) == sorted(anew.problems)


def test_what_a_change_does_not_touch_stays_the_same_object() -> None:
    """Else the cost of a change would be that of its network."""
    vifs = [vif(f"v{n}", n, f"ipv4=10.0.0.{20 + n} groups=g{n % 3}") for n in range(1, 9)]
    before = picture(NETWORK_LINES[0], *vifs[:-1])
    known = before.networks["net"]
    members, table = dict(known.members), known.boundaries(HOST)
    facts = before.facts._replace(vifs={**before.facts.vifs, "v8": vifs[-1]._replace(line="mode=unlocked")})
    view = Picture(facts, before).networks["net"]
    assert set(view.members) == {*members, "v8"}
    assert all(view.members[uuid] is member for uuid, member in members.items())
    assert view.boundaries(HOST) is table
    assert "v8" not in known.members
