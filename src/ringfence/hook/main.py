"""The hook's main: the stock script's contract, step by step."""

import os
import sys

from .. import TYPE_CHECKING, xenstore
from ..agent.client import ask
from ..errors import RingfenceError, Unreachable
from ..switch import port
from . import log
from .vif import Call, describe, private, read_json

if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

AGENT_S = 3.0
USAGE = "usage: setup-vif-rules BACKEND INTERFACE VM-UUID DEVICE clear|filter\n"


def main(argv: "Optional[List[str]]" = None) -> int:
    words = sys.argv[1:] if argv is None else argv
    if len(words) != 5 or words[4] not in ("clear", "filter"):
        sys.stderr.write(USAGE)
        return 1
    _, interface, vm, device, action = words
    call = Call(interface, vm, device)
    if action == "clear":
        clear(call)
        return 0
    try:
        plug(call)
    except (RingfenceError, OSError) as error:
        log.error("port=%s vm=%s event=plug-failed reason=%s", interface, vm, error)
        port.set_link(interface, False)
        return 1
    return 0


def clear(call: Call) -> None:
    """Take the VIF away; never fails, for a failure would hold up the domain's shutdown."""
    for step in (
        lambda: port.set_link(call.interface, False),
        lambda: _pvs_proxy(call, "remove"),
        lambda: _tell_others(call, None),
        lambda: _unplug(call),
    ):
        try:
            step()
        except (RingfenceError, OSError) as error:
            log.error("port=%s event=clear-failed reason=%s", call.interface, error)


def _unplug(call: Call) -> None:
    """Whoever holds the rules takes the port off too: first it forgets the VIF, so that nobody puts the port back."""
    try:
        ask({"op": "unplug", "interface": call.interface}, AGENT_S)
    except Unreachable as error:
        log.warning("port=%s event=alone reason=%s", call.interface, error)
        port.remove(call.interface)
        _alone().unplug(call.interface, private(call, "bridge"))


def plug(call: Call) -> None:
    """Put the VIF on its bridge with its rules, or make a live one right. Link up only once they are committed."""
    told = describe(call, read_json(call))
    worker = _Worker()
    known = worker.describe(told)
    if known["disabled"]:
        port.set_link(call.interface, False)
        _take_off(call)
        worker.commit_disabled(told)
        port.set_link(call.interface, True)
        return
    number = _standing(call, told)
    if number is None:
        port.set_link(call.interface, False)
        proxied = _forget(call)
        number = port.add(told["bridge"], call.interface, told["external_ids"], known["held"])
        _tell_others(call, number)
        if proxied:
            _pvs_proxy(call, "add")
    closed = worker.commit(told, number)
    if closed:
        log.error("port=%s event=closed reason=%s", call.interface, closed)
    port.set_link(call.interface, not closed)


def _alone() -> "Any":
    """Imports the compiler, and what the hook's quick start leaves out: only when it is needed."""
    if sys.flags.no_site:
        import site

        site.main()
    from .alone import Alone

    return Alone()


class _Worker:
    """The agent while it answers, the same work done here once it does not."""

    def __init__(self) -> None:
        self._alone: "Any" = None

    def _by_itself(self) -> "Any":
        if self._alone is None:
            self._alone = _alone()
        return self._alone

    def describe(self, told: "Dict[str, Any]") -> "Dict[str, Any]":
        try:
            known = ask({"op": "describe", "plug": told}, AGENT_S)
            if known["known"]:
                return known
        except Unreachable as error:
            log.warning("port=%s event=alone reason=%s", told["interface"], error)
        return dict(self._by_itself().describe(told))

    def commit(self, told: "Dict[str, Any]", number: int) -> "Optional[str]":
        if self._alone is None:
            try:
                return ask({"op": "commit", "plug": told, "ofport": number}, AGENT_S).get("closed")
            except Unreachable as error:
                log.warning("port=%s event=alone reason=%s", told["interface"], error)
        closed: "Optional[str]" = self._by_itself().commit(told)["closed"]
        return closed

    def commit_disabled(self, told: "Dict[str, Any]") -> None:
        self.commit(told, -1)


def _standing(call: Call, told: "Dict[str, Any]") -> "Optional[int]":
    """The port's number where it already is on its bridge as it should be: then nothing is cut."""
    have = port.standing(call.interface)
    return have.ofport if have and have.bridge == told["bridge"] and have.external_ids == told["external_ids"] else None


def _take_off(call: Call) -> None:
    _forget(call)
    port.remove(call.interface)


def _forget(call: Call) -> bool:
    """What others were told of the port that is to go; whether it has a PVS proxy."""
    proxied = _pvs_proxy(call, "remove")
    _tell_others(call, None)
    return proxied


def _tell_others(call: Call, number: "Optional[int]") -> None:
    """What a PVS proxy asks xenstore for, None for no longer: nothing of ours depends on it."""
    path = "{}/{}-ofport".format(call.hotplug, call.kind)
    try:
        if number is None:
            xenstore.remove(path)
        else:
            xenstore.write(path, str(number))
    except RingfenceError as error:
        log.error("port=%s event=ofport-not-told reason=%s", call.interface, error)


def _pvs_proxy(call: Call, action: str) -> bool:
    """Whether there is one, and so a program that was told."""
    if private(call, "pvs-interface") is None:
        return False
    program = private(call, "setup-pvs-proxy-rules")
    if program:
        import subprocess  # most hosts have no such program, and need not wait for what starts one

        done = subprocess.run([program, action, call.kind, call.interface, call.private, call.hotplug], stdout=subprocess.DEVNULL)
        if done.returncode:
            log.error("port=%s event=pvs-proxy-failed action=%s exit=%d", call.interface, action, done.returncode)
    return True


def run() -> None:
    """The program. It ends at once: what Python would put in order first is all gone with it, and a VM's start waits."""
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    run()
