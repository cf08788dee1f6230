"""Records, network lines and the pool's line: what is read, what is refused and in which words."""

import ipaddress

import pytest

from ringfence.errors import BadRecord
from ringfence.records import Closed, NetworkLine, Policy, XapiFields, effective, parse_network, parse_pool, parse_record

MAC = "00:16:3e:00:00:01"


def test_a_record_prints_as_it_was_written() -> None:
    line = "mode=isolated ipv4=10.0.0.5,10.0.0.6 ipv6=2001:db8::5 groups=blue"
    assert str(parse_record(line)) == line


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("groups=b,a,a mode=LOCKED", "mode=locked groups=a,b"),
        ("locking-mode=locked ipv4-allowed=10.0.0.1", "mode=locked ipv4=10.0.0.1"),
        ("ipv4=10.0.0.5/32,10.0.0.4", "ipv4=10.0.0.4,10.0.0.5"),
        ("ipv4=", "ipv4="),
        ("x-owner='Ann Lee' mode=locked", "mode=locked x-owner='Ann Lee'"),
        ("ipv6=2001:DB8:0:0::5", "ipv6=2001:db8::5"),
        ("services=router,dhcp", "services=dhcp,router"),
        ("mac=00-16-3E-00-00-01", "mac=00:16:3e:00:00:01"),
    ],
)
def test_the_printed_form_is_canonical(given: str, canonical: str) -> None:
    assert str(parse_record(given)) == canonical


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ipv4=10.0.0.5/24", "10.0.0.5/24 has host bits set: write 10.0.0.5 for one address or 10.0.0.0/24 for the prefix"),
        ("ipv4=fe80::1", "move it to ipv6="),
        ("ipv4=10.0.0.300", "is not an address or prefix"),
        ("mode=closed", "write one of unlocked, locked, isolated, disabled"),
        ("colour=red", "unknown key 'colour'"),
        ("isolated", "'isolated' has no ="),
        ("mode=locked mode=locked", "mode is given twice"),
        ("groups=Blue", "is not a group name"),
        ("groups=a,,b", "has an empty part"),
        ("ipv4='10.0.0.1", "has an open quote"),
        ("mac=01:00:5e:00:00:01", "is a multicast address"),
        ("services=dns", "write one of dhcp, dhcp6, ra, router"),
        ("x-note=a\x00b", "control character"),
        ("groups=" + ",".join("g{}".format(n) for n in range(33)), "the limit is 32"),
        ("peers=" + ",".join("10.0.1.{}".format(n) for n in range(65)), "the limit is 64"),
        ("ipv4=" + ",".join("10.0.1.{}".format(n) for n in range(65)), "the limit is 64"),
        ("x-note=" + "a" * 1900, "the limit is 1900 bytes"),
    ],
)
def test_bad_records_say_what_and_the_mend(line: str, words: str) -> None:
    with pytest.raises(BadRecord) as caught:
        parse_record(line)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_network_and_pool_lines() -> None:
    line = "default=isolated inside=10.0.0.0/24,fd00:1::/64 gateways=10.0.0.1,fd00:1::1 external=deny least=locked host=allow"
    assert str(parse_network(line)) == line
    assert parse_network("") == NetworkLine()
    assert str(parse_pool("no-agent=stock vm-data=adopt")) == "vm-data=adopt no-agent=stock"
    with pytest.raises(BadRecord, match="write one of allow, deny"):
        parse_network("external=maybe")


def of(line: str | None, network: str = "", xapi: XapiFields | None = None) -> Policy:
    policy = effective(line, MAC, parse_network(network), xapi or XapiFields())
    assert isinstance(policy, Policy)
    return policy


def test_a_vif_without_a_record_is_as_xapi_says() -> None:
    assert of(None).mode == "unlocked"
    locked = of(None, xapi=XapiFields("locked", ("10.0.0.5/24",), ()))
    assert locked.mode == "locked"
    assert ipaddress.ip_network("10.0.0.0/24") in locked.own
    assert not locked.named


def test_a_record_stands_before_the_network_and_the_network_before_xapi() -> None:
    assert of(None, "default=isolated").mode == "isolated"
    assert of("mode=locked", "default=isolated").mode == "locked"
    assert of("groups=a", "default=isolated", XapiFields("disabled")).mode == "isolated"
    assert of("", xapi=XapiFields("locked", ("10.0.0.9",))).own[0] == ipaddress.ip_network("10.0.0.9/32")
    assert of("ipv4=", xapi=XapiFields("locked", ("10.0.0.9",))).own == of("ipv4=", xapi=XapiFields("locked")).own


def test_a_common_list_is_its_own_peers() -> None:
    assert of("mode=isolated ipv4=10.0.0.1,10.0.0.2").peers == of("mode=isolated peers=10.0.0.1,10.0.0.2").peers
    assert of("mode=isolated ipv4=10.0.0.1 groups=a").peers == ()


def test_least_raises_and_never_lowers() -> None:
    assert of("mode=unlocked", "least=isolated").mode == "isolated"
    assert of("mode=disabled", "least=locked").mode == "disabled"


def test_what_closes_a_vif() -> None:
    closed = effective("mac=00:16:3e:00:00:02", MAC, NetworkLine(), XapiFields())
    assert isinstance(closed, Closed)
    assert "copied record" in closed.reason
    assert "ringfence adopt" in closed.reason
    assert isinstance(effective("nonsense", MAC, NetworkLine(), XapiFields()), Closed)
    assert isinstance(effective(None, MAC, NetworkLine(), XapiFields("weird")), Closed)


def test_the_derived_link_local_address_is_always_own() -> None:
    assert ipaddress.ip_network("fe80::216:3eff:fe00:1") in of("mode=locked").own
    assert of("mode=unlocked").own == ()
