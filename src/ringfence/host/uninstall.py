"""Taking ringfence out of force: the stock hook is back, stock VIF locking holds where it did, no flow of ours is left."""

import re
import subprocess
from typing import Any, Callable, Dict, Iterator, List, NamedTuple

from .. import paths, xenstore
from ..agent import restart
from ..agent.audit import stock_flows
from ..errors import Refused, RingfenceError
from ..flows.pipeline import TABLES
from ..inventory import installation_uuid
from ..picture import Picture
from ..switch import ofctl
from ..switch.command import run, vsctl
from ..switch.openflow import PortSession
from ..switch.ovsdb import BridgeState, PortState, read_once
from ..words import counted, several
from ..xapi.keys import KEY, SAVED_MODE, own_mode
from ..xapi.rows import read_tables, rows_of
from ..xapi.session import Session
from ..xapi.store import write_key
from . import place, system, xenopsd


class Held(NamedTuple):
    """A VIF that runs here, on a port of this host."""

    port: PortState
    bridge: str
    ref: str
    row: Dict[str, Any]
    name: str
    """VM/DEVICE."""
    stock_mode: str
    """What it is under the stock hook, once a mode that was put aside is back."""
    needs_us: bool
    """Whether its policy is more than stock VIF locking can hold."""


def uninstall(say: Callable[[str], None], open_isolated: bool) -> bool:
    """False where ringfence is not in force here. Raises RingfenceError, nothing changed, while VIFs here need it."""
    if place.in_force() is None and not place.remembered():
        say("ringfence is not in force on this host")
        return False
    session = Session(timeout=30.0)
    try:
        held = _held(session)
        _refuse_while_needed(held, open_isolated)
        system.systemctl("disable", "--now", *system.UNITS)
        say("the agent is stopped")
        hook = place.remembered().get("hook") or xenopsd.stock_hook() or ""
        xenopsd.use_stock()
        keys = [vif for vif in xenopsd.running() if xenstore.read(vif.key) == place.HOOK]
        for vif in list(keys) if hook else ():
            try:
                xenstore.write(vif.key, hook)
            except RingfenceError as error:
                keys.remove(vif)
                say("{}/{} keeps ringfence's hook until it is started again: {}".format(vif.vm, vif.device, error))
        system.restart_xenopsd()
        say("xenopsd runs the stock hook again, for {} too".format(counted(len(keys), "running VIF")))
        for text in _put_back(session, held):
            say(text)
        for text in _stock_again(held, hook):
            say(text)
        for bridge in read_once().bridges.values():
            _clean(bridge)
        restart.release()
        say("no flow and no setting of ringfence is left in the switch")
    finally:
        session.close()
    for path in [place.STATE, paths.RUN, place.CURRENT] + place.logs() + system.bytecode(place.HOME):
        system.forget_tree(path)
    return True


def _held(session: Session) -> List[Held]:
    tables = read_tables(session)
    picture = Picture(rows_of(tables).facts)
    rows = {row["uuid"]: (ref, row) for ref, row in tables["vif"].items()}
    found = []
    for bridge in read_once().bridges.values():
        for port in bridge.ports:
            uuid = port.external_ids.get("xs-vif-uuid", "")
            if port.kind == "vif" and uuid in picture.facts.vifs:
                ref, row = rows[uuid]
                stock = own_mode(row["locking_mode"], row["other_config"])
                found.append(Held(port, bridge.name, ref, row, picture.facts.vifs[uuid].name, stock, _needs_us(picture, uuid, stock)))
    return found


def _needs_us(picture: Picture, uuid: str, stock_mode: str) -> bool:
    if picture.why_closed(uuid):
        return True
    member = picture.view_of(uuid).members.get(uuid)
    mode = "disabled" if member is None else member.policy.mode
    return mode == "isolated" or (mode in ("locked", "disabled") and mode != stock_mode)


def _refuse_while_needed(held: List[Held], open_isolated: bool) -> None:
    """Isolated VIFs must not be opened by mistake. Raises Refused."""
    needed = sorted({one.name for one in held if one.needs_us})
    if needed and not open_isolated:
        names = several(needed)
        mend = "migrate or clear them first, or pass --open-isolated: they stay under stock VIF locking alone"
        raise Refused("nothing was changed: VIFs here have a policy that only ringfence enforces: {}".format(names), mend=mend)


def _put_back(session: Session, held: List[Held]) -> Iterator[str]:
    """Our sign in XAPI goes, and with it the modes that were put aside: of the VIFs here, of all on the last host."""
    uuid = installation_uuid()
    last = True
    for ref, row in session.call("host.get_all_records").items():
        if row["uuid"] == uuid:
            write_key(session, "host", ref, "other_config", KEY, None)
        elif KEY in row["other_config"]:
            last = False
    here = {one.ref for one in held}
    for ref, row in session.call("VIF.get_all_records").items():
        saved = row["other_config"].get(SAVED_MODE)
        if saved is None or not (last or ref in here):
            continue
        try:
            if row["locking_mode"] == "disabled":
                session.call("VIF.set_locking_mode", ref, saved)
            write_key(session, "VIF", ref, "other_config", SAVED_MODE, None)
            yield "VIF {}: its locking mode in XAPI is {} again".format(row["uuid"], saved)
        except RingfenceError as error:
            yield "VIF {}: its locking mode could not be put back: {}".format(row["uuid"], error)


def _stock_again(held: List[Held], hook: str) -> Iterator[str]:
    """VIFs that stock VIF locking holds get its flows before ours go; those that have them are left alone."""
    for one in held:
        if one.stock_mode not in ("locked", "disabled") or not hook or one.port.ofport <= 0:
            continue
        if one.stock_mode == "locked" and one.port.ofport in stock_flows(one.bridge):
            continue
        vm = one.port.external_ids.get("xs-vm-uuid", "")
        words = [paths.under_root(hook), "classic", one.port.name, vm, one.row["device"], "filter"]
        done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, universal_newlines=True)
        result = "held by stock VIF locking" if done.returncode == 0 else "the stock hook failed: {}".format(" ".join(done.stderr.split()))
        yield "{}: {}".format(one.name, result)


def _clean(bridge: BridgeState) -> None:
    """Everything of ours out of one bridge: ports are let go before their flows, so that nothing is cut."""
    ports = PortSession(bridge.name)
    ports.set_flooding({port.name: True for port in bridge.ports if port.kind == "vif"})
    ports.close()
    words: List[str] = []
    for port in bridge.ports:
        if port.marked:
            words += ["--", "--if-exists", "set", "Port", port.port, "protected=false"]
            words += ["--", "--if-exists", "remove", "Port", port.port, "external_ids", "ringfence"]
    if words:
        run(["ovs-vsctl", "--timeout=30"] + words)  # waits until the switch has let them go
    ofctl.delete_ours(bridge.name)
    words = []
    have = vsctl("get", "Bridge", bridge.name, "flow_tables")
    for number in sorted(set(TABLES.values())):
        if re.search(r"\b{}=".format(number), have):
            words += ["--", "remove", "Bridge", bridge.name, "flow_tables", str(number)]
    if words:
        vsctl(*words[1:])
