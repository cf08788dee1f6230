"""Small pools and the whole of their flows, in tests/unit/golden, for a person to read.

After a change that is meant: ``RINGFENCE_GOLDEN=write pytest tests/unit/test_flows.py``, and read the difference.
"""

import os
import random
import re
from pathlib import Path

import pytest
from scapy.all import IP, UDP, Ether

from pools import compiled, generated, mac, picture, vif
from ringfence.flows import evaluate
from ringfence.flows.flow import FlowSet, load, resubmit, show_key
from ringfence.flows.match import NOTHING, canonical, match, rows
from ringfence.flows.pipeline import NAMES, NEXT, PREFIXES, TABLES, read_cookie
from ringfence.picture import VifFacts

GOLDEN = Path(__file__).with_name("golden")
BACKEND = "default=isolated inside=10.0.0.0/24 gateways=10.0.0.1"
POOLS = {
    "one-isolated-guest": (BACKEND, [vif("blue1", 1, "ipv4=10.0.0.11 groups=blue")], {}),
    "a-member-here-and-one-elsewhere": (
        BACKEND,
        [vif("blue1", 1, "ipv4=10.0.0.11 groups=blue"), vif("blue2", 2, "ipv4=10.0.0.12 groups=blue", here=False)],
        {"tag": 120},
    ),
    "locked-beside-unlocked": (
        "inside=fd00::/64",
        [vif("locked", 1, "mode=locked ipv6=fd00::11"), vif("plain", 2, "mode=unlocked")],
        {},
    ),
    "watched": (
        BACKEND + " enforce=watch",
        [vif("blue1", 1, "ipv4=10.0.0.11 groups=blue"), vif("plain", 2, "mode=unlocked"), vif("bad", 3, "ipv4=10.0.0.5/24")],
        {},
    ),
    "closed-by-its-record": (BACKEND, [vif("bad", 1, "ipv4=10.0.0.5/24")], {}),
}


def show(flows: FlowSet) -> str:
    """Tables by name, highest priority first; what a flow does, and at its end what its cookie says."""
    out = []
    for number, those in sorted(flows.by_table().items()):
        out.append(f"[{NAMES[number]}]")
        for flow in sorted(those, key=lambda f: (-f.priority, show_key(f.key))):
            match, _, actions = str(flow).partition(",priority=")[2].partition(",actions=")
            match = match.partition(",")[2] or "*"
            actions = re.sub(r"resubmit\(,(\d+)\)", lambda m: "-> " + NAMES[int(m[1])], actions)
            mark = read_cookie(flow.cookie)
            assert mark is not None
            why = f"drop:{mark.reason}" if flow.drops else {1: "shared", 2: "network", 3: "vif", 4: "party"}[mark.kind]
            out.append(f"  {flow.priority:5} {match}\n        {actions}    # {why}{' ' + str(mark.number) if mark.number else ''}")
    return "\n".join(out) + "\n"


@pytest.mark.parametrize("name", sorted(POOLS))
def test_the_flows_of_a_small_pool(name: str) -> None:
    line, vifs, options = POOLS[name]
    text = show(compiled(picture(line, *vifs), **options)[0])
    kept = GOLDEN / f"{name}.txt"
    if os.environ.get("RINGFENCE_GOLDEN") == "write":
        kept.write_text(text)
    assert text == kept.read_text()


def test_a_network_without_policy_has_no_flow() -> None:
    assert len(compiled(picture(None, vif("stock", 1, None)))[0]) == 0


def test_every_jump_is_declared_and_reachable() -> None:
    reached, todo = set(), ["dispatch"]
    while todo:
        table = todo.pop()
        if table not in reached:
            reached.add(table)
            todo += NEXT[table]
    assert reached == set(TABLES)
    with pytest.raises(ValueError, match="may not lead to"):
        FlowSet().add("delivery", 1, NOTHING, [resubmit("link")])


@pytest.mark.parametrize("seed", range(10))
def test_only_what_is_for_all_is_flooded(seed: int) -> None:
    """What is for one MAC would be switched to it, whatever the copies are judged to be."""
    chance = random.Random(seed)
    flows, _ = compiled(generated(chance), tag=chance.choice([0, 120]))
    leading = [flow for flow in flows if resubmit("flood") in flow.actions and flow.table != TABLES["flood"]]
    assert leading
    assert all(("dl_dst", 1 << 40, 1 << 40) in rows(flow.match) for flow in leading)


