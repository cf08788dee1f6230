"""What is kept on the host between runs: the last facts, the numbers in the flows, and the VIFs plugged here."""

import json
import os
from typing import Any, Dict, Optional

from .. import paths
from ..files import replacing
from ..picture import Facts
from ..picture.facts import facts_from_json
from ..shape import NONE, Keys, check
from .told import INTERFACE, PLUG, TEXT

VERSION = 1
SHAPE = Keys(
    {"host": str, "numbers": {str: {str: {str: int}}}, "plugs": {INTERFACE: PLUG}, "lines": {str: TEXT}, "facts": (NONE, dict)},
    {},
)


class State:
    """Loaded whole, saved whole and atomically, mode 0600. A file that cannot be read counts as none."""

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

    @classmethod
    def load(cls) -> "State":
        state = cls()
        try:
            with open(paths.STATE, encoding="utf-8") as kept:
                data = json.load(kept)
            if data["version"] != VERSION:
                raise ValueError("version {}".format(data["version"]))
            check(data, SHAPE)
            facts = data["facts"]
            state.facts = None if facts is None else facts_from_json(facts)
            state.host, state.numbers, state.plugs = data["host"], data["numbers"], data["plugs"]
            state.lines = data["lines"]
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            state = cls()
            state.problem = "{}: cannot be read ({}): starting without it".format(paths.STATE, error)
        return state

    def save(self) -> None:
        """Raises OSError; what was kept before stays whole."""
        folder = os.path.dirname(paths.STATE)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        facts = None if self.facts is None else self.facts.to_json()
        data = {"version": VERSION, "facts": facts, "host": self.host, "numbers": self.numbers, "plugs": self.plugs, "lines": self.lines}
        write_whole(paths.STATE, data)


def write_whole(path: str, data: Any) -> None:
    """JSON to a file, mode 0600: all of it or what was there before. Raises OSError."""
    with replacing(path, 0o600) as kept:
        json.dump(data, kept)
