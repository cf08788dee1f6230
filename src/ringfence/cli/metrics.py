"""ringfence metrics: what the agent of this host counts, for Prometheus."""

from typing import Any

from ..agent.client import ask

HELP = "what the agent counts, as Prometheus reads it"


def define(_: Any) -> None:
    """No arguments of its own."""


def run(_: Any) -> int:
    print(ask({"op": "metrics"}, 15.0)["text"], end="")
    return 0
