"""ringfence audit: what is in this host's switch against what should be."""

import sys
from typing import Any

from ..agent.client import ask
from . import show
from .pool import here_only

HELP = "compare the switch of this host with the policy, and repair it"
WAIT_S = 30.0


def define(parser: Any) -> None:
    parser.add_argument("--repair", action="store_true", help="bring right what is wrong; flows of others stay")


def run(options: Any) -> int:
    """0 where nothing is wrong (any more), 1 where something is."""
    here_only(options)
    request = {"op": "audit", "repair": options.repair}
    found = ask(request, WAIT_S)["findings"]
    if not found and options.output == "table":
        print("nothing is amiss")
        return 0
    rows = [dict(zip(("bridge", "kind", "what", "vif"), row)) for row in found]
    show.rows(options.output, ["bridge", "vif", "kind", "what"], rows)
    if options.repair and found:
        found = ask(dict(request, repair=False), WAIT_S)["findings"]
        sys.stderr.write("ringfence: {}\n".format("{} still amiss".format(len(found)) if found else "repaired"))
    return 1 if found else 0
