"""Who can reach whom, and why."""

import json

from pools import mac, picture, vif
from ringfence.picture import Facts, NetworkFacts, Party, Picture
from ringfence.picture.identity import EXTERNAL

LINE = "default=isolated inside=10.0.0.0/24,fd00::/64 gateways=10.0.0.1"


def together(pool: Picture, one: str, other: str) -> bool:
    return all(pool.exchange(one, other))


def test_members_of_a_group_reach_each_other() -> None:
    pool = picture(
        LINE, vif("a", 1, "ipv4=10.0.0.11 groups=blue"), vif("b", 2, "ipv4=10.0.0.12 groups=blue,x"), vif("c", 3, "groups=green")
    )
    assert together(pool, "a", "b")
    assert pool.can_reach("a", Party(vif="b")).reason == "both are in group blue"
    assert not pool.can_reach("a", Party(vif="c"))
    assert not pool.can_reach("a", Party(vif="b", address="10.0.0.99"))


def test_peers_hold_in_one_direction_only() -> None:
    pool = picture(LINE, vif("a", 1, "ipv4=10.0.0.11 groups=x peers=10.0.0.12"), vif("b", 2, "ipv4=10.0.0.12 groups=y"))
    assert pool.can_reach("a", Party(vif="b", address="10.0.0.12"))
    assert pool.can_reach("a", Party(vif="b", address="fe80::216:3eff:fe00:2"))
    assert not pool.can_reach("b", Party(vif="a"))


def test_a_common_list_makes_a_security_group() -> None:
    common = "ipv4=10.0.0.11,10.0.0.12"
    pool = picture(LINE, vif("a", 1, common), vif("b", 2, common), vif("c", 3, "ipv4=10.0.0.21,10.0.0.22"))
    assert together(pool, "a", "b")
    assert not together(pool, "a", "c")
    assert not pool.can_reach("a", Party(vif="c"))


def test_a_vif_of_no_group_is_alone_until_another_lists_its_address() -> None:
    one, other = vif("a", 1, "ipv4=10.0.0.11 ipv6=fd00::11"), vif("b", 2, "ipv4=10.0.0.11")
    pool = picture(LINE, one, vif("c", 3, "ipv4=10.0.0.12,10.0.0.13"))
    alone = pool.networks["net"].identity(pool.networks["net"].members["a"])
    assert alone.needs == {EXTERNAL}, "it is of the class of all such VIFs"
    assert not alone.offers
    assert not pool.can_reach("a", Party(address="10.0.0.11")), "a machine that took its address"
    assert pool.can_reach("c", Party(address="10.0.0.13")), "a machine on its list"
    both = Picture(pool.facts._replace(vifs={**pool.facts.vifs, "b": other}), pool)
    assert together(both, "a", "b")
    again = Picture(pool.facts, both)
    assert again.networks["net"].identity(again.networks["net"].members["a"]) == alone


def test_an_own_prefix_may_be_a_peer() -> None:
    pool = picture(LINE, vif("a", 1, "ipv4=10.0.0.16/28 peers=10.0.0.16/28"), vif("b", 2, "mode=locked ipv4=10.0.0.18"))
    assert pool.can_reach("a", Party(vif="b", address="10.0.0.18"))
    assert pool.can_reach("a", Party(address="10.0.0.20"))


def test_external_is_what_is_not_inside() -> None:
    pool = picture(LINE, vif("a", 1, "groups=x"), vif("b", 2, "groups=x external=deny"))
    assert pool.can_reach("a", Party(address="8.8.8.8"))
    assert pool.can_reach("a", Party(address="10.0.0.1")).reason == "it is external"
    assert not pool.can_reach("a", Party(address="10.0.0.77"))
    assert pool.can_reach("a", Party(address="fe80::1"))
    assert not pool.can_reach("a", Party(address="fe80::216:3eff:fe00:2"))
    assert not pool.can_reach("b", Party(address="8.8.8.8"))
    assert not pool.can_reach("a", Party(address="8.8.8.8", host=True))


def test_without_a_line_inside_is_what_the_guests_own() -> None:
    pool = picture(None, vif("a", 1, "mode=isolated ipv4=10.0.0.11 groups=x"), vif("b", 2, "mode=locked ipv4=10.0.0.32/28"))
    assert pool.can_reach("a", Party(address="10.0.0.77"))
    assert not pool.can_reach("a", Party(address="10.0.0.33"))


def test_an_unlocked_vif_is_never_external() -> None:
    pool = picture(LINE, vif("a", 1, "groups=x"), vif("u", 2, "mode=unlocked"), vif("m", 3, "mode=unlocked groups=x"))
    assert not pool.can_reach("a", Party(vif="u", address="8.8.8.8"))
    assert pool.can_reach("a", Party(vif="m", address="8.8.8.8"))
    assert pool.can_reach("u", Party(vif="a"))


def test_a_router_is_external_at_its_own_and_at_foreign_addresses() -> None:
    pool = picture(
        LINE, vif("a", 1, "groups=x"), vif("r", 2, "mode=isolated ipv4=10.0.0.2 services=router"), vif("b", 3, "ipv4=10.0.0.13 groups=y")
    )
    assert together(pool, "a", "r")
    assert pool.can_reach("a", Party(vif="r", address="8.8.8.8"))
    assert not pool.can_reach("a", Party(vif="r", address="10.0.0.13"))


def test_a_wide_own_prefix_makes_nobody_a_member() -> None:
    pool = picture(LINE, vif("a", 1, "ipv4=0.0.0.0/0 ipv6=::/0 groups=x"), vif("b", 2, "ipv4=10.0.0.12 groups=y"))
    assert not pool.can_reach("b", Party(vif="a"))
    assert not pool.can_reach("a", Party(vif="b"))


def test_closed_vifs_reach_nobody_and_say_why() -> None:
    pool = picture(LINE, vif("a", 1, "groups=x"), vif("bad", 2, "groups=X"), vif("off", 3, "mode=disabled"))
    assert "groups=" in str(pool.why_closed("bad"))
    assert pool.why_closed("off") == ""
    assert pool.why_closed("a") is None
    assert "closed" in pool.can_reach("a", Party(vif="bad")).reason
    assert not pool.can_reach("off", Party(vif="a"))


def test_a_bad_network_line_closes_its_own_network_only() -> None:
    one = vif("a", 1, "mode=locked")
    other = vif("b", 2, "mode=locked")._replace(network="fine")
    networks = {"net": NetworkFacts("net", "backend", "xapi1", "default=nope"), "fine": NetworkFacts("fine", "front")}
    pool = Picture(Facts({"a": one, "b": other}, networks))
    assert pool.why_closed("a")
    assert pool.why_closed("b") is None
    assert "backend" in pool.problems[0]


def test_two_vifs_with_one_mac_close() -> None:
    pool = picture(LINE, vif("a", 1, "groups=x"), vif("b", 1, "groups=x"), vif("c", 3, "groups=x"))
    assert mac(1) in str(pool.why_closed("a"))
    assert pool.why_closed("b")
    assert pool.why_closed("c") is None


def test_facts_survive_the_state_file() -> None:
    facts = picture(LINE, vif("a", 1, "groups=x"), vif("b", 2, None)).facts
    assert Facts().changed_by(json.loads(json.dumps(facts.to_json()))) == facts
