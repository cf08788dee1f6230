"""The stock hook of a host without ringfence, as far as the lab needs it.

It plugs a VIF, and puts a disabled one on no bridge. What it does not do: the flows of locked VIFs, PVS proxies.
"""

import json
import subprocess
import sys

from ringfence import paths


def main(words: list[str]) -> int:
    _, interface, vm, device, action = words
    vsctl = ["ovs-vsctl", "--timeout=30", "--", "--if-exists", "del-port", interface]
    subprocess.run(["ip", "link", "set", interface, "down"], capture_output=True, check=False)
    if action == "filter":
        with open(paths.vif_json(vm, device), encoding="utf-8") as kept:
            data = json.load(kept)
        if str(data["locking_mode"]).lower() != "disabled":
            keys = data["extra_private_keys"]
            vsctl += ["--", "add-port", data["backend"][1], interface, "--", "set", "Interface", interface]
            vsctl += [f"external_ids:xs-vm-uuid={vm}", f"external_ids:xs-vif-uuid={keys['vif-uuid']}"]
            vsctl += [f'external_ids:attached-mac="{data["mac"]}"', f"external_ids:xs-network-uuid={keys['network-uuid']}"]
    done = subprocess.run(vsctl, check=False)
    subprocess.run(["ip", "link", "set", interface, "up"], capture_output=True, check=False)
    return 1 if done.returncode and action == "filter" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