def test_two_flows_with_one_match_are_refused() -> None:
    flows = FlowSet()
    flows.add("out", 1, NOTHING, [load("reg0", 1)])
    with pytest.raises(ValueError, match="two flows with one match"):
        flows.add("out", 1, NOTHING, [load("reg0", 2)])


@pytest.mark.parametrize("seed", range(10))
def test_a_match_reads_back_in_whatever_order_its_fields_come(seed: int) -> None:
    chance = random.Random(seed)
    for flow in compiled(generated(chance), tag=chance.choice([0, 120]))[0]:
        given = {name: value if mask is None else (value, mask) for name, value, mask in rows(flow.match)}
        assert match(**given) == flow.match
        fields, at = [], 0
        while at < len(flow.match):
            fields.append(flow.match[at : at + 4 + flow.match[at + 3]])
            at += len(fields[-1])
        chance.shuffle(fields)
        assert canonical(b"".join(fields)) == flow.match
        assert canonical(flow.match + b"\x80\0\x04\x01\0") is None, "a field that is none of ours"


def test_a_wide_own_prefix_makes_no_stranger_a_member() -> None:
    """0.0.0.0/0 in one member's record: no flow takes an address of another VIF for its own."""
    flows, ports = compiled(picture(BACKEND, vif("wide", 1, "ipv4=0.0.0.0/0 groups=blue"), vif("green", 2, "ipv4=10.0.0.21 groups=green")))
    assert ports.keys() == {"wide", "green"}
    kept = [f for f in flows if f.table == TABLES["ipv4-source"] and "nw_src=10.0.0.21" in show_key(f.key) and f.drops]
    assert kept, "no drop for a frame of the wide VIF that bears the address of green"


def test_the_flows_do_not_depend_on_the_order_of_the_facts() -> None:
    vifs = [vif(f"v{n}", n, f"ipv4=10.0.0.{n + 10} groups=g{n % 3}") for n in range(1, 8)]
    assert compiled(picture(BACKEND, *vifs))[0] == compiled(picture(BACKEND, *reversed(vifs)))[0]


@pytest.mark.parametrize("seed", range(20))
def test_every_table_that_matches_addresses_tracks_them(seed: int) -> None:
    flows, _ = compiled(generated(random.Random(seed)), tag=120)
    kinds = {"nw_src", "nw_dst", "ipv6_src", "ipv6_dst"}
    matched = {(NAMES[flow.table], row.name) for flow in flows for row in rows(flow.match) if row.name in kinds}
    assert len(matched) > 8
    assert not {(table, field) for table, field in matched if field not in PREFIXES.get(table, ())}
    assert all(len(fields) <= 3 for fields in PREFIXES.values())


WHERE = "default=isolated external=deny inside=10.0.0.0/24"
ELSEWHERE = vif("blue2", 2, "ipv4=10.0.0.12 groups=blue", here=False)


@pytest.mark.parametrize(
    ("words", "others", "leaves"),
    [
        ("groups=blue", [], False),
        ("groups=blue", [ELSEWHERE], True),
        ("groups=green", [ELSEWHERE], False),
        ("groups=blue", [ELSEWHERE._replace(host="here")], False),
        ("groups=blue", [ELSEWHERE._replace(host="here", migrating=True)], True),
        ("groups=blue external=allow", [], True),
        ("peers=10.0.0.77", [], True),
        ("peers=10.0.0.12", [ELSEWHERE], True),
        ("peers=10.0.0.12", [ELSEWHERE._replace(host="here")], False),
    ],
)
def test_a_flood_leaves_by_the_uplink_where_somebody_beyond_may_be_meant(words: str, others: list[VifFacts], leaves: bool) -> None:
    flows, ports = compiled(picture(WHERE, vif("blue1", 1, f"ipv4=10.0.0.11 {words}"), *others))
    frame = Ether(src=mac(1), dst="ff:ff:ff:ff:ff:ff") / IP(src="10.0.0.11", dst="255.255.255.255") / UDP(sport=9, dport=9)
    assert any(out.port == "NORMAL" for out in evaluate(flows, bytes(frame), ports["blue1"]).outputs) is leaves
