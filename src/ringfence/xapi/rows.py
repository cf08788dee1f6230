"""XAPI's records of five classes, read as facts."""

from typing import Any, Dict

from ..picture import Facts, NetworkFacts, VifFacts
from ..records import XapiFields

CLASSES = ("pool", "host", "network", "vm", "vif")
KEY = "ringfence"
NULL = "OpaqueRef:NULL"
Tables = Dict[str, Dict[str, Dict[str, Any]]]
"""Snapshots by reference, by class (in lower case)."""

MIGRATIONS = frozenset({"pool_migrate", "migrate_send"})


def facts_of(tables: Tables) -> Facts:
    """Facts of a whole database; VIFs of templates, snapshots and control domains are left out."""
    hosts = {row["uuid"]: row["name_label"] for row in tables["host"].values()}
    networks = {}
    for row in tables["network"].values():
        networks[row["uuid"]] = NetworkFacts(row["uuid"], row["name_label"], row["bridge"], row["other_config"].get(KEY))
    vifs = {}
    for row in tables["vif"].values():
        vm, network = tables["vm"].get(row["VM"]), tables["network"].get(row["network"])
        if vm is None or network is None or vm["is_a_template"] or vm["is_a_snapshot"] or vm["is_control_domain"]:
            continue
        vifs[row["uuid"]] = _vif(row, vm, network, tables["host"].get(vm["resident_on"]))
    pool_line = None
    for row in tables["pool"].values():
        pool_line = row["other_config"].get(KEY)
    return Facts(vifs, networks, hosts, pool_line)


def _vif(row: Dict[str, Any], vm: Dict[str, Any], network: Dict[str, Any], host: Any) -> VifFacts:
    mode = row["locking_mode"]
    if mode == "network_default":
        mode = network["default_locking_mode"]
    return VifFacts(
        row["uuid"],
        vm["uuid"],
        vm["name_label"],
        row["device"],
        row["MAC"].lower(),
        network["uuid"],
        row["other_config"].get(KEY),
        XapiFields(mode, tuple(row["ipv4_allowed"]), tuple(row["ipv6_allowed"])),
        host["uuid"] if host and vm["power_state"] in ("Running", "Paused") else "",
        bool(MIGRATIONS & set(vm["current_operations"].values())),
    )
