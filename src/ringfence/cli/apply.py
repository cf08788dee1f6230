"""ringfence apply: make a policy file the pool's policy: all is looked at first, and what is the same stays untouched."""

import sys
import time
from argparse import ArgumentTypeError
from typing import Any, List

from .. import paths
from ..agent.client import ask
from ..errors import Refused, RingfenceError, Unreachable
from ..files import write_json
from ..policy.plan import Change
from ..words import several
from ..xapi.rollback import LONGEST_S, keep
from .dry import add_dry_run
from .policy_file import add_file, plan_of, refuse_broken, show_plan
from .pool import Pool, here_only

HELP = "make a policy file the pool's policy"
EVERY_S = 5.0
"""Between two lines of progress where there is no terminal."""


def define(parser: Any) -> None:
    add_file(parser)
    add_dry_run(parser, ", who gains and loses whom")
    again = "put everything back unless ringfence confirm follows in time, whatever becomes of this command"
    parser.add_argument("--confirm-within", metavar="120s", type=_seconds, help=again)


def run(options: Any) -> int:
    """0 done; 1 where an expectation would not hold in a dry run; what was done stays done when it is interrupted."""
    pool = Pool(options)
    plan = plan_of(pool, options.file, options.prune)
    show_plan(pool, plan)
    if options.dry_run:
        if options.verbose and plan.changes:
            pool.preview([(change.kind, change.uuid, change.after) for change in plan.changes])
        return 1 if plan.broken else 0
    refuse_broken(plan, options.file)
    if options.confirm_within and plan.changes:
        here_only(options)
        _keep(plan.changes, options.confirm_within)
    _write(pool, plan.changes)
    if options.confirm_within and plan.changes:
        sys.stderr.write("ringfence: all goes back in {:g} s, unless you run: ringfence confirm\n".format(options.confirm_within))
    return 0


def _seconds(text: str) -> float:
    """``90``, ``90s``, ``5m``, ``1h``; at least 5 seconds, at most a day."""
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    if not number.isdigit() or not 5 <= int(number) * unit <= LONGEST_S:
        raise ArgumentTypeError("{!r} is no time: write 90s, 5m or 1h, from 5 seconds to a day".format(text))
    return float(int(number) * unit)


def _keep(changes: List[Change], seconds: float) -> None:
    """Before the first line is written: with the agent, what is to go back. Raises Refused, Unreachable."""
    waits = ask({"op": "rollback"}, 10.0)
    if waits["waits"]:
        what = "an earlier apply waits to be confirmed"
        raise Refused(what, mend="ringfence confirm keeps it; left alone it goes back by itself")
    try:
        write_json(paths.ROLLBACK, keep([(one.kind, one.uuid, one.before, one.after) for one in changes], seconds))
    except OSError as error:
        raise Refused(
            "what is to go back cannot be kept ({})".format(error), mend="nothing was changed: make room, or run it in dom0"
        ) from None
    if not ask({"op": "rollback"}, 10.0)["taken"]:
        raise Unreachable("the agent does not take up what is to go back", paths.ROLLBACK, "see /var/log/ringfence.log")


def _write(pool: Pool, changes: List[Change]) -> None:
    """Lines of networks first: a record then never stands on a network that does not know it yet."""
    ordered = sorted(changes, key=lambda change: change.kind != "network")
    progress = Progress(len(ordered))
    try:
        for number, change in enumerate(ordered, 1):
            pool.write(change.kind, change.uuid, change.after)
            progress.at(number)
    except (RingfenceError, KeyboardInterrupt):
        progress.end()
        left = [change.name for change in ordered[progress.done :]]
        sys.stderr.write(
            "ringfence: {} of {} lines are written; not yet: {}; run it again to finish\n".format(
                progress.done, len(ordered), several(left)
            )
        )
        raise
    progress.end()
    for kind in ("network", "VIF"):
        last = [change for change in ordered if change.kind == kind][-1:]
        for change in last:  # events come in order: with the last one, all are in force
            pool.confirm(change.kind, change.uuid, change.after)


class Progress:
    """A bar on a terminal, a line now and then elsewhere; nothing for what is done in a moment."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self._bar = sys.stderr.isatty()
        self._told = time.monotonic()

    def at(self, done: int) -> None:
        self.done = done
        now = time.monotonic()
        if now - self._told < (0.2 if self._bar else EVERY_S):
            return
        self._told = now
        if self._bar:
            full = 40 * done // self.total
            sys.stderr.write("\r[{}{}] {}/{}".format("#" * full, "." * (40 - full), done, self.total))
        else:
            sys.stderr.write("ringfence: {} of {} lines are written\n".format(done, self.total))
        sys.stderr.flush()

    def end(self) -> None:
        if self._bar:
            sys.stderr.write("\r{}\r".format(" " * 60))
