"""ringfence network: the lines of networks."""

from typing import Any

from ..errors import BadRecord
from ..records.line import join_line, split_line
from ..records.network import KEYS, parse_network
from ..xapi.keys import KEY
from . import show
from .dry import add_dry_run
from .pool import Pool, show_line

HELP = "list, show, set and clear the lines of networks"


def define(parser: Any) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.required = True
    actions.add_parser("list", help="all networks with their lines")
    for name, text in (
        ("show", "one network's line"),
        ("set", "set keys of a line; an empty value takes a key out"),
        ("clear", "remove a line"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("network", help="name, bridge or uuid")
        if name == "set":
            action.add_argument("words", nargs="+", metavar="KEY=VALUE", help=", ".join(KEYS))
        if name != "show":
            add_dry_run(action)


def run(options: Any) -> int:
    pool = Pool(options)
    if options.action == "list":
        data = [{"network": n.name, "bridge": n.bridge, "line": n.line} for n in sorted(pool.facts.networks.values(), key=lambda n: n.name)]
        show.rows(options.output, ["network", "bridge", "line"], data)
        return 0
    ref, row = pool.network(options.network)
    before = row["other_config"].get(KEY)
    if options.action == "show":
        print("{}: {}".format(row["name_label"], show_line(before)))
        return 0
    after = None
    if options.action == "set":
        try:
            known, extra = split_line(before or "", KEYS)
            given, given_extra = split_line(" ".join(options.words), KEYS)
            known.update(given)
            words = [(k, known[k]) for k in KEYS if known.get(k)] + sorted(dict(extra, **dict(given_extra)).items())
            after = str(parse_network(join_line(words)))
        except BadRecord as error:
            raise error.at("network {}".format(row["name_label"])) from None
    pool.change_network(ref, row, after)
    return 0
