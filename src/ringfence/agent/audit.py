"""What is in the switch against what should be; and what the stock script left behind."""

import logging
import re
from typing import Dict, List, NamedTuple, Set

from ..flows import FlowSet
from ..flows.pipeline import RECEIVER, SENDER
from ..switch import ofctl
from ..switch.openflow import PortSession
from ..switch.ovsdb import BridgeState

log = logging.getLogger("ringfence")
STOCK_COOKIE = "cookie=0x1/-1"
"""All VIFs of a host share this one."""
_NUMBER = re.compile(r"\b(?:{}|{})=(0x[0-9a-f]+)(?![0-9a-f/])".format(SENDER, RECEIVER))
_IN_PORT = re.compile(r"\bin_port=(\d+)")
_MAC = re.compile(r"\b(?:dl_src|arp_sha|nd_sll|nd_tll)=([0-9a-f:]{17})(?![0-9a-f:/])")


class Finding(NamedTuple):
    bridge: str
    kind: str
    """``missing``, ``extra`` or ``orphan`` for flows, ``port`` for settings of a port."""
    what: str


def vif_of(finding: Finding, bridge: BridgeState, numbers: Dict[str, int]) -> str:
    """uuid of the VIF that a finding is about, by port or by its number in the flow (``numbers`` by uuid); "" for none in particular."""
    for port in bridge.ports:
        at = "in_port={}".format(port.ofport)
        if port.external_ids.get("xs-vif-uuid") and (finding.what.split(" ")[0] == port.name or at in finding.what.split(",")):
            return port.external_ids["xs-vif-uuid"]
    named = {int(number, 16) for number in _NUMBER.findall(finding.what)}
    return next((uuid for uuid, number in sorted(numbers.items()) if number in named), "")


def stock_flows(bridge: str) -> Dict[int, List[str]]:
    """The flows of the stock script (cookie 1), by the port that they are about."""
    by_port: Dict[int, List[str]] = {}
    for line in ofctl.dump(bridge, STOCK_COOKIE):
        found = _IN_PORT.search(line)
        if found:
            by_port.setdefault(int(found.group(1)), []).append(line)
    return by_port


def stock_orphans(bridge: BridgeState) -> List[str]:
    """Keys of the flows of the stock script (cookie 1) whose port is gone, or is another VIF's by now.

    Whose they were shows in the MACs that the flows of one port name. Flows of that cookie on a live port that name no
    foreign VIF are somebody's, and stay.
    """
    live = {port.ofport: port for port in bridge.ports if port.ofport > 0}
    orphans: List[str] = []
    for number, lines in sorted(stock_flows(bridge.name).items()):
        port = live.get(number)
        named: Set[str] = {mac for line in lines for mac in _MAC.findall(line)}
        attached = "" if port is None else port.external_ids.get("attached-mac", "").lower()
        if port is None or (attached and named and attached not in named):
            orphans += [ofctl.key_of(line) for line in lines]
    return orphans


def sweep(bridge: BridgeState) -> int:
    """Remove what the stock script left, with a line in the log each; how many."""
    found = stock_orphans(bridge)
    for key in found:
        log.warning("bridge=%s event=orphan-removed flow=%s", bridge.name, key)
    ofctl.commit(bridge.name, ["{},{}".format(STOCK_COOKIE, key) for key in found], [])
    return len(found)


def compare(bridge: BridgeState, wanted: FlowSet, fenced: Set[str]) -> List[Finding]:
    """Everything on a bridge that is not as it should be. ``fenced``: VIF ports that must be held."""
    remove, add = ofctl.differences(bridge.name, wanted)
    found = [Finding(bridge.name, "extra", key) for key in remove]
    found += [Finding(bridge.name, "missing", flow) for flow in add]
    found += [Finding(bridge.name, "orphan", key) for key in stock_orphans(bridge)]
    session = PortSession(bridge.name)
    quiet = session.no_flood() if fenced else set()
    session.close()
    for port in bridge.ports:
        if port.name in fenced and not port.protected:
            found.append(Finding(bridge.name, "port", "{} is not protected".format(port.name)))
        if port.name in fenced and port.ofport > 0 and port.name not in quiet:
            found.append(Finding(bridge.name, "port", "{} is flooded to".format(port.name)))
    return found
