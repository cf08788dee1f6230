"""What check finds: for each finding a pool that has it, and its near twin that has not."""

from typing import NamedTuple

import pytest

from pools import picture, vif
from ringfence.picture import Facts, NetworkFacts, Picture, VifFacts
from ringfence.picture.lint import lint

GOOD = "inside=10.0.0.0/24 gateways=10.0.0.1"


def pool(*lines: str) -> list[VifFacts]:
    """VIFs v1/0, v2/0 … with these records."""
    return [vif(f"v{number}", number, words) for number, words in enumerate(lines, 1)]


HERE, THERE = "mode=isolated ipv4=10.0.0.11 groups=a", "mode=isolated ipv4=10.0.0.12 groups=a"
LIST = "mode=isolated ipv4=10.0.0.11,10.0.0.12"
ROUTER = "mode=locked ipv4=10.0.0.1 services=router"
LOCKED = "mode=locked ipv4=10.0.0.11"
PEERS = "mode=isolated ipv4=10.0.0.11 peers=10.0.0.12"
BACKEND = "network backend: "


class Case(NamedTuple):
    line: str | None
    """Of the network."""
    records: list[str]
    expected: str = ""
    """How a finding begins; empty where there is to be none."""


CASES = {
    "two isolated members": Case(GOOD, [HERE, THERE]),
    "a bad record": Case(GOOD, [HERE, THERE, "ipv4=10.0.0.5/24"], "error v3/0: closed: ipv4=10.0.0.5/24 has host bits set"),
    "a disabled VIF": Case(GOOD, [HERE, THERE, "mode=disabled"]),
    "a bad line": Case("inside=10", [HERE], "error : network backend: inside='10'"),
    "an address of two": Case(
        GOOD, [HERE, "mode=isolated ipv4=10.0.0.11 groups=b"], "warning v1/0: 10.0.0.11 belongs to v1/0, v2/0, which share no group"
    ),
    "a VRRP address": Case(GOOD, [HERE, "mode=isolated ipv4=10.0.0.11,10.0.0.12 groups=a"]),
    "a common list": Case(GOOD, [LIST, LIST]),
    "a group of one": Case(GOOD, [HERE], "hint v1/0: group a has one member on network backend"),
    "no inside": Case(None, [HERE, THERE], "warning " + BACKEND + "it has isolated VIFs and no inside"),
    "no inside, but nobody is isolated": Case(None, [LOCKED]),
    "no gateways": Case("inside=10.0.0.0/24", [HERE, THERE], "warning " + BACKEND + "inside holds the gateway"),
    "a router VM for a gateway": Case("inside=10.0.0.0/24", [HERE, THERE, ROUTER]),
    "no gateways, and nobody goes out": Case("inside=10.0.0.0/24 external=deny", [HERE, THERE]),
    "a wide prefix": Case(GOOD, ["mode=locked ipv4=10.0.0.0/16"], "warning v1/0: 10.0.0.0/16 as an own prefix"),
    "a SLAAC prefix": Case("inside=10.0.0.0/24,fd00::/64 gateways=10.0.0.1", ["mode=locked ipv4=10.0.0.11 ipv6=fd00::/64,fe80::/64"]),
    "an address that is no guest's": Case(GOOD, ["mode=locked ipv4=224.0.0.1"], "warning v1/0: 224.0.0.1 is no address of a guest"),
    "a gateway's address": Case(GOOD, ["mode=locked ipv4=10.0.0.1"], "warning v1/0: 10.0.0.1 is a gateway of its network"),
    "an address outside": Case(GOOD, ["mode=locked ipv4=10.9.0.1"], "warning v1/0: 10.9.0.1 is not inside its network"),
    "a family that is not inside": Case(GOOD, ["mode=locked ipv6=fd00::1"], "warning " + BACKEND + "inside names no IPv6 prefix"),
    "a gateway that is not inside": Case(
        "inside=10.0.0.0/24 gateways=10.0.1.1", [HERE, THERE], "warning " + BACKEND + "inside holds the gateway"
    ),
    "a group that holds nobody": Case(GOOD, [LOCKED + " groups=a"], "warning v1/0: group a holds nobody apart"),
    "unlocked beside isolated": Case(
        GOOD, [HERE, THERE, "mode=unlocked"], "warning " + BACKEND + "unlocked beside isolated VIFs: v3/0 may take"
    ),
    "unlocked beside locked": Case(GOOD, [LOCKED, "mode=unlocked"]),
    "a peer that does not reach back": Case(
        GOOD, [PEERS, "mode=isolated ipv4=10.0.0.12 peers=10.0.0.1"], "warning v1/0: its peer 10.0.0.12 (v2/0) does not reach back"
    ),
    "peers of each other": Case(GOOD, [PEERS, "mode=isolated ipv4=10.0.0.12 peers=10.0.0.11"]),
    "a peer that is nobody": Case(GOOD, [PEERS], "hint v1/0: its peer 10.0.0.12 is inside, and no VIF's"),
    "watching": Case(GOOD + " enforce=watch", [HERE, THERE], "warning " + BACKEND + "NOTHING IS ENFORCED HERE"),
}


def found(case: Case) -> set[str]:
    """Where and what, for every finding."""
    return {f"{one.severity} {one.where}: {one.what}" for one in lint(picture(case.line, *pool(*case.records)))}


@pytest.mark.parametrize("case", CASES)
def test_each_finding_and_its_near_twin(case: str) -> None:
    have = found(CASES[case])
    if CASES[case].expected:
        assert len([one for one in have if one.startswith(CASES[case].expected)]) == 1, have
    else:
        assert not have


def test_each_finding_says_how_to_mend_it() -> None:
    for case in CASES.values():
        for one in lint(picture(case.line, *pool(*case.records))):
            assert one.mend
            assert "\n" not in one.what + one.mend


def test_findings_come_in_one_order() -> None:
    lines = [
        "mode=isolated ipv4=10.0.0.11 groups=a",
        "mode=isolated ipv4=10.0.0.11 groups=b",
        "mode=isolated ipv4=10.0.0.12 peers=10.0.0.11",
    ]
    vifs = pool(*lines)
    assert lint(picture(GOOD, *vifs)) == lint(picture(GOOD, *reversed(vifs)))


def test_the_gravest_comes_first_and_a_pool_that_adopts_is_named() -> None:
    network = NetworkFacts("net", "backend", "xapi1", None)
    vifs = {v.uuid: v for v in pool(HERE, "ipv4=nonsense")}
    made = lint(Picture(Facts(vifs, {"net": network}, {}, "vm-data=adopt")))
    assert [one.severity for one in made] == ["error", "warning", "warning", "hint"]
    assert any(one.where == "pool" and "adopt" in one.what for one in made)
