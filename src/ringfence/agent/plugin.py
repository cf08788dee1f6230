"""XAPI's way to a host's agent: what ``host.call_plugin`` runs, so that a workstation can ask what only the host knows.

XAPI starts the program with one argument, an XML-RPC call, and reads an XML-RPC answer from its standard output. The
call is ``ask``, its argument ``request`` is JSON as the agent's socket takes it; only what changes nothing is passed on.
"""

import json
import sys
import xmlrpc.client
from typing import Any, Dict, List, Optional

from ..errors import RingfenceError
from .client import LIMIT, ask

READING = ("status", "metrics", "wait", "trace", "audit", "proposal", "drops", "preview")
"""What may be asked from outside the host."""
PATIENCE_S = 40.0


def main(argv: Optional[List[str]] = None) -> int:
    words = sys.argv if argv is None else argv
    try:
        params, method = xmlrpc.client.loads(words[1])
        answer: Dict[str, Any] = {"Status": "Success", "Value": _ask(str(method), params)}
    except RingfenceError as error:
        answer = {"Status": "Failure", "ErrorDescription": ["RINGFENCE", str(error)]}
    except Exception as error:  # noqa: BLE001 - whoever called must be told, whatever it is
        answer = {"Status": "Failure", "ErrorDescription": ["RINGFENCE", "the call cannot be read: {!r}".format(error)]}
    sys.stdout.write(xmlrpc.client.dumps((answer,), methodresponse=True))
    return 0


def _ask(method: str, params: "tuple") -> str:
    """Raises RingfenceError, or whatever a malformed call leads to."""
    _, arguments = params
    text = arguments["request"]
    if method != "ask" or len(text) > LIMIT:
        raise ValueError("the call is ask, with a request of at most {} bytes".format(LIMIT))
    request = json.loads(text)
    if request.get("op") not in READING or request.get("repair"):
        raise ValueError("{!r} may not be asked from outside the host".format(request.get("op")))
    return json.dumps(ask(request, PATIENCE_S))


if __name__ == "__main__":
    sys.exit(main())
