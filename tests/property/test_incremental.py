"""What follows from a change is what follows from everything: the next picture, and its flows, are those made from nothing."""

import copy
import random

import pytest

from pools import HOST_MAC, LOCAL, NETWORK_LINES, changed, picture, vif
from ringfence.flows import BridgePlan, Compiler, Segment
from ringfence.picture import Facts, NetworkFacts, NetworkView, Picture
from ringfence.picture.roster import HOST, MACHINE, Space

STEPS = 60
TAGS = {"net": 0, "other": 120, "nowhere": 9}
SPACES: tuple[Space, ...] = (MACHINE, HOST, ("open", frozenset("a")), ("open", frozenset()))


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
        "inside": {entry: view.is_inside(entry) for entry in view.owners},
        "boundaries": {space: view.boundaries(space) for space in SPACES},
        "reserved": (view.reserved(False), view.reserved(True)),
    }


def all_of(picture: Picture) -> dict:
    return {uuid: shown(view) for uuid, view in picture.networks.items()}


@pytest.mark.parametrize("seed", range(40))
def test_a_picture_that_took_changes_is_the_picture_of_the_facts(seed: int) -> None:
    chance = random.Random(seed)
    facts = first(chance)
    kept = unseen = Picture(facts)
    for step in range(STEPS):
        facts = changed(facts, chance)
        kept, unseen, anew = Picture(facts, kept), Picture(facts, unseen), Picture(facts)
        assert all_of(kept) == all_of(anew), f"step {step}"
        if step % 20 == 19:  # nobody asked it for anything so far
            assert all_of(unseen) == all_of(anew), f"step {step}"
            unseen = Picture(facts)
        assert sorted(kept.problems) == sorted(anew.problems)


def laid_out(picture_of: Picture, chance: random.Random) -> BridgePlan:
    """Both networks on one bridge, its own ports now and then other ones."""
    segments = []
    for network, view in sorted(picture_of.networks.items()):
        ports = {
            uuid: tuple(100 + 10 * int(uuid[1:]) + tap for tap in range(1 + (int(uuid[1:]) % 4 == 0)))
            for uuid in sorted([*view.members, *view.closed])
            if picture_of.facts.vifs[uuid].host == "here"
        }
        if view.fenced and ports:
            internal = ((LOCAL, HOST_MAC),) if network == "net" and chance.random() < 0.9 else ()
            segments.append(Segment(view, TAGS[network], ports, internal))
    if chance.random() < 0.8:
        return BridgePlan(tuple(segments), (1,))
    return BridgePlan(tuple(segments), (1, 2), (91,), (2,), (1,), (92, 93))


@pytest.mark.parametrize("seed", range(40))
def test_flows_that_took_changes_are_the_flows_of_the_plan(seed: int) -> None:
    chance = random.Random(seed)
    facts = first(chance)
    kept = Picture(facts)
    compiler = Compiler()
    installed: dict = {}
    for step in range(STEPS):
        facts = changed(facts, chance)
        kept = Picture(facts, kept)
        plan = laid_out(kept, chance)
        change = compiler.compile(plan)
        for key in change.remove:
            del installed[key]
        assert not [flow for flow in change.add if installed.get(flow.key) == flow], "said to change, and does not"
        installed.update((flow.key, flow) for flow in change.add)
        assert installed == compiler.flows.flows, f"step {step}"
        views = Picture(facts).networks
        anew = Compiler(copy.deepcopy(compiler.numbers.kept()))
        anew.compile(plan._replace(segments=tuple(s._replace(view=views[s.view.facts.uuid]) for s in plan.segments)))
        assert {*map(str, anew.flows)} == {*map(str, compiler.flows)}, f"step {step}"
        assert anew.numbers.kept() == compiler.numbers.kept(), f"step {step}"


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
