"""Where things are in dom0. RINGFENCE_ROOT puts another root in front, so that many hosts fit on one machine."""

import os

ROOT = os.environ.get("RINGFENCE_ROOT", "")


def under_root(path: str) -> str:
    return ROOT + path


RUN = under_root("/run/ringfence")
AGENT_SOCKET = RUN + "/agent.sock"
STATE = under_root("/var/lib/ringfence/state.json")
JOURNAL = under_root("/var/lib/ringfence/state.journal")
ROLLBACK = under_root("/var/lib/ringfence/rollback.json")
DROPS = under_root("/var/lib/ringfence/drops.json")
PROPOSALS = under_root("/var/lib/ringfence/proposals.json")
XAPI_SOCKET = under_root("/var/lib/xcp/xapi")
VIF_HOTPLUG = under_root("/etc/xapi.d/vif-hotplug")
XENSTORE_SOCKET = under_root("/var/run/xenstored/socket")
XENBUS = under_root("/dev/xen/xenbus")
INVENTORY = under_root("/etc/xensource-inventory")
NETWORK_CONF = under_root("/etc/xensource/network.conf")
OVS_RUN = os.environ.get("OVS_RUNDIR", "/var/run/openvswitch")
OVS_SCHEMA = os.environ.get("RINGFENCE_OVS_SCHEMA", "/usr/share/openvswitch/vswitch.ovsschema")


def vif_json(vm: str, device: str) -> str:
    """The file in which xenopsd describes a VIF to the hook."""
    return under_root("/var/run/nonpersistent/xenopsd/classic/VM/{}/vif.{}".format(vm, device))
