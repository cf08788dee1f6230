"""ringfence drops: what this host dropped, by sender, receiver and reason; with --pool or --all, what every host did.

On networks with enforce=watch nothing is dropped: there it is what would be, with the addresses in the frames.
Counts go on over restarts. docs/why.md says what the reasons mean.
"""

import argparse
import sys
import time
from typing import Any, Dict, List

from ..agent.client import ask
from ..errors import RingfenceError, Unreachable
from . import show
from .pool import Pool, remote

HELP = "what is dropped, or only watched, by sender, receiver and reason"
PATIENCE_S = 15.0
COLUMNS = ["from", "to", "reason", "frames", "outcome", "last"]


def define(parser: Any) -> None:
    parser.add_argument("--all", action="store_true", help="of every host of the pool, as with --pool")
    parser.add_argument("--follow", action="store_true", help="print what is added, as it comes, with its rate, until interrupted")
    parser.add_argument("--every", type=seconds, default=1.0, metavar="SECONDS", help="how often to look, with --follow (1)")


def run(options: Any) -> int:
    pool = Pool(options) if remote(options) or options.all else None
    if options.follow:
        return _follow(options, pool)
    data = [row for rows in seen(pool).values() for row in rows if row["reason"]]
    data.sort(key=lambda row: row["last"], reverse=True)
    show.rows(options.output, COLUMNS + ([] if pool is None else ["host"]), [_shown(row, options.output) for row in data])
    return 0


def seen(pool: Any) -> Dict[str, List[Dict[str, Any]]]:
    """The rows of each host, by its name. Raises Unreachable; where several hosts are asked, those that do not answer are told."""
    if pool is None:
        return {"": ask({"op": "drops"}, PATIENCE_S)["rows"]}
    found = {}
    for host, answer in sorted(pool.agents.ask_all(pool.agents.names, {"op": "drops"}, PATIENCE_S).items()):
        if isinstance(answer, RingfenceError):
            sys.stderr.write("ringfence: {}\n".format(answer))
        else:
            name = pool.agents.names[host]
            found[name] = [dict(row, host=name) for row in answer["rows"]]
    if not found:
        raise Unreachable("no host's agent answers", "pool", "see ringfence status --all")
    return found


def _follow(options: Any, pool: Any) -> int:
    before = _counts(seen(pool))
    then = time.monotonic()
    try:
        while True:
            time.sleep(options.every)
            rows = seen(pool)
            now = time.monotonic()
            for host, told in sorted(rows.items()):
                for row in told:
                    more = row["count"] - before.get(_key(host, row), 0)
                    if more > 0 and row["reason"]:
                        _line(row, more, more / (now - then))
            sys.stdout.flush()
            before, then = _counts(rows), now
    except KeyboardInterrupt:
        return 0


def _line(row: Dict[str, Any], more: int, rate: float) -> None:
    shown = _shown(row, "table")
    text = "{} {} -> {}: {} {}: {} frames, {:.0f}/s".format(
        time.strftime("%H:%M:%S"), shown["from"], shown["to"] or "?", shown["outcome"], row["reason"], more, rate
    )
    print("{}: {}".format(row["host"], text) if "host" in row else text)


def _counts(rows: Dict[str, List[Dict[str, Any]]]) -> Dict[Any, int]:
    return {_key(host, row): row["count"] for host, told in rows.items() for row in told}


def _key(host: str, row: Dict[str, Any]) -> Any:
    return (host, row["sender"], row["receiver"], row["reason"], row["watched"], row["source"], row["target"])


def _shown(row: Dict[str, Any], form: str) -> Dict[str, Any]:
    last = row["last"] if form in show.WHOLE else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row["last"]))
    return {
        "from": _party(row["sender_name"], row["source"]),
        "to": _party(row["receiver_name"], row["target"]),
        "reason": row["reason"],
        "frames": row["count"],
        "outcome": "watched" if row["watched"] else "dropped",
        "last": last,
        "host": row.get("host", ""),
    }


def _party(name: str, address: str) -> str:
    return "{} ({})".format(name, address) if name and address else name or address


def seconds(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 3600:
        raise argparse.ArgumentTypeError("{} is not from 0.1 to 3600 seconds".format(text))
    return value
