"""The agent's socket, where it is asked: by the hook and the command line. ``socket`` answers."""

import json
import socket

from .. import TYPE_CHECKING, paths
from ..errors import Unreachable

if TYPE_CHECKING:
    from typing import Any, Dict, Optional

LIMIT = 1 << 16
"""Bytes of a request."""


def ask(request: "Dict[str, Any]", timeout: float, path: "Optional[str]" = None) -> "Dict[str, Any]":
    """The agent's answer. Raises Unreachable."""
    where = path or paths.AGENT_SOCKET
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
            wire.settimeout(timeout)
            wire.connect(where)
            wire.sendall(json.dumps(request).encode("utf-8") + b"\n")
            with wire.makefile("rb") as lines:
                answer = json.loads(lines.readline(1 << 24).decode("utf-8"))
    except (OSError, ValueError) as error:
        raise Unreachable("the agent does not answer ({})".format(error), where, "is ringfenced running?") from None
    if "error" in answer:
        raise Unreachable(answer["error"], where, "see the agent's log")
    return dict(answer)
