"""The VIF that the hook is called for, as xenopsd's JSON describes it."""

import json
import time

from .. import TYPE_CHECKING, paths, xenstore
from ..agent.told import PLUG
from ..errors import BadInput, RingfenceError
from ..mac import parse_mac
from ..shape import check
from ..xapi.keys import own_mode
from . import log

if TYPE_CHECKING:
    from typing import Any, Dict, Optional


class Call:
    """The arguments of one run."""

    def __init__(self, interface: str, vm: str, device: str) -> None:
        self.interface = interface
        self.vm = vm
        self.device = device

    @property
    def kind(self) -> str:
        return "tap" if self.interface.startswith("tap") else "vif"

    @property
    def domid(self) -> str:
        return self.interface[3:].partition(".")[0]

    @property
    def hotplug(self) -> str:
        return "/xapi/{}/hotplug/{}/vif/{}".format(self.vm, self.domid, self.device)

    @property
    def private(self) -> str:
        return "/xapi/{}/private/vif/{}".format(self.vm, self.device)


def private(call: Call, key: str) -> "Optional[str]":
    """One of xenopsd's private keys of the VIF; one that cannot be read is taken not to be there: no rule depends on it alone."""
    try:
        return xenstore.read("{}/{}".format(call.private, key))
    except RingfenceError as error:
        log.warning("port=%s event=key-not-read reason=%s", call.interface, error)
        return None


def read_json(call: Call, patience: float = 1.0) -> "Dict[str, Any]":
    """The JSON of the VIF; a file that is half there is read again. Raises BadInput."""
    path = paths.vif_json(call.vm, call.device)
    deadline = time.monotonic() + patience
    while True:
        try:
            with open(path, encoding="utf-8") as kept:
                data = json.load(kept)
            if isinstance(data, dict):
                return data
            reason = "it is not an object"
        except (OSError, ValueError, RecursionError) as error:
            reason = str(error)
        if time.monotonic() > deadline:
            raise BadInput("the description of the VIF cannot be read: {}".format(reason), path, "is it an old domain? restart the VM")
        time.sleep(0.05)


def describe(call: Call, data: "Dict[str, Any]") -> "Dict[str, Any]":
    """What the agent is told about the VIF. Raises BadInput where the JSON lacks what a policy needs."""
    try:
        mode, ipv4, ipv6 = _locking(data["locking_mode"])
        mode = own_mode(mode, data.get("other_config", {}))
        if mode == "network_default":  # put aside unresolved; a network's default of "disabled" is never put aside
            mode = "unlocked"
        keys = data["extra_private_keys"]
        final = xenstore.read("/vm/{}/final-uuid".format(call.vm)) or call.vm
        mac = parse_mac(data["mac"])
        line = data.get("other_config", {}).get("ringfence")
        told = {
            "interface": call.interface,
            "vif": str(keys["vif-uuid"]),
            "vm": final,
            "migrated": final != call.vm,
            "device": call.device,
            "mac": mac,
            "network": str(keys["network-uuid"]),
            "bridge": _bridge(call, data),
            "line": line,
            "xapi": [mode, ipv4, ipv6],
            "external_ids": {
                "xs-vm-uuid": final,
                "xs-vif-uuid": str(keys["vif-uuid"]),
                "xs-network-uuid": str(keys["network-uuid"]),
                "attached-mac": mac,
            },
        }
        check(told, PLUG)
        return told
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        where = paths.vif_json(call.vm, call.device)
        raise BadInput("lacks what a policy needs ({!r})".format(error), where, "restart the VM") from None
    except RingfenceError as error:
        raise error.at(paths.vif_json(call.vm, call.device)) from None


def _locking(value: "Any") -> "Any":
    """``"Unlocked"``, ``"Disabled"`` or ``["Locked", {…}]``, in whatever case."""
    if isinstance(value, str):
        return value.lower(), [], []
    mode, lists = value[0].lower(), value[1]
    return mode, [str(a) for a in lists.get("ipv4", [])], [str(a) for a in lists.get("ipv6", [])]


def _bridge(call: Call, data: "Dict[str, Any]") -> str:
    name = private(call, "bridge")
    backend = data.get("backend")
    if not name and isinstance(backend, list) and len(backend) > 1:
        name = str(backend[1])
    if not name:
        raise ValueError("no bridge")
    return name
