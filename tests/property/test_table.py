"""Tables in pieces, beside plain dicts."""

import random

import pytest

from ringfence.table import PIECE, Table, differing, table_of


@pytest.mark.parametrize("seed", range(10))
def test_a_table_holds_what_a_dict_holds_and_its_copies_stay_as_they_were(seed: int) -> None:
    chance = random.Random(seed)
    keys = range(chance.choice([3, PIECE, 40 * PIECE]))
    table: Table[int, object] = Table((key, object()) for key in keys if chance.random() < 0.3)
    plain = dict(table)
    kept: list[tuple[Table[int, object], dict[int, object]]] = []
    for _ in range(600):
        key = chance.choice(keys)
        what = chance.random()
        if what < 0.05:
            kept.append((table, dict(plain)))
            changes = {k: object() if chance.random() < 0.5 else None for k in chance.sample(keys, chance.randint(0, len(keys)))}
            plain.update(changes)
            plain = {k: v for k, v in plain.items() if v is not None}
            table = table.after(changes)
        elif what < 0.5:
            plain[key] = object()
            table.put(key, plain[key])
        elif what < 0.8:
            plain.pop(key, None)
            table.drop(key)
        elif what < 0.85:
            kept.append((table, dict(plain)))
            table = table.copy()
        else:
            earlier, meant = chance.choice(kept) if kept else (table, plain)
            naive = {k for k in meant.keys() | plain.keys() if meant.get(k) is not plain.get(k)}
            assert differing(earlier, table) == differing(table, earlier) == naive
            assert differing(meant, table) == naive
        assert (table.get(key), key in table, len(table)) == (plain.get(key), key in plain, len(plain))
    kept.append((table, plain))
    for earlier, meant in kept:
        assert dict(earlier) == meant
        assert earlier == meant
        assert earlier == Table(meant)
        assert sorted(earlier) == sorted(meant)
        assert all(earlier[key] is value for key, value in meant.items())
    assert (kept[0][0] == kept[-1][0]) == (kept[0][1] == kept[-1][1])


def test_a_change_costs_one_piece() -> None:
    table = Table((key, key) for key in range(1000 * PIECE))
    later = table.copy()
    later.put(5, 50)
    later.drop(6)
    shared = sum(one is another for one, another in zip(table._pieces, later._pieces, strict=True))
    assert len(later._pieces) >= 1000
    assert shared >= len(later._pieces) - 2


def test_what_is_copied_to_be_changed_is_left_alone() -> None:
    plain = {"a": 1}
    for given in (plain, Table(plain)):
        made = table_of(given)
        made.put("b", 2)
        assert dict(given) == {"a": 1}
        assert dict(made) == {"a": 1, "b": 2}
    with pytest.raises(KeyError):
        Table(plain)["b"]
