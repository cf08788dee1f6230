"""The baseline: a VIF plugged with one ovs-ofctl process a flow, the way a script for it is usually written.

It keeps the same contract as the hook (link, xenstore, port and external-ids) and installs what plain VIF locking
takes: two flows an IPv4 address, ten for everything else. No isolation, no bundle, no check of what was there.
"""

import json
import subprocess
import sys

OFCTL = ("ovs-ofctl", "-O", "OpenFlow14")


def run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def main() -> None:
    path, interface, vm, device = sys.argv[1:]
    with open(path, encoding="utf-8") as kept:
        data = json.load(kept)
    bridge = run("xenstore-read", f"/xapi/{vm}/private/vif/{device}/bridge").strip()
    hotplug = f"/xapi/{vm}/hotplug/{interface[3:].partition('.')[0]}/vif/{device}/vif-ofport"
    run("ip", "link", "set", interface, "down")
    subprocess.run(("xenstore-rm", hotplug), check=False, capture_output=True)
    keys = data["extra_private_keys"]
    ids = [f"external_ids:xs-{name}={keys[name]}" for name in ("vif-uuid", "network-uuid")] + [f"external_ids:xs-vm-uuid={vm}"]
    add = ("--", "add-port", bridge, interface, "--", "set", "Interface", interface, *ids)
    run("ovs-vsctl", "--timeout=30", "--", "--if-exists", "del-port", interface, *add)
    port = run("ovs-vsctl", "get", "Interface", interface, "ofport").strip()
    run("xenstore-write", hotplug, port)
    parent = run("ovs-vsctl", "br-to-parent", bridge).strip()
    mac = data["mac"]
    mine = f"cookie=0x1,in_port={port}"
    flows = [
        f"{mine},priority=4000,actions=drop",
        f"{mine},priority=7000,dl_src={mac},udp,tp_src=68,tp_dst=67,actions=NORMAL",
        f"{mine},priority=8000,udp,tp_src=67,actions=drop",
        f"{mine},priority=8000,icmp6,icmp_type=134,actions=drop",
        f"{mine},priority=8000,icmp6,icmp_type=137,actions=drop",
        f"{mine},priority=8000,icmp6,icmp_type=130,actions=drop",
        f"{mine},priority=7000,dl_src={mac},icmp6,icmp_type=133,actions=NORMAL",
        f"{mine},priority=7000,dl_src={mac},udp6,tp_src=546,tp_dst=547,actions=NORMAL",
        f"{mine},priority=6000,dl_src={mac},icmp6,icmp_type=135,nd_sll={mac},actions=NORMAL",
        f"{mine},priority=6000,dl_src={mac},icmp6,icmp_type=136,nd_tll={mac},actions=NORMAL",
    ]
    for address in data["locking_mode"][1]["ipv4"]:
        flows.append(f"{mine},priority=7000,dl_src={mac},arp,arp_sha={mac},arp_spa={address},actions=NORMAL")
        flows.append(f"{mine},priority=6500,dl_src={mac},ip,nw_src={address},actions=NORMAL")
    for flow in flows:
        run(*OFCTL, "add-flow", parent, flow)
    run("ip", "link", "set", interface, "up")


main()
