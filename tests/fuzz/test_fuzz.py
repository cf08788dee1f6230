"""Every target of the fuzzer, for a while: what it begins with, that with bytes changed, and any bytes; and what was found before."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from targets import TARGETS

FINDINGS = Path(__file__).with_name("findings")
KEPT = sorted(path for path in FINDINGS.glob("*/*") if path.is_file())


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    data = bytearray(draw(st.sampled_from(seeds))[:2000])
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        cut = draw(st.integers(0, 12))
        data[at : at + cut] = draw(
            st.one_of(st.binary(max_size=12), st.sampled_from([b"null", b"[]", b"{}", b"-1", b'""', b"1e999", b"=", b",", b"\n"]))
        )
    return bytes(data)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_no_bytes_do_harm(name: str) -> None:
    target, seeds = TARGETS[name]
    for seed in seeds:
        target(seed)

    @settings(max_examples=400, deadline=None, derandomize=True, database=None)
    @given(st.one_of(mutated(seeds), st.binary(max_size=300)))
    def run(data: bytes) -> None:
        target(data)

    run()


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_does_no_harm_again(path: Path) -> None:
    TARGETS[path.parent.name][0](path.read_bytes())
