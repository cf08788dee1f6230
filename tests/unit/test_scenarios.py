"""Scenario files: what is written wrong is one line that shows how it is written right, before anything is built."""

import pytest

from ringfence.errors import BadInput
from ringfence_lab.scenario import STEPS, parse, read

POOL = """hosts: [h1]
networks: {net: {}}
guests: {a: {vifs: [{network: net, addresses: [10.0.0.1]}]}}
steps: [%s]
"""
WRONG = {
    "reach: a b": "step 1: reach",
    "while: {ping: a b, do: []}": "step 1: while: ping: 'a b' is not a mapping",
    "while: {ping: [a, b], do: []}": "step 1: while: ping",
    "send: {from: a, frame: x, seen-by: b}": "step 1: send: seen-by: 'b' is not a list",
    "do: {start: a}": "step 1: do",
    "flows: {host: h1, count: many}": "step 1: flows: count: 'many' is not a whole number",
    "wait: 3": "write one of reach, no-reach, send, do, while, flows, say",
}


@pytest.mark.parametrize("step", WRONG)
def test_a_step_that_is_no_step_says_how_it_is_written(step: str) -> None:
    with pytest.raises(BadInput) as refused:
        read(parse(POOL % ("{" + step + "}")))
    assert WRONG[step] in str(refused.value)
    assert "write" in refused.value.mend
    assert "\n" not in str(refused.value)


def test_each_example_of_a_step_can_be_read() -> None:
    for name, (_, example) in STEPS.items():
        made = read(parse(POOL % ("{" + example + "}")))
        assert list(made.steps[0]) == [name]
