"""Whether a host can carry ringfence, and whether what it carries is sound: each check with its mend."""

import os
import re
import sys
from importlib import import_module
from typing import Any, Callable, Iterator, List, NamedTuple, Tuple

from .. import __version__, paths, xenstore
from ..agent.client import ask
from ..errors import RingfenceError, Unreachable
from ..inventory import backend, installation_uuid
from ..switch.command import run, vsctl
from ..words import counted
from ..xapi.keys import KEY
from ..xapi.session import Session
from . import place, system, xenopsd

OK, WARNING, FAILED = "ok", "warning", "FAILED"
OLDEST_SWITCH = (2, 10)
ACTIVE = ("tcp:", "ssl:", "unix:")
"""Kinds of controllers that a bridge connects to; with one, the bridge's flows are the controller's."""


class Check(NamedTuple):
    """What one check found."""

    name: str
    result: str
    what: str
    mend: str = ""


def before() -> List[Check]:
    """What must hold before anything is changed."""
    return _all((_user, _python, _backend, _switch, _controllers, _xapi, _hook_setting, _space))


def after() -> List[Check]:
    """What must hold besides, once ringfence is in force."""
    return _all((_in_force, _units, _agent, _closed, _pool, _running_vifs, _restore))


def _all(checks: Tuple[Callable[[], Iterator[Check]], ...]) -> List[Check]:
    found: List[Check] = []
    for check in checks:
        try:
            found += check()
        except (RingfenceError, OSError, ValueError) as error:
            mend = error.mend if isinstance(error, RingfenceError) else ""
            what = error.what if isinstance(error, RingfenceError) else str(error)
            found.append(Check(check.__name__.strip("_").replace("_", " "), FAILED, what, mend))
    return found


def _user() -> Iterator[Check]:
    if os.geteuid():
        yield Check("user", FAILED, "this is not root", "run it as root in dom0")
    else:
        yield Check("user", OK, "root")


def _python() -> Iterator[Check]:
    version = "{}.{}.{}".format(*sys.version_info[:3])
    for module in ("ovs.db.idl", "ovs.poller"):
        try:
            import_module(module)
        except ImportError as error:
            yield Check("python", FAILED, "Python {}: {}".format(version, error), "install the openvswitch package with its Python modules")
            return
    yield Check("python", OK, "Python {}, with Open vSwitch's modules".format(version))


def _backend() -> Iterator[Check]:
    found = backend()
    if found == "bridge":
        mend = "run xe-switch-network-backend openvswitch with no VM running, and reboot"
        yield Check("backend", FAILED, "this host uses the Linux bridge", mend)
    else:
        yield Check("backend", OK, found)


def _switch() -> Iterator[Check]:
    told = run(["ovs-vsctl", "--version"]).split("\n")[0]
    version = tuple(int(part) for part in re.findall(r"\d+", told)[:3])
    name = "Open vSwitch {}".format(".".join(str(part) for part in version))
    if version < OLDEST_SWITCH:
        yield Check("switch", FAILED, "{} is too old".format(name), "update this host")
        return
    bridges = vsctl("--bare", "--columns=name", "list", "Bridge").split()
    for bridge in bridges:
        protocols = vsctl("get", "Bridge", bridge, "protocols").strip()
        if protocols != "[]" and "OpenFlow14" not in protocols:
            mend = "ovs-vsctl add bridge {} protocols OpenFlow14".format(bridge)
            yield Check("switch", FAILED, "bridge {} speaks {} only".format(bridge, protocols), mend)
        run(["ovs-ofctl", "-O", "OpenFlow14", "dump-aggregate", bridge])
    yield Check("switch", OK, "{}, {}".format(name, counted(len(bridges), "bridge")))


def _controllers() -> Iterator[Check]:
    for bridge in vsctl("--bare", "--columns=name", "list", "Bridge").split():
        targets = vsctl("get-controller", bridge).split()
        for target in targets:
            if target.startswith(ACTIVE):
                mend = "ovs-vsctl del-controller {}, if that controller is not needed".format(bridge)
                yield Check("controllers", FAILED, "the flows of bridge {} belong to the controller {}".format(bridge, target), mend)
            else:
                mend = "see ringfence check"
                yield Check("controllers", WARNING, "bridge {} also listens to controllers ({})".format(bridge, target), mend)
    managers = vsctl("get-manager").split()
    if managers:
        what = "the switch is managed from elsewhere too ({})".format(", ".join(managers))
        yield Check("controllers", WARNING, what, "Xen Orchestra's traffic rules do nothing on networks that ringfence fences")


def _xapi() -> Iterator[Check]:
    uuid = installation_uuid()
    if not uuid:
        mend = "is this an XCP-ng or XenServer host?"
        yield Check("xapi", FAILED, "{} names no INSTALLATION_UUID".format(paths.INVENTORY), mend)
        return
    session = Session(timeout=10.0)
    try:
        row = session.call("host.get_record", session.call("host.get_by_uuid", uuid))
    finally:
        session.close()
    yield Check("xapi", OK, "this host is {}".format(row["name_label"]))


