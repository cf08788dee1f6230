"""The policy file as the command line takes it: read, laid over the pool, and shown."""

import sys
from typing import Any, List, Optional

from ..errors import BadInput
from ..picture import VifFacts
from ..picture.facts import NetworkFacts
from ..policy.document import Document, parse_document
from ..policy.plan import Pairs, Plan, count_pairs, make_plan
from ..words import counted
from .pool import Pool, show_line


def add_file(parser: Any) -> None:
    parser.add_argument("-f", "--file", required=True, metavar="FILE", help="the policy file; - is standard input")
    parser.add_argument("--prune", action="store_true", help="what the file does not name goes: other records, lines and groups")


def read_document(path: str) -> Document:
    """Raises BadInput."""
    if path == "-":
        return parse_document(sys.stdin.read(), "standard input")
    try:
        with open(path, encoding="utf-8") as kept:
            return parse_document(kept.read(), path)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("cannot be read ({})".format(getattr(error, "strerror", None) or error), path, "name a policy file") from None


def plan_of(pool: Pool, path: str, prune: bool) -> Plan:
    """Raises BadInput, told at the file and the place in it."""

    def find_vif(name: str) -> VifFacts:
        return pool.vif(name).facts

    def find_network(name: str) -> NetworkFacts:
        return pool.facts.networks[pool.network(name)[1]["uuid"]]

    document = read_document(path)
    try:
        return make_plan(pool.picture, document, find_vif, find_network, prune)
    except BadInput as error:
        raise error.at("standard input" if path == "-" else path) from None


def show_plan(pool: Pool, plan: Plan) -> None:
    """Before and after of each change, and whom it brings together or takes apart."""
    for change in plan.changes:
        print("{}\n  before: {}\n  after:  {}".format(change.name, show_line(change.before), show_line(change.after)))
    for text in plan.broken:
        print("expect: {}".format(text))
    if plan.changes:
        pairs = count_pairs(pool.picture, plan.after)
        print("{} would change; {}".format(counted(len(plan.changes), "line"), show_pairs(pairs)))
    else:
        print("nothing would change")


def show_pairs(pairs: Pairs) -> str:
    text = "{} of guests gain each other, {} lose each other".format(counted(pairs.gained, "pair"), counted(pairs.lost, "pair"))
    return "{} (not counted: {})".format(text, ", ".join(pairs.uncounted)) if pairs.uncounted else text


def rows_of_plan(plan: Plan) -> List[Any]:
    return [dict(change._asdict()) for change in plan.changes]


def refuse_broken(plan: Plan, where: Optional[str]) -> None:
    """Raises BadInput where an expectation would not hold."""
    if plan.broken:
        more = "" if len(plan.broken) == 1 else " (and {} more: see ringfence diff)".format(len(plan.broken) - 1)
        raise BadInput("{}{}".format(plan.broken[0], more), where or "", "nothing was changed: mend the policy, or what is expected of it")
