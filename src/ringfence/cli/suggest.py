"""ringfence suggest: what was seen on a network with enforce=watch, as the commands that would let it pass.

Read them before you type them: what was seen is what guests did, not what they should do.
"""

import sys
from shlex import quote
from typing import Any, Dict, List, Set

from ..errors import BadInput, RingfenceError, Unreachable
from ..policy.suggest import Seen, suggest
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
    view = pool.picture.networks.get(uuid)
    if view is None or not view.watched:
        raise BadInput("it is not watched", "network {}".format(name), "ringfence network set {} enforce=watch".format(quote(name)))
    seen: Dict[Any, int] = {}
    judged: Dict[str, int] = {}
    since: List[float] = []
    silent: Set[str] = {v.host for v in pool.facts.vifs.values() if v.network == uuid and v.host}
    for host, answer in sorted(pool.agents.ask_all(sorted(silent), {"op": "drops"}, PATIENCE_S).items()):
        if isinstance(answer, RingfenceError):
            sys.stderr.write("ringfence: {}\n".format(answer))
            continue
        silent.discard(host)
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
    unheard = sorted(v.name for vif, v in vifs.items() if v.host and not judged.get(vif) and view.watches(v))
    if options.output in show.WHOLE:
        told = {"watched_s": round(max(since)), "frames": frames, "unheard": unheard}
        show.whole(options.output, dict(told, rows=[dict(one._asdict()) for one in found]))
        return 0
    if options.output != "table":
        show.rows(options.output, ["what", "frames", "command"], [dict(one._asdict()) for one in found])
        return 0
    text = "network {}: watched for {}, {} frames of its {} VIFs"
    print(text.format(name, _while(max(since)), frames, len(vifs)))
    if unheard:
        print("not heard of: {}".format(", ".join(unheard)))
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
