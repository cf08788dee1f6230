"""Putting a version of ringfence in force on this host, or another one in its place; on failure all is as it was."""

import compileall
import os
import sys
import time
from typing import Callable, List, Optional

from .. import __version__, xenstore
from ..agent.client import ask
from ..errors import Refused, RingfenceError, Unreachable
from ..words import counted
from . import checks, place, system, xenopsd

PATIENCE_S = 60.0
"""How long an agent may take until it is in sync with XAPI."""


class Undo:
    """What was done, to be taken back in reverse."""

    def __init__(self) -> None:
        self._steps: List[Callable[[], None]] = []

    def then(self, step: Callable[[], None]) -> None:
        self._steps.append(step)

    def run(self) -> None:
        for step in reversed(self._steps):
            try:
                step()
            except (RingfenceError, OSError) as error:
                sys.stderr.write("ringfence: taking a step back failed: {}\n".format(error))


def install(say: Callable[[str], None]) -> bool:
    """Put this version in force. False where it is already, and nothing had to be done. Raises RingfenceError."""
    version = place.here()
    if place.in_force() not in (None, version):
        return upgrade(say)
    if place.in_force() == version and not checks.failed(checks.after()):
        say("ringfence {} is in force already".format(version))
        return False
    checks.refuse(checks.before())
    undo = Undo()
    try:
        _put_in_force(version, undo, say)
    except (RingfenceError, OSError) as error:
        undo.run()
        raise _unchanged(error) from None
    return True


def upgrade(say: Callable[[str], None]) -> bool:
    """Exchange the version in force for this one: flows stay in the switch meanwhile. Raises RingfenceError."""
    version, before = place.here(), place.in_force()
    if before is None:
        raise Refused("ringfence is not in force on this host", mend="ringfence host install")
    checks.refuse(checks.before())
    undo = Undo()
    try:
        _compile()
        undo.then(_restart_units)  # once the link points back
        undo.then(lambda: system.point(place.CURRENT, str(before)))
        system.point(place.CURRENT, version)
        system.systemctl("daemon-reload")
        _restart_units()
        _wait(version)
    except (RingfenceError, OSError) as error:
        undo.run()
        raise _unchanged(error) from None
    say("version {} is in force, {} was before".format(version, before))
    return True


def _put_in_force(version: str, undo: Undo, say: Callable[[str], None]) -> None:
    if not place.remembered():
        left = place.WAS if os.path.isdir(place.STATE) else place.STATE
        place.remember({"hook": xenopsd.stock_hook() or ""})
        undo.then(lambda: system.forget_tree(left))
    _compile()
    if place.in_force() != version:
        system.point(place.CURRENT, version)
        undo.then(lambda: system.forget_tree(place.CURRENT))
    system.systemctl("daemon-reload")
    undo.then(lambda: _quietly("disable", "--now", *system.UNITS))
    system.systemctl("enable", *system.UNITS)
    _restart_units()
    _wait(version)
    say("the agent runs, and is in sync with XAPI")
    before = xenopsd.settings().get(xenopsd.FRAGMENT)
    undo.then(lambda: _put_back_setting(before))
    xenopsd.use(place.HOOK)
    say("xenopsd restarted with ringfence's hook" if system.restart_xenopsd() else "no xenopsd runs: it will find ringfence's hook")
    moved = 0
    for vif in xenopsd.running():
        old = xenstore.read(vif.key)
        if old != place.HOOK:
            undo.then(lambda vif=vif, old=old: _put_back_key(vif, old))  # type: ignore[misc]
            xenstore.write(vif.key, place.HOOK)
            moved += 1
    say("{} adopted without being touched".format(counted(moved, "running VIF")))


def _compile() -> None:
    """Every start would compile anew where nobody may write."""
    compileall.compile_dir(place.CODE, quiet=2)


def _restart_units() -> None:
    system.systemctl("restart", *system.UNITS)


def _wait(version: str) -> None:
    """Until the agent that runs is this one, and in sync. Raises Unreachable."""
    deadline = time.monotonic() + PATIENCE_S
    last: Optional[Exception] = None
    while time.monotonic() < deadline:
        try:
            status = ask({"op": "status"}, 5.0)
            if status["in_sync"] and status["release"] == __version__:
                return
            last = Unreachable("it is not in sync with XAPI")
        except Unreachable as error:
            last = error
        time.sleep(0.2)
    raise Unreachable("the agent of version {} did not come up: {}".format(version, last), mend="see {}".format(place.LOG))


def _put_back_setting(before: Optional[str]) -> None:
    if before is None:
        xenopsd.use_stock()
    else:
        xenopsd.use(before)
    system.restart_xenopsd()


def _put_back_key(vif: xenopsd.Vif, old: Optional[str]) -> None:
    if old is None:
        xenstore.remove(vif.key)
    else:
        xenstore.write(vif.key, old)


def _quietly(*words: str) -> None:
    try:
        system.systemctl(*words)
    except RingfenceError:
        pass


def _unchanged(error: Exception) -> RingfenceError:
    """The error, with the word that all is as it was."""
    if isinstance(error, RingfenceError):
        return type(error)("all is as it was: {}".format(error.what), error.where, error.mend)
    return Refused("all is as it was: {}".format(error), mend="see {}".format(place.LOG))
