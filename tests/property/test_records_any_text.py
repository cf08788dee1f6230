"""Any text at all: a record, or one clear line."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import BadRecord
from ringfence.records import Closed, NetworkLine, Policy, XapiFields, effective, parse_network, parse_pool, parse_record

GROUPS = st.lists(st.from_regex(r"[a-z0-9][a-z0-9.-]{0,9}", fullmatch=True), max_size=4, unique=True)
IPV4 = st.lists(st.ip_addresses(v=4), max_size=4, unique=True)
IPV6 = st.lists(st.ip_addresses(v=6), max_size=4, unique=True)
WORDS = st.sampled_from(
    [
        "mode=",
        "mode=isolated",
        "ipv4=10.0.0.5/24",
        "ipv4=10.0.0.1",
        "peers=::/0",
        "groups=a,b",
        "x-a=b",
        "mac=",
        "=",
        "services=ra",
        "'",
        '"',
    ]
)


@st.composite
def lines(draw: st.DrawFn) -> str:
    words = [f"mode={draw(st.sampled_from(['locked', 'isolated', 'unlocked', 'disabled']))}"]
    for key, values in (("ipv4", IPV4), ("ipv6", IPV6), ("groups", GROUPS), ("peers", IPV4)):
        if draw(st.booleans()):
            words.append(f"{key}={','.join(map(str, draw(values)))}")
    return " ".join(draw(st.permutations(words)))


@given(lines())
def test_what_is_printed_reads_back_the_same(line: str) -> None:
    record = parse_record(line)
    assert parse_record(str(record)) == record
    assert str(parse_record(str(record))) == str(record)


@given(st.one_of(st.text(), st.lists(WORDS).map(" ".join), st.binary().map(lambda b: b.decode("latin-1"))))
def test_no_text_crashes_a_parser(text: str) -> None:
    for parse in (parse_record, parse_network, parse_pool):
        parsed, error = _try(parse, text)
        if error is None:
            assert parse(str(parsed)) == parsed
        else:
            assert error.what
            assert error.mend
            assert "\n" not in str(error)
    assert isinstance(effective(text, "00:16:3e:00:00:01", NetworkLine(), XapiFields()), (Policy, Closed))


def _try(parse: Callable[[str], object], text: str) -> tuple[object, BadRecord | None]:
    try:
        return parse(text), None
    except BadRecord as error:
        return None, error
