"""OVSDB's transactions over its socket (RFC 7047): for those who cannot wait for a process of ovs-vsctl."""

import json
import os
import socket
import time

from .. import TYPE_CHECKING, paths
from ..errors import SwitchRefused, Unreachable

if TYPE_CHECKING:
    from typing import Any, Dict, List

    Operation = Dict[str, Any]

PATIENCE_S = 10.0
FOLLOWS_S = 30.0


def transact(*operations: "Operation", patience: float = PATIENCE_S) -> "List[Any]":
    """The result of each operation: all of them are done, or none. Raises SwitchRefused, or Unreachable."""
    where = os.path.join(paths.OVS_RUN, "db.sock")
    asked = json.dumps({"method": "transact", "params": ["Open_vSwitch"] + list(operations), "id": 1})
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
            wire.settimeout(patience)
            wire.connect(where)
            wire.sendall(asked.encode("utf-8"))
            answer = _answer(wire, time.monotonic() + patience)
    except (OSError, ValueError) as error:
        raise Unreachable("OVSDB does not answer ({})".format(error), where, "is openvswitch running?") from None
    results = answer.get("result")
    if answer.get("error") is not None or not isinstance(results, list):
        raise SwitchRefused("OVSDB refuses: {}".format(answer.get("error")), where)
    for result in results:
        if isinstance(result, dict) and result.get("error"):
            raise SwitchRefused("OVSDB refuses: {} ({})".format(result["error"], result.get("details", "")), where)
    if len(results) < len(operations):
        raise SwitchRefused("OVSDB did {} of {} operations".format(len(results), len(operations)), where)
    return results


def _answer(wire: socket.socket, deadline: float) -> "Dict[str, Any]":
    """The reply to our one request. Raises OSError, or ValueError for what is no JSON-RPC."""
    decoder = json.JSONDecoder()
    text = b""
    while True:
        wire.settimeout(max(0.001, deadline - time.monotonic()))
        more = wire.recv(1 << 16)
        if not more:
            raise OSError("it hung up")
        text += more
        while text:
            try:
                found, end = decoder.raw_decode(text.decode("utf-8"))
            except ValueError:
                break  # it is not all there
            if not isinstance(found, dict):
                raise ValueError("it sent what is no answer")
            if found.get("id") == 1 and "method" not in found:
                return found
            text = text.decode("utf-8")[end:].lstrip().encode("utf-8")  # it asks whether we are there: soon we are not


def select(table: str, where: "List[Any]", *columns: str) -> "Operation":
    return {"op": "select", "table": table, "where": where, "columns": list(columns)}


def commit(why: str, *operations: "Operation", patience: float = FOLLOWS_S) -> "List[Any]":
    """Change the database, and wait until ovs-vswitchd has followed; the results. Raises SwitchRefused, or Unreachable.

    ``why`` stands in the database's own log, as ovs-vsctl's commands do.
    """
    more: "List[Operation]" = [
        {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]},
        {"op": "comment", "comment": "ringfence: {}".format(why)},
        select("Open_vSwitch", [], "next_cfg", "cur_cfg"),
    ]
    results = transact(*operations, *more)
    if not results[-1]["rows"]:
        raise SwitchRefused("OVSDB has no switch", mend="is openvswitch set up?")
    wanted = results[-1]["rows"][0]
    deadline = time.monotonic() + patience
    have = wanted["cur_cfg"]
    while have < wanted["next_cfg"]:
        left = deadline - time.monotonic()
        if left <= 0:
            raise Unreachable("ovs-vswitchd did not follow within {:g} s".format(patience), mend="is it running?")
        moved: "Operation" = {"op": "wait", "table": "Open_vSwitch", "where": [], "until": "!=", "timeout": int(left * 1000)}
        moved.update(columns=["cur_cfg"], rows=[{"cur_cfg": have}])
        try:
            rows = transact(moved, select("Open_vSwitch", [], "cur_cfg"), patience=left + 1)[-1]["rows"]
        except SwitchRefused as error:
            if "timed out" not in str(error):
                raise
        else:
            have = rows[0]["cur_cfg"] if rows else wanted["next_cfg"]
    return results
