"""What an agent keeps on the disk: all that it noted, whenever it ends."""

import json
import random
from pathlib import Path

import pytest

from pools import changed, vif
from ringfence import paths
from ringfence.agent.state import State, write
from ringfence.picture import Facts, NetworkFacts

PLUG = {
    "interface": "vif7.0",
    "vif": "v1",
    "vm": "vm",
    "device": "0",
    "mac": "00:16:3e:00:00:01",
    "network": "net",
    "bridge": "xenbr0",
    "line": "groups=blue",
    "xapi": ["unlocked", [], []],
    "external_ids": {},
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "STATE", str(tmp_path / "state.json"))
    monkeypatch.setattr(paths, "JOURNAL", str(tmp_path / "state.journal"))


def saved() -> State:
    state = State()
    state.facts = Facts({}, {"net": NetworkFacts("net", "backend", "xenbr0", None)}, {"here": "h1"})
    state.save()
    return state


def same(one: State, other: State) -> bool:
    return (one.facts, one.plugs, one.lines) == (other.facts, other.plugs, other.lines)


@pytest.mark.parametrize("seed", range(20))
def test_what_was_noted_is_read_again(seed: int) -> None:
    """Written whole now and then, also while other changes come; and begun again from what was read."""
    chance = random.Random(seed)
    state = saved()
    for _ in range(60):
        assert state.facts is not None
        state.facts = changed(state.facts, chance)
        if chance.random() < 0.3:
            state.plugs["vif7.0"] = dict(PLUG, line=chance.choice(["groups=blue", None]))
            state.lines["v1"] = state.plugs["vif7.0"]["line"]
            state.note(["vif7.0"])
        elif chance.random() < 0.2:
            state.plugs.pop("vif7.0", None)
            state.note(["vif7.0"])
        state.note()
        if chance.random() < 0.1:
            snapshot = state.snapshot()
            state.facts = changed(state.facts, chance)
            state.note()
            write(snapshot)
            if chance.random() < 0.5:  # else it ended in between
                state.written(snapshot)
        again = State.load()
        assert same(again, state)
        if chance.random() < 0.2:
            state = again


def test_a_change_costs_a_line() -> None:
    state = saved()
    assert state.facts is not None
    whole = Path(paths.STATE).read_text()
    for number in range(3):
        state.facts = state.facts._replace(pool_line=f"no-agent={number}")
        state.note()
        state.note()
    assert len(Path(paths.JOURNAL).read_text().splitlines()) == len(state.journal) == 3
    assert Path(paths.STATE).read_text() == whole
    state.save()
    assert Path(paths.JOURNAL).read_text() == ""


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_an_entry_that_was_cut_short_takes_no_later_one_with_it(cut: int) -> None:
    state = saved()
    assert state.facts is not None
    for number in range(2):
        state.facts = state.facts._replace(pool_line=f"no-agent={number}")
        state.note()
    text = Path(paths.JOURNAL).read_text()
    Path(paths.JOURNAL).write_text(text[:-cut])
    state = State.load()
    assert state.facts is not None
    assert state.facts.pool_line == ("no-agent=1" if cut == 1 else "no-agent=0")
    state.facts = state.facts._replace(pool_line="no-agent=2")
    state.note()
    assert same(State.load(), state)


def test_a_disk_that_was_full_takes_no_later_entry_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does what could not be written come back, where it was taken back meanwhile."""
    state = saved()
    assert state.facts is not None
    before = state.facts
    state.facts = before._replace(vifs={"v1": vif("v1", 1, "groups=blue")})
    with monkeypatch.context() as full:
        full.setattr(state.journal, "path", "/dev/full")
        with pytest.raises(OSError, match="No space left"):
            state.note()
    state.facts = before._replace(pool_line="no-agent=2")
    state.note()
    assert same(State.load(), state)


@pytest.mark.parametrize("content", [None, "", "{ not json", '{"version": 99}'])
def test_there_is_a_file_to_go_on_from(content: str | None) -> None:
    """The first note on a host, and the one after a file that nobody can read."""
    if content is not None:
        Path(paths.STATE).write_text(content)
        Path(paths.JOURNAL).write_text('[7, {"lines": {"v1": "groups=old"}}]\n')
    state = State.load()
    assert bool(state.problem) is (content is not None)
    state.facts = Facts({}, {"net": NetworkFacts("net", "backend", "xenbr0", None)}, {"here": "h1"})
    for line in ("no-agent=1", "no-agent=2"):
        state.facts = state.facts._replace(pool_line=line)
        state.note()
    assert same(State.load(), state)
    assert not state.lines


def test_the_file_of_the_first_version_is_read() -> None:
    """It had no journal beside it."""
    state = saved()
    data = json.loads(Path(paths.STATE).read_text())
    del data["entry"]
    Path(paths.STATE).write_text(json.dumps(dict(data, version=1)))
    Path(paths.JOURNAL).unlink()
    assert same(State.load(), state)
