"""Which record holds for a VIF: XAPI's, or what a hook was told of it."""

from typing import Any

from ringfence.agent.compose import compose, learn
from ringfence.agent.state import State
from ringfence.picture import Facts, NetworkFacts, VifFacts

MAC = "00:16:3e:00:00:01"


def facts(line: str | None) -> Facts:
    return Facts({"v": VifFacts("v", "vm", "web1", "0", MAC, "n", line)}, {"n": NetworkFacts("n", "backend")})


def plug(line: str | None, **more: Any) -> dict[str, Any]:
    told = {"interface": "vif1.0", "vif": "v", "vm": "vm", "device": "0", "mac": MAC, "network": "n", "line": line}
    return {**told, "xapi": ["unlocked", [], []], **more}


def enforced(state: State, known: Facts | None, in_sync: bool) -> str | None:
    return compose(known, in_sync, state).vifs["v"].line


def test_xapi_wins_while_its_events_come() -> None:
    state = State()
    learn(plug("old"), state, facts("new"), True)
    assert enforced(state, facts("new"), True) == "new"
    assert enforced(state, facts("new"), False) == "new"


def test_a_hook_brings_what_xapi_could_not_tell() -> None:
    state = State()
    state.lines["v"] = "old"
    learn(plug("new"), state, facts("old"), False)
    assert enforced(state, facts("old"), False) == "new"
    assert enforced(state, facts("newer"), False) == "newer"
    assert enforced(state, facts("old"), True) == "old"


def test_a_guests_own_reboot_brings_an_old_record() -> None:
    state = State()
    learn(plug("old"), state, facts("old"), True)
    learn(plug("old", interface="vif2.0"), state, facts("new"), False)
    assert enforced(state, facts("new"), False) == "new"


def test_a_migration_brings_what_the_source_was_told() -> None:
    state = State()
    learn(plug("old", migrated=True), state, facts("new"), False)
    assert enforced(state, facts("new"), False) == "new"


def test_the_same_word_for_a_second_port_is_as_new_as_the_first() -> None:
    state = State()
    state.lines["v"] = "old"
    learn(plug("new"), state, facts("old"), False)
    learn(plug("new", interface="tap1.0"), state, facts("old"), False)
    assert enforced(state, facts("old"), False) == "new"
    learn(plug("new", interface="tap1.0"), state, facts("newer"), False)
    assert enforced(state, facts("newer"), False) == "newer"


def test_a_vif_that_nobody_but_the_hook_knows() -> None:
    state = State()
    learn(plug("mode=locked"), state, None, False)
    assert enforced(state, None, False) == "mode=locked"
    assert enforced(state, facts("new"), False) == "new"
