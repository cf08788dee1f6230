"""ringfence metrics: what the agent of this host counts, for Prometheus."""

from typing import Any

from ..agent.client import ask
from .pool import here_only

HELP = "what the agent counts, as Prometheus reads it"


def define(_: Any) -> None:
    """No arguments of its own."""


def run(options: Any) -> int:
    here_only(options)
    print(ask({"op": "metrics"}, 15.0)["text"], end="")
    return 0
