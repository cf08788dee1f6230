"""ringfence status: what the agent of this host enforces, and what is wrong; with --pool, the agents of all hosts."""

from shlex import quote
from typing import Any, Dict

from ..agent.client import ask
from ..errors import RingfenceError
from . import show
from .agents import Answer
from .pool import Pool, remote

HELP = "the agent, the VIFs that are closed and why, tampering"
WRONG = ("closed", "failed", "problems", "hosts_without_agent")


def define(parser: Any) -> None:
    parser.add_argument("--all", action="store_true", help="of every host of the pool, as with --pool")


def run(options: Any) -> int:
    """0 where all is as it should be, 1 where something is closed, failed, out of touch or not to be asked."""
    if not remote(options) and not options.all:
        status = ask({"op": "status"}, 5.0)
        if options.output in show.WHOLE:
            show.whole(options.output, status)
        else:
            _show(status)
        return 0 if _good(status) else 1
    pool = Pool(options)
    answers = pool.agents.ask_all(pool.agents.names, {"op": "status"}, 10.0)
    by_name: Dict[str, Answer] = {pool.agents.names[host]: answer for host, answer in answers.items()}
    if options.output in show.WHOLE:
        hosts = {name: {"error": str(answer)} if isinstance(answer, RingfenceError) else answer for name, answer in by_name.items()}
        show.whole(options.output, {"hosts": hosts})
    else:
        for name, answer in sorted(by_name.items()):
            print("host:      {}".format(name))
            if isinstance(answer, RingfenceError):
                print("agent:     {}".format(answer.what))
            else:
                _show(answer)
    return 0 if all(not isinstance(answer, RingfenceError) and _good(answer) for answer in by_name.values()) else 1


def _good(status: Dict[str, Any]) -> bool:
    return bool(status["in_sync"]) and not any(status[bad] for bad in WRONG)


def _show(status: Dict[str, Any]) -> None:
    sync = "in sync with XAPI" if status["in_sync"] else "not in sync with XAPI: the last known policy holds"
    print("agent:     version {}, {}".format(status["release"], sync))
    print("plugged:   {} VIFs".format(status["plugged"]))
    for name, count in sorted(status["flows"].items()):
        print("bridge:    {} {} flows".format(name, count))
    for name in status.get("watched", ()):  # an agent of an older version says nothing of it
        print("WATCHED:   network {}: nothing is enforced there, see ringfence suggest {}".format(name, quote(name)))
    for name, reason in sorted(status["closed"].items()):
        print("closed:    {}: {}".format(name, reason))
    for name, reason in sorted(status["failed"].items()):
        print("failed:    {}: {}".format(name, reason))
    for name in status["hosts_without_agent"]:
        print("no agent:  {} shows no sign of ringfence".format(name))
    for problem in status["problems"]:
        print("problem:   {}".format(problem))
    for vm, count in sorted(status["tampered"].items()):
        print("tampered:  {}: its record's mirror was written over {} times; the policy did not change".format(vm, count))
