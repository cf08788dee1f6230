"""What runs in dom0, under any Python from 3.6 on: with the standard library and ``ovs``, no pytest.

``make test-dom0 PYTHON=/path/to/python3.6`` runs it. It shows that the code loads and works under an interpreter; what
the code must do is tested elsewhere. Flows are compared with those that the golden file holds, so that every interpreter
makes the same.
"""

import contextlib
import io
import json
import os
import pkgutil
import shutil
import socketserver
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import unittest
import xmlrpc.client
from http.server import BaseHTTPRequestHandler
from importlib import import_module
from typing import Dict, Tuple

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.join(os.path.dirname(os.path.dirname(HERE)), "src")
GOLDEN = os.path.join(HERE, "flows.txt")
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
ROOT = tempfile.mkdtemp(prefix="rf-dom0-")
os.environ["RINGFENCE_ROOT"] = ROOT  # before anything of ringfence is loaded: its paths are fixed then
os.environ["OVS_RUNDIR"] = ROOT
sys.path.insert(0, SOURCE)

import ringfence  # noqa: E402
from ringfence import paths, xenstore  # noqa: E402
from ringfence.agent import client, plugin, socket  # noqa: E402
from ringfence.agent.state import State  # noqa: E402
from ringfence.cli.main import COMMANDS, parser  # noqa: E402
from ringfence.errors import BadRecord, Unreachable, XapiFailure  # noqa: E402
from ringfence.flows import BridgePlan, Segment, compile_bridge  # noqa: E402
from ringfence.hook.vif import Call, describe, read_json  # noqa: E402
from ringfence.picture import Facts, NetworkFacts, Picture, VifFacts  # noqa: E402
from ringfence.records import parse_record  # noqa: E402
from ringfence.switch.ovsdb import read_once  # noqa: E402
from ringfence.xapi.session import Session  # noqa: E402

LINES = (
    "mode=isolated ipv4=10.0.0.5,10.0.0.6 ipv6=2001:db8::5 groups=blue",
    "mode=locked ipv4=10.0.0.0/28 services=dhcp,router",
    "peers=10.0.0.9 external=deny x-note='of the night shift'",
)


def tearDownModule():
    shutil.rmtree(ROOT)


def facts() -> Facts:
    """Two members here, one elsewhere, a stranger, a machine's port: every table gets flows."""
    line = "default=isolated inside=10.0.0.0/24,fd00::/64 gateways=10.0.0.1,fd00::1"
    vifs = {}
    for number, (name, words) in enumerate(
        (
            ("blue1", "groups=blue"),
            ("blue2", "groups=blue services=router"),
            ("blue3", "groups=blue"),
            ("green1", "mode=locked"),
            ("plain", "mode=unlocked"),
        ),
        1,
    ):
        record = "ipv4=10.0.0.{0} ipv6=fd00::{0} {1}".format(10 + number, words) if name != "plain" else words
        host = "there" if name == "blue3" else "here"
        vifs[name] = VifFacts(name, "vm-" + name, name, "0", "00:16:3e:00:00:{:02x}".format(number), "net", record, host=host)
    return Facts(vifs, {"net": NetworkFacts("net", "backend", "xenbr0", line)}, {"here": "h1", "there": "h2"})


class Loading(unittest.TestCase):
    def test_every_module_loads(self):
        names = [found.name for found in pkgutil.walk_packages(ringfence.__path__, "ringfence.")]
        self.assertGreater(len(names), 80)
        for name in names:
            import_module(name)

    def test_every_command_has_its_help(self):
        for name in COMMANDS:
            text = io.StringIO()
            with contextlib.redirect_stdout(text), self.assertRaises(SystemExit) as ended:
                parser().parse_args([name, "--help"])
            self.assertEqual(ended.exception.code, 0)
            self.assertIn("ringfence " + name, text.getvalue())


class Policy(unittest.TestCase):
    def test_records_print_as_they_are_read(self):
        for line in LINES:
            record = parse_record(line)
            self.assertEqual(parse_record(str(record)), record)
        with self.assertRaises(BadRecord):
            parse_record("ipv4=10.0.0.5/24")

    def test_the_flows_are_the_same_under_every_interpreter(self):
        view = Picture(facts()).networks["net"]
        ports: Dict[str, Tuple[int, ...]] = {"blue1": (101,), "blue2": (102,), "green1": (103,), "plain": (104,)}
        segment = Segment(view, 120, ports, ((65534, "02:00:00:00:00:fe"),))
        plan = BridgePlan((segment,), (1,))
        text = "".join(sorted("{}\n".format(flow) for flow in compile_bridge(plan)))
        if os.environ.get("RINGFENCE_GOLDEN") == "write":
            with open(GOLDEN, "w") as kept:
                kept.write(text)
        with open(GOLDEN) as kept:
            self.assertEqual(text, kept.read())


