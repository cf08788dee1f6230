"""ringfence confirm: what `ringfence apply --confirm-within` wrote stays."""

import sys
from typing import Any

from ..agent.client import ask
from ..words import counted
from .pool import here_only

HELP = "keep what apply --confirm-within wrote"


def define(_: Any) -> None:
    """No arguments of its own."""


def run(options: Any) -> int:
    """0 where something was kept, 1 where nothing waited: it was confirmed, or has gone back."""
    here_only(options)
    kept = ask({"op": "rollback", "confirm": True}, 10.0)["confirmed"]
    if kept is None:
        sys.stderr.write("ringfence: nothing waits to be confirmed: it was confirmed before, or went back\n")
        return 1
    print("confirmed: {}".format(counted(kept, "line")))
    return 0
