"""Which prefixes contain an address: the index says what a look at each of them says."""

from hypothesis import given
from hypothesis import strategies as st

from ringfence.picture.prefixes import PrefixSet
from ringfence.records.addresses import Prefix, within


@st.composite
def prefixes(draw: st.DrawFn) -> Prefix:
    """Few leading bits differ, so that many contain one another."""
    import ipaddress

    version = draw(st.sampled_from([4, 6]))
    width = 32 if version == 4 else 128
    length = draw(st.integers(0, width))
    address = draw(st.integers(0, 7)) << (width - 3) | draw(st.integers(0, 3))
    shift = width - length
    made = ipaddress.IPv4Network if version == 4 else ipaddress.IPv6Network
    return made((address >> shift << shift, length))


@given(st.lists(prefixes(), max_size=40), prefixes())
def test_what_contains_is_found_widest_first(table: list[Prefix], inner: Prefix) -> None:
    found = PrefixSet(table).containing(inner)
    assert found == sorted({one for one in table if within(inner, one)}, key=lambda one: one.prefixlen)
