"""OVSDB's transactions over its socket (RFC 7047): for those who cannot wait for a process of ovs-vsctl."""

import json
import os
import socket
import time
from typing import Any, Dict, List

from .. import paths
from ..errors import SwitchRefused, Unreachable

Operation = Dict[str, Any]
PATIENCE_S = 30.0


def transact(*operations: Operation, patience: float = PATIENCE_S) -> List[Any]:
    """The result of each operation: all of them are done, or none. Raises SwitchRefused, or Unreachable."""
    where = os.path.join(paths.OVS_RUN, "db.sock")
    asked = json.dumps({"method": "transact", "params": ["Open_vSwitch"] + list(operations), "id": 1})
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
            wire.settimeout(patience)
            wire.connect(where)
            wire.sendall(asked.encode("utf-8"))
            answer = _answer(wire)
    except (OSError, ValueError) as error:
        raise Unreachable("OVSDB does not answer ({})".format(error), where, "is openvswitch running?") from None
    results = answer.get("result") or []
    for result in [answer.get("error")] + results:
        if isinstance(result, dict) and result.get("error"):
            raise SwitchRefused("OVSDB refuses: {} ({})".format(result["error"], result.get("details", "")), where)
    return list(results)


def _answer(wire: socket.socket) -> Dict[str, Any]:
    """The reply to our one request. Raises OSError, or ValueError for what is no JSON-RPC."""
    decoder = json.JSONDecoder()
    text = b""
    while True:
        more = wire.recv(1 << 16)
        if not more:
            raise OSError("it hung up")
        text += more
        try:
            found, _ = decoder.raw_decode(text.decode("utf-8"))
        except ValueError:
            continue  # it is not all there
        if not isinstance(found, dict):
            raise ValueError("it sent what is no answer")
        return found


def select(table: str, where: List[Any], *columns: str) -> Operation:
    return {"op": "select", "table": table, "where": where, "columns": list(columns)}


def commit(*operations: Operation, patience: float = PATIENCE_S) -> None:
    """Change the database, and wait until ovs-vswitchd has followed. Raises SwitchRefused, or Unreachable."""
    count = {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]}
    wanted = transact(*operations, count, select("Open_vSwitch", [], "next_cfg", "cur_cfg"))[-1]["rows"][0]
    deadline = time.monotonic() + patience
    have = wanted["cur_cfg"]
    while have < wanted["next_cfg"]:
        left = deadline - time.monotonic()
        if left <= 0:
            raise Unreachable("ovs-vswitchd did not follow within {:g} s".format(patience), mend="is it running?")
        moved: Operation = {
            "op": "wait",
            "table": "Open_vSwitch",
            "where": [],
            "columns": ["cur_cfg"],
            "until": "!=",
            "rows": [{"cur_cfg": have}],
        }
        moved["timeout"] = int(left * 1000)
        try:
            have = transact(moved, select("Open_vSwitch", [], "cur_cfg"), patience=left + 1)[-1]["rows"][0]["cur_cfg"]
        except SwitchRefused:
            continue  # timed out
