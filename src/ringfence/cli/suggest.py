"""ringfence suggest: what was seen on a network with enforce=watch, as the commands that would let it pass.

Read them before you type them: what was seen is what guests did, not what they should do.
"""

import sys
from shlex import quote
from typing import Any, Dict, List

from ..errors import BadInput, RingfenceError, Unreachable
from ..policy.suggest import TALK, Seen, suggest
from ..records import parse_network
from ..xapi.keys import KEY
from . import show
from .drops import PATIENCE_S
from .pool import Pool

HELP = "records and groups for what was seen on a network that is watched"
SIDES = ("sender", "receiver", "reason", "source", "target")


def define(parser: Any) -> None:
    parser.add_argument("network", help="name, bridge or uuid")


def run(options: Any) -> int:
    """0, whether or not anything was seen."""
    pool = Pool(options)
    _, row = pool.network(options.network)
    name, uuid = row["name_label"], row["uuid"]
    where, command = "network {}".format(name), "ringfence network set {} ".format(quote(name))
    if parse_network(row["other_config"].get(KEY, "")).enforce != "watch":
        raise BadInput("it is not watched", where, command + "enforce=watch")
    view = pool.picture.networks.get(uuid)
    if view is None:
        raise BadInput("it has no VIF of a VM yet: there is nothing to watch", where, "plug one")
    if not view.fenced:
        raise BadInput("none of its VIFs would be locked or isolated: there is nothing to watch", where, command + "default=isolated")
    seen: Dict[Any, int] = {}
    judged: Dict[str, int] = {}
    since: List[float] = []
    for _, answer in sorted(pool.agents.ask_all(sorted(pool.hosts_of({uuid})), {"op": "drops"}, PATIENCE_S).items()):
        if isinstance(answer, RingfenceError):
            sys.stderr.write("ringfence: {}\n".format(answer))
            continue
        since += [answer["now"] - answer["since"][uuid]] if uuid in answer["since"] else []
        for told in answer["rows"]:
            if not told["watched"]:
                continue
            key = tuple(told[side] for side in SIDES)  # both ends' hosts see the same frames
            table: Dict[Any, int] = seen if told["reason"] else judged
            key = key if told["reason"] else told["sender"]
            table[key] = max(table.get(key, 0), told["count"])
    if not since:
        raise Unreachable("no host says that it watches it", "network {}".format(name), "see ringfence status --all")
    rows = [Seen(*(key + (count,))) for key, count in seen.items()]
    found = suggest(view, rows)
    vifs = {uuid: v for uuid, v in pool.facts.vifs.items() if v.network == view.facts.uuid}
    frames = sum(count for vif, count in judged.items() if vif in vifs)
    crowded = sorted({pool.facts.vifs[row.sender].name for row in rows if row.sender in vifs and not row.source and row.reason in TALK})
    unheard = sorted(v.name for vif, v in vifs.items() if v.host and not judged.get(vif) and view.watches(v))
    if options.output in show.WHOLE:
        told = {"watched_s": round(max(since)), "frames": frames, "unheard": unheard, "crowded": crowded}
        show.whole(options.output, dict(told, rows=[dict(one._asdict()) for one in found]))
        return 0
    if options.output != "table":
        show.rows(options.output, ["what", "frames", "command"], [dict(one._asdict()) for one in found])
        return 0
    text = "network {}: watched for {}, {} frames of its {} VIFs"
    print(text.format(name, _while(max(since)), frames, len(vifs)))
    if unheard:
        print("not heard of: {}".format(", ".join(unheard)))
    if crowded:
        print("more addresses than are told apart: {}: find out first what it does".format(", ".join(crowded)))
    for one in found:
        print("{}: {} frames{}".format(one.what, one.frames, "\n  {}".format(one.command) if one.command else ""))
    if not found:
        print("nothing would have been dropped: ringfence network set {} enforce=on".format(quote(name)))
    return 0


def _while(seconds: float) -> str:
    minutes = int(seconds) // 60
    if minutes < 2:
        return "{:.0f} s".format(seconds)
    return "{} min".format(minutes) if minutes < 120 else "{} h {} min".format(minutes // 60, minutes % 60)
