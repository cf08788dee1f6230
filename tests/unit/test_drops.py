"""Counts of drops go on where the switch's begin anew, and over restarts of the agent."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pools import picture, vif
from ringfence import paths
from ringfence.agent import drops
from ringfence.agent.drops import Drops, Row
from ringfence.picture import Picture

ROW = Row("v1", "", "source", False)
SEEN = Row("v1", "v2", "unreachable-out", True, "10.0.0.11", "10.0.0.12")


class Switch:
    """What a switch would tell of its counters: by flow, the row and the count."""

    def __init__(self) -> None:
        self.counts: dict[str, tuple[Row, int]] = {}
        self.line = "default=isolated enforce=watch"

    def numbered(self) -> tuple[Picture, dict[str, dict[str, int]]]:
        return picture(self.line, vif("v1", 1, "ipv4=10.0.0.11"), vif("v2", 2, "ipv4=10.0.0.12")), {"br0": {"v1": 1, "v2": 2}}

    def counted(self, *_: object) -> Iterator[tuple[str, tuple[Row, int]]]:
        yield from self.counts.items()


@pytest.fixture
def switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Switch:
    made = Switch()
    monkeypatch.setattr(paths, "DROPS", str(tmp_path / "drops.json"))
    monkeypatch.setattr(drops, "_counted", made.counted)
    return made


def told(one: Drops) -> dict[str, int]:
    return {row["reason"]: row["count"] for row in one.told()["rows"]}


def test_counts_go_on(switch: Switch) -> None:
    one = Drops(switch.numbered)
    for count, total in ((5, 5), (5, 5), (8, 8), (2, 10), (3, 11)):  # at 2, the switch began anew
        switch.counts["flow"] = (ROW, count)
        one.look()
        assert told(one) == {"source": total}
    switch.counts.clear()
    one.look()
    switch.counts["flow"] = (ROW, 4)
    one.look()
    assert told(one) == {"source": 15}
    again = Drops(switch.numbered)
    again.look()
    assert told(again) == {"source": 15}


def test_what_was_seen_goes_when_the_watching_ends(switch: Switch) -> None:
    one = Drops(switch.numbered)
    switch.counts.update(one=(ROW, 1), other=(SEEN, 7))
    one.look()
    assert told(one) == {"source": 1, "unreachable-out": 7}
    assert list(one.told()["since"]) == ["net"]
    switch.line = "default=isolated"
    del switch.counts["other"]
    one.look()
    assert told(one) == {"source": 1}
    assert one.told()["since"] == {}


def test_rows_are_bounded_and_the_oldest_go(switch: Switch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drops, "MOST", 10)
    one = Drops(switch.numbered)
    switch.counts["enforced"] = (ROW, 5)
    for number in range(30):
        switch.counts[f"flow{number}"] = (SEEN._replace(source=f"10.0.1.{number}"), 1)
        one.look()
    left = {row["source"] for row in one.told()["rows"]}
    assert left == {f"10.0.1.{number}" for number in range(21, 30)} | {""}


def test_one_sender_fills_no_more_than_its_share(switch: Switch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drops, "MOST_OF_ONE", 3)
    one = Drops(switch.numbered)
    for number in range(10):
        switch.counts[f"flow{number}"] = (SEEN._replace(source=f"10.0.1.{number}"), 2)
    switch.counts["other"] = (SEEN._replace(sender="v2", receiver="v1"), 1)
    one.look()
    found = sorted((row["sender"], row["source"] != "", row["count"]) for row in one.told()["rows"])
    assert found == [("v1", False, 14), ("v1", True, 2), ("v1", True, 2), ("v1", True, 2), ("v2", True, 1)]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"version": 1, "rows": [[["v1"], 1, 1.0, 1.0]], "raw": {}, "since": {}}'])
def test_a_file_that_cannot_be_read_is_none(switch: Switch, text: str) -> None:
    Path(paths.DROPS).write_text(text)
    one = Drops(switch.numbered)
    assert one.told()["rows"] == []
    switch.counts["flow"] = (ROW, 5)
    one.look()
    assert told(one) == {"source": 5}
