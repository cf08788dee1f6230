"""What is kept on the host between runs: the last facts, the numbers in the flows, and the VIFs plugged here."""

import json
import os
from typing import Any, Dict, Iterable, Iterator, NamedTuple, Optional

from .. import paths
from ..files import replacing
from ..picture import Facts
from ..picture.facts import CHANGE
from ..shape import NONE, Keys, check
from .journal import Journal
from .told import INTERFACE, PLUG, TEXT

VERSION = 2
"""Version 1 had no journal beside it."""
SHAPE = Keys(
    {"host": str, "numbers": {str: {str: {str: int}}}, "plugs": {INTERFACE: PLUG}, "lines": {str: TEXT}, "facts": (NONE, dict)},
    {"entry": int},
)
ENTRY = Keys({}, {"facts": CHANGE, "plugs": {INTERFACE: (NONE, PLUG)}, "lines": {str: TEXT}})


class Snapshot(NamedTuple):
    """What is written whole."""

    entry: int
    """The last one of the journal that is in it."""
    rest: Dict[str, Any]
    facts: Optional[Facts]


class State:
    """Loaded whole. ``note`` keeps what changed since; ``save`` writes all of it, mode 0600. What cannot be read counts as none."""

    def __init__(self) -> None:
        self.facts: Optional[Facts] = None
        self.host = ""
        """uuid of this host."""
        self.numbers: Dict[str, Dict[str, Dict[str, int]]] = {}
        self.plugs: Dict[str, Dict[str, Any]] = {}
        """By interface: what the hook said when it was plugged (vif, vm, bridge, mac, line …)."""
        self.lines: Dict[str, Optional[str]] = {}
        """The record that the last hook for each VIF was given."""
        self.problem = ""
        self.journal = Journal(paths.JOURNAL)
        self._noted: Optional[Facts] = None
        self._whole = False
        """Whether there is a file for the journal to go on from."""

    @classmethod
    def load(cls) -> "State":
        state = cls()
        try:
            with open(paths.STATE, encoding="utf-8") as kept:
                data = json.load(kept)
            if data["version"] not in (1, VERSION):
                raise ValueError("version {}".format(data["version"]))
            check(data, SHAPE)
            facts = data["facts"]
            state.facts = None if facts is None else Facts().changed_by(facts)
            state.host, state.numbers, state.plugs = data["host"], data["numbers"], data["plugs"]
            state.lines = data["lines"]
            for entry in state.journal.read(data.get("entry", 0), ENTRY):
                state._take(entry)
            state._noted, state._whole = state.facts, True
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            state = cls()
            state.problem = "{}: cannot be read ({}): starting without it".format(paths.STATE, error)
        return state

    def _take(self, entry: Dict[str, Any]) -> None:
        if "facts" in entry:
            self.facts = (self.facts or Facts()).changed_by(entry["facts"])
        self.lines.update(entry.get("lines", {}))
        for interface, plug in entry.get("plugs", {}).items():
            if plug is None:
                self.plugs.pop(interface, None)
            else:
                self.plugs[interface] = plug

    def note(self, interfaces: Iterable[str] = ()) -> None:
        """Keep the facts where they are others now, and what is plugged as these ``interfaces``. Raises OSError."""
        if not self._whole:
            self.save()
            return
        entry: Dict[str, Any] = {}
        if self.facts is not self._noted and self.facts is not None and self.facts != self._noted:
            entry["facts"] = (self._noted or Facts()).change_to(self.facts)
        plugs = {interface: self.plugs.get(interface) for interface in interfaces}
        if plugs:
            vifs = [plug["vif"] for plug in plugs.values() if plug is not None]
            entry.update(plugs=plugs, lines={vif: self.lines.get(vif) for vif in vifs})
        if entry:
            self.journal.add(entry)
        self._noted = self.facts

    def save(self) -> None:
        """All of it at once. Raises OSError; what was kept before stays whole."""
        if not self._whole:
            self.journal.forget(self.journal.last)  # one without its file says nothing
        snapshot = self.snapshot()
        write(snapshot)
        self.written(snapshot)

    def written(self, snapshot: Snapshot) -> None:
        """It is on the disk: the journal need not hold it. Raises OSError."""
        self._whole = True
        self.journal.forget(snapshot.entry)

    def snapshot(self) -> Snapshot:
        """As things are now; what changes later does not change it. It has to be written: ``note`` goes on from it."""
        self._noted = self.facts
        numbers = {bridge: {kind: dict(table) for kind, table in tables.items()} for bridge, tables in self.numbers.items()}
        plugs = {interface: dict(plug) for interface, plug in self.plugs.items()}
        rest = {"version": VERSION, "host": self.host, "numbers": numbers, "plugs": plugs, "lines": dict(self.lines)}
        return Snapshot(self.journal.last, dict(rest, entry=self.journal.last), self.facts)


def write(snapshot: Snapshot) -> None:
    """In pieces, so that other threads are not held up. Raises OSError; what was kept before stays whole."""
    os.makedirs(os.path.dirname(paths.STATE), mode=0o700, exist_ok=True)
    with replacing(paths.STATE, 0o600) as kept:
        for piece in _pieces(snapshot):
            kept.write(piece)


def _pieces(snapshot: Snapshot) -> Iterator[str]:
    yield json.dumps(snapshot.rest)[:-1] + ', "facts": '
    if snapshot.facts is None:
        yield "null}"
        return
    facts = snapshot.facts.to_json()
    vifs = facts.pop("vifs")
    yield json.dumps(facts)[:-1] + ', "vifs": ['
    for number, row in enumerate(vifs):
        yield (", " if number else "") + json.dumps(row)
    yield "]}}"