def _hook_setting() -> Iterator[Check]:
    told = {path: hook for path, hook in xenopsd.settings().items() if path != xenopsd.FRAGMENT}
    later = [path for path in told if path > xenopsd.FRAGMENT and path != xenopsd.CONF]
    if later:
        what = "{} sets {} = {} after ringfence's own setting".format(later[-1], xenopsd.SETTING, told[later[-1]])
        yield Check("hook", FAILED, what, "remove that line")
        return
    stock = xenopsd.stock_hook()
    if stock is None:
        what = "nothing says where the stock hook is"
        yield Check("hook", WARNING, what, "set {} = PATH in {}: uninstalling goes back to it".format(xenopsd.SETTING, xenopsd.CONF))
    else:
        yield Check("hook", OK, "the stock hook is {}".format(stock))


def _space() -> Iterator[Check]:
    folder = os.path.dirname(place.STATE)
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize >> 20
    if free < 50:
        yield Check("space", FAILED, "{} MiB are free in {}".format(free, folder), "make room: the last known policy is kept there")
    else:
        yield Check("space", OK, "room for the state in {}".format(folder))


def _in_force() -> Iterator[Check]:
    version = place.in_force()
    hook = xenopsd.settings().get(xenopsd.FRAGMENT)
    if version is None or hook != place.HOOK:
        yield Check("in force", FAILED, "ringfence is not in force on this host", "ringfence host install")
    elif not os.access(paths.under_root(place.HOOK), os.X_OK):
        yield Check("in force", FAILED, "{} cannot be run".format(place.HOOK), "install the package again, then ringfence host upgrade")
    else:
        yield Check("in force", OK, "version {}".format(version))


def _units() -> Iterator[Check]:
    for unit in system.UNITS:
        if system.active(unit):
            yield Check("units", OK, "{} runs".format(unit))
        else:
            yield Check("units", FAILED, "{} does not run".format(unit), "systemctl start {0}; journalctl -u {0}".format(unit))


def _agent() -> Iterator[Check]:
    status = ask({"op": "status"}, 10.0)
    if status["release"] != __version__:
        what = "the agent that runs is version {}, this is {}".format(status["release"], __version__)
        yield Check("agent", WARNING, what, "ringfence host upgrade")
    if not status["in_sync"]:
        yield Check("agent", FAILED, "not in sync with XAPI; the last known policy holds", "is xapi running? see {}".format(place.LOG))
    else:
        yield Check("agent", OK, "in sync with XAPI, {} VIFs plugged here".format(status["plugged"]))
    for name, reason in sorted(status["failed"].items()):
        yield Check("agent", FAILED, "bridge {}: {}".format(name, reason), "see {}".format(place.LOG))


def _closed() -> Iterator[Check]:
    status = ask({"op": "status"}, 10.0)
    for name, reason in sorted(status["closed"].items()):
        if reason != "disabled":
            yield Check("closed VIFs", WARNING, "{}: {}".format(name, reason), "ringfence vif show {}".format(name))


def _pool() -> Iterator[Check]:
    session = Session(timeout=10.0)
    try:
        hosts = session.call("host.get_all_records")
    finally:
        session.close()
    missing = ask({"op": "status"}, 10.0)["hosts_without_agent"]
    for name in missing:
        yield Check("pool", WARNING, "host {} shows no sign of ringfence".format(name), "install it there")
    for row in hosts.values():
        sign = dict(word.partition("=")[::2] for word in row["other_config"].get(KEY, "").split())
        if sign.get("version", __version__) != __version__ and row["name_label"] not in missing:
            what = "host {} runs version {}".format(row["name_label"], sign["version"])
            yield Check("pool", WARNING, what, "upgrade it: two versions at once hold, and are not meant to last")
    if not missing:
        yield Check("pool", OK, "every host of the pool shows its sign")


def _running_vifs() -> Iterator[Check]:
    vifs = list(xenopsd.running())
    other = [vif for vif in vifs if xenstore.read(vif.key) != place.HOOK]
    if other:
        names = ", ".join("{}/{}".format(vif.vm, vif.device) for vif in other[:3])
        yield Check(
            "running VIFs", FAILED, "{} of {} still run the stock hook: {}".format(len(other), len(vifs), names), "ringfence host install"
        )
    else:
        yield Check("running VIFs", OK, "all {} run ringfence's hook".format(len(vifs)))
    for vif in vifs:
        if xenstore.read("/xapi/{}/private/vif/{}/pvs-interface".format(vif.vm, vif.device)) is not None:
            what = "{}/{} has a PVS proxy: its redirect stands beside ringfence's rules, which is not tried".format(vif.vm, vif.device)
            yield Check("running VIFs", WARNING, what, "give it no record")


def _restore() -> Iterator[Check]:
    if "flow-restore-wait" in vsctl("get", "Open_vSwitch", ".", "other_config"):
        yield Check("restarts", OK, "a switch that restarts waits for its flows")
    else:
        what = "a switch that restarts would forward before its flows are back"
        yield Check("restarts", WARNING, what, "it is set once the agent is in sync with XAPI")


def failed(checks: List[Check]) -> List[Check]:
    return [check for check in checks if check.result == FAILED]


def refuse(checks: List[Check]) -> None:
    """Raises Unreachable naming the first check that failed, and how many there are."""
    bad: Any = failed(checks)
    if bad:
        more = "" if len(bad) == 1 else " (and {} more: ringfence host doctor)".format(len(bad) - 1)
        raise Unreachable("nothing was changed: {}{}".format(bad[0].what, more), bad[0].name, bad[0].mend)
