"""The agent's socket, where it answers: one JSON object a line. Root only; what comes in is bounded. ``client`` asks."""

import json
import logging
import os
import socketserver
import threading
from typing import Any, Callable, Dict

from .. import paths
from .client import LIMIT

log = logging.getLogger("ringfence")


class _Handler(socketserver.StreamRequestHandler):
    timeout = 60

    def handle(self) -> None:
        line = self.rfile.readline(LIMIT + 1)
        if not line:
            return
        try:
            if len(line) > LIMIT:
                raise ValueError("longer than {} bytes".format(LIMIT))
            request = json.loads(line.decode("utf-8"))
            if not isinstance(request, dict):
                raise ValueError("not an object")
            answer = self.server.answer(request)  # type: ignore[attr-defined]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            answer = {"error": "the request cannot be read: {}".format(error)}
        try:
            self.wfile.write(json.dumps(answer).encode("utf-8") + b"\n")
        except OSError:
            pass


class AgentServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, answer: Callable[[Dict[str, Any]], Dict[str, Any]]) -> None:
        os.makedirs(paths.RUN, mode=0o700, exist_ok=True)
        try:
            os.unlink(paths.AGENT_SOCKET)
        except FileNotFoundError:
            pass
        self.answer = answer
        super().__init__(paths.AGENT_SOCKET, _Handler)
        os.chmod(paths.AGENT_SOCKET, 0o600)

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, name="socket", daemon=True).start()
