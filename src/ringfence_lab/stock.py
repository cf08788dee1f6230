"""The stock hook of a host without ringfence, as far as the lab needs it.

It plugs a VIF, puts a disabled one on no bridge, and gives a locked one a few flows under the stock script's cookie.
What it does not do: all of that script's flows, PVS proxies.
"""

import json
import subprocess
import sys

from ringfence import paths


def main(words: list[str]) -> int:
    _, interface, vm, device, action = words
    subprocess.run(["ip", "link", "set", interface, "down"], capture_output=True, check=False)
    _clear_flows(interface)
    vsctl = ["ovs-vsctl", "--timeout=30", "--", "--if-exists", "del-port", interface]
    data = None
    if action == "filter":
        with open(paths.vif_json(vm, device), encoding="utf-8") as kept:
            data = json.load(kept)
        if str(data["locking_mode"]).lower() != "disabled":
            keys = data["extra_private_keys"]
            vsctl += ["--", "add-port", data["backend"][1], interface, "--", "set", "Interface", interface]
            vsctl += [f"external_ids:xs-vm-uuid={vm}", f"external_ids:xs-vif-uuid={keys['vif-uuid']}"]
            vsctl += [f'external_ids:attached-mac="{data["mac"]}"', f"external_ids:xs-network-uuid={keys['network-uuid']}"]
    done = subprocess.run(vsctl, check=False)
    if data is not None and isinstance(data["locking_mode"], list):
        _lock(interface, data["mac"], data["locking_mode"][1])
    subprocess.run(["ip", "link", "set", interface, "up"], capture_output=True, check=False)
    return 1 if done.returncode and action == "filter" else 0


def _lock(interface: str, mac: str, allowed: dict[str, list[str]]) -> None:
    bridge, number = _place(interface)
    head = f"cookie=1,in_port={number}"
    flows = [f"{head},priority=100,actions=drop"]
    for address in allowed["ipv4"]:
        flows.append(f"{head},priority=200,arp,dl_src={mac},arp_sha={mac},arp_spa={address},actions=normal")
        flows.append(f"{head},priority=200,ip,dl_src={mac},nw_src={address},actions=normal")
    for address in allowed["ipv6"]:
        flows.append(f"{head},priority=200,ipv6,dl_src={mac},ipv6_src={address},actions=normal")
    for flow in flows:
        subprocess.run(["ovs-ofctl", "add-flow", bridge, flow], check=True)


def _clear_flows(interface: str) -> None:
    bridge, number = _place(interface)
    if number > 0:
        subprocess.run(["ovs-ofctl", "del-flows", bridge, f"cookie=1/-1,in_port={number}"], check=False)


def _place(interface: str) -> tuple[str, int]:
    """The real bridge, and the port's number on it; 0 where it is on none."""

    def ask(*words: str) -> str:
        return subprocess.run(["ovs-vsctl", *words], capture_output=True, text=True, check=False).stdout.strip()

    number = ask("--if-exists", "get", "Interface", interface, "ofport")
    return ask("br-to-parent", ask("iface-to-br", interface) or interface), int(number) if number.isdigit() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