class OnTheHost(unittest.TestCase):
    def test_the_state_is_kept_whole_and_for_root_alone(self):
        state = State()
        state.facts, state.host, state.numbers = facts(), "here", {"xenbr0": {"vif": {"blue1": 1}}}
        state.save()
        again = State.load()
        self.assertEqual((again.facts, again.host, again.numbers), (state.facts, state.host, state.numbers))
        for path in (paths.STATE, paths.JOURNAL):
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)

    def test_the_socket_answers_and_is_for_root_alone(self):
        server = socket.AgentServer(lambda request: {"echo": request["op"]})
        server.start()
        try:
            self.assertEqual(client.ask({"op": "status"}, 5.0), {"echo": "status"})
            self.assertEqual(stat.S_IMODE(os.stat(paths.AGENT_SOCKET).st_mode), 0o600)
            with self.assertRaises(Unreachable):
                client.ask({"op": "x" * (socket.LIMIT + 1)}, 5.0)
            answer = self._plugin("ask", {"request": json.dumps({"op": "status"})})
            self.assertEqual(json.loads(answer["Value"]), {"echo": "status"})
            for bad in ({"request": json.dumps({"op": "unplug", "interface": "vif1.0"})}, {"request": "{"}, {}):
                self.assertEqual(self._plugin("ask", bad)["Status"], "Failure")
        finally:
            server.shutdown()
            server.server_close()
            os.unlink(paths.AGENT_SOCKET)

    def _plugin(self, method, arguments):
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            plugin.main(["ringfence", xmlrpc.client.dumps(("OpaqueRef:x", arguments), method)])
        return xmlrpc.client.loads(text.getvalue())[0][0]

    def test_the_hook_reads_what_xenopsd_wrote(self):
        call = Call("vif7.0", "vm-1", "0")
        told = {
            "mac": "00:16:3E:00:00:01",
            "backend": ["Local", "xenbr0"],
            "other_config": {"ringfence": LINES[0]},
            "locking_mode": ["Locked", {"ipv4": ["10.0.0.5"], "ipv6": []}],
            "extra_private_keys": {"vif-uuid": "vif-1", "network-uuid": "net-1"},
        }
        path = paths.vif_json("vm-1", "0")
        os.makedirs(os.path.dirname(path))
        with open(path, "w") as kept:
            json.dump(told, kept)
        with _xenstore():
            found = describe(call, read_json(call))
            xenstore.write("/vm/vm-1/final-uuid", "vm-2")
            self.assertEqual(describe(call, read_json(call))["vm"], "vm-2")
            xenstore.remove("/vm/vm-1/final-uuid")
            self.assertIsNone(xenstore.read("/vm/vm-1/final-uuid"))
        self.assertEqual((found["mac"], found["bridge"], found["line"]), ("00:16:3e:00:00:01", "xenbr0", LINES[0]))
        self.assertEqual(found["xapi"], ["locked", ["10.0.0.5"], []])

    def test_xapi_is_spoken_to_over_its_socket(self):
        where = paths.XAPI_SOCKET
        os.makedirs(os.path.dirname(where))
        server = socketserver.ThreadingUnixStreamServer(where, _Xapi)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        session = Session(timeout=5.0)
        try:
            self.assertEqual(session.call("pool.get_all"), ["OpaqueRef:pool"])
            with self.assertRaises(XapiFailure) as failed:
                session.call("VIF.get_record", "OpaqueRef:none")
            self.assertEqual(failed.exception.code, "HANDLE_INVALID")
        finally:
            session.close()
            server.shutdown()
            server.server_close()

    @unittest.skipUnless(shutil.which("ovsdb-server") and os.path.exists(SCHEMA), "there is no ovsdb-server on this machine")
    def test_the_database_of_the_switch_is_read(self):
        database, where = os.path.join(ROOT, "conf.db"), os.path.join(ROOT, "db.sock")
        subprocess.check_call(["ovsdb-tool", "create", database, SCHEMA])
        server = subprocess.Popen(["ovsdb-server", database, "--remote=punix:" + where, "-vconsole:off", "-vsyslog:off", "-vfile:off"])
        try:
            told = ["ovs-vsctl", "--db=unix:" + where, "--retry", "--no-wait", "--", "init", "--", "add-br", "xenbr0"]
            subprocess.check_call(told + ["--", "add-port", "xenbr0", "vif1.0", "tag=120"])
            view = read_once()
            self.assertEqual([(p.name, p.kind, p.tag) for p in view.bridges["xenbr0"].ports if p.kind == "vif"], [("vif1.0", "vif", 120)])
        finally:
            server.terminate()
            server.wait()


class _Xapi(socketserver.StreamRequestHandler):
    """As much of XAPI as a session takes."""

    def handle(self):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def address_string(self):
                return "local"

            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])).decode())
                answer = {"jsonrpc": "2.0", "id": asked["id"]}
                known = {"session.login_with_password": "OpaqueRef:s", "session.logout": "", "pool.get_all": ["OpaqueRef:pool"]}
                if asked["method"] in known:
                    answer["result"] = known[asked["method"]]
                else:
                    answer["error"] = {"code": 1, "message": "HANDLE_INVALID", "data": asked["params"][1:]}
                body = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        Handler(self.request, ("local", 0), self.server)


class _Xenstore(socketserver.StreamRequestHandler):
    """Takes what is written, and has it."""

    kept = {}  # type: Dict[bytes, bytes]

    def handle(self):
        kind, number, transaction, length = struct.unpack("=IIII", self.rfile.read(16))
        path, _, value = self.rfile.read(length).partition(b"\0")
        answer = b"OK\0"
        if kind == xenstore.WRITE:
            self.kept[path] = value
        elif path not in self.kept:
            kind, answer = xenstore.ERROR, b"ENOENT\0"
        elif kind == xenstore.READ:
            answer = self.kept[path]
        elif kind == xenstore.RM:
            del self.kept[path]
        self.wfile.write(struct.pack("=IIII", kind, number, transaction, len(answer)) + answer)


@contextlib.contextmanager
def _xenstore():
    os.makedirs(os.path.dirname(paths.XENSTORE_SOCKET))
    server = socketserver.ThreadingUnixStreamServer(paths.XENSTORE_SOCKET, _Xenstore)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    unittest.main()
