"""ringfence status: what the agent of this host enforces, and what is wrong."""

import json
from typing import Any

from ..agent.client import ask

HELP = "the agent, the VIFs that are closed and why, tampering"


def define(_: Any) -> None:
    """No arguments of its own."""


def run(options: Any) -> int:
    """0 where all is as it should be, 1 where something is closed, failed or out of touch."""
    status = ask({"op": "status"}, 5.0)
    good = status["in_sync"] and not any(status[bad] for bad in ("closed", "failed", "problems", "hosts_without_agent"))
    if options.output == "json":
        print(json.dumps(dict(status, version=1), indent=2, sort_keys=True))
        return 0 if good else 1
    print("agent:     {}".format("in sync with XAPI" if status["in_sync"] else "not in sync with XAPI: the last known policy holds"))
    print("plugged:   {} VIFs".format(status["plugged"]))
    for name, count in sorted(status["flows"].items()):
        print("bridge:    {} {} flows".format(name, count))
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
    return 0 if good else 1
