"""XAPI, simulated: XML-RPC at / and JSON-RPC at /jsonrpc, on a unix socket a host and on loopback."""

import json
import os
import socket
import socketserver
import ssl
import threading
import uuid
import xmlrpc.client
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from .database import CLASSES, NAMES, NULL, Database, Failure

METHODS = sorted(
    {f"{kind}.{message}" for kind in CLASSES for message in ("get_all", "get_all_records", "get_record", "get_by_uuid")}
    | {
        f"{kind}.{verb}{field}"
        for kind, fields in CLASSES.items()
        for field, (_, q) in fields.items()
        for verb in ("get_", "set_")
        if verb == "get_" or q == "RW"
    }
    | {"event.from", "event.inject", "session.login_with_password", "session.logout", "system.listMethods"}
)
"""What ``system.listMethods`` tells: clients take the classes from it."""
LOCKING_MODES = ("network_default", "locked", "unlocked", "disabled")


class Xapi:
    """The calls. ``xenopsd`` is told of live changes by VM (set by the pool)."""

    def __init__(self, database: Database, master: str = "") -> None:
        """``master``: this host is a member, reached from outside, and that is the address to go to."""
        self.db = database
        self.master = master
        self.sessions: set[str] = set()
        self.live: Any = None
        """Has ``vm_data(vm_ref)``: the live tree of a running VM is made anew; ``vif_mode(vif_ref)``: its hook runs;
        ``call_plugin(host_uuid, plugin, function, arguments)``."""

    def call(self, method: str, params: list[Any]) -> Any:
        """One call with its session in front. Raises Failure."""
        method = _dotted(method)
        kind, _, message = method.partition(".")
        if method == "system.listMethods":
            return METHODS
        if self.master:
            raise Failure("HOST_IS_SLAVE", self.master)
        if method in ("session.login_with_password", "session.slave_local_login_with_password"):
            return self._login(params)
        if not params or params[0] not in self.sessions:
            raise Failure("SESSION_INVALID", str(params[0]) if params else "")
        arguments = params[1:]
        if method == "session.logout":
            self.sessions.discard(params[0])
            return ""
        if kind == "event":
            return self._event(message, arguments)
        kind = NAMES.get(kind.lower(), kind)
        special = getattr(self, f"_{kind.lower()}_{message}", None)
        try:
            if special is not None:
                return special(*arguments)
            if kind in CLASSES:
                return self._generic(kind, message, arguments)
        except TypeError as error:
            raise Failure("MESSAGE_PARAMETER_COUNT_MISMATCH", method, str(error)) from None
        raise Failure("MESSAGE_METHOD_UNKNOWN", method)

    def _login(self, params: list[Any]) -> str:
        if len(params) < 2:
            raise Failure("MESSAGE_PARAMETER_COUNT_MISMATCH", "session.login_with_password", "4", str(len(params)))
        ref = f"OpaqueRef:{uuid.uuid4()}"
        self.sessions.add(ref)
        return ref

    def _event(self, message: str, arguments: list[Any]) -> Any:
        if message == "inject":
            kind, ref = arguments
            return self.db.touch(NAMES.get(kind.lower(), kind), ref)
        if message != "from":
            raise Failure("MESSAGE_METHOD_UNKNOWN", f"event.{message}")
        classes, token, timeout = arguments
        return self.db.events(classes, token, min(float(timeout), 30.0))

    def _generic(self, kind: str, message: str, arguments: list[Any]) -> Any:
        rows = self.db.rows[kind]
        if message == "get_all":
            return list(rows)
        if message in ("get_all_records", "get_all_records_where"):
            return dict(rows)
        if message == "get_record":
            return self.db.get(kind, arguments[0])
        if message == "get_by_uuid":
            return self.db.by_uuid(kind, arguments[0])
        if message == "get_by_name_label" and "name_label" in CLASSES[kind]:
            return [ref for ref, row in rows.items() if row["name_label"] == arguments[0]]
        for verb in ("add_to_", "remove_from_", "get_", "set_"):
            field = message[len(verb) :]
            if message.startswith(verb) and field in CLASSES[kind]:
                return self._field(kind, verb, field, arguments)
        raise Failure("MESSAGE_METHOD_UNKNOWN", f"{kind}.{message}")

    def _field(self, kind: str, verb: str, field: str, arguments: list[Any]) -> Any:
        row = self.db.get(kind, arguments[0])
        of_type, qualifier = CLASSES[kind][field]
        if verb == "get_":
            return row[field]
        if qualifier != "RW" and (kind, field) not in (("VM", "xenstore_data"),):
            raise Failure("MESSAGE_METHOD_UNKNOWN", f"{kind}.{verb}{field}")
        if verb == "set_":
            self.db.update(kind, arguments[0], **{field: arguments[1]})
            return ""
        if not of_type.endswith(" map"):
            raise Failure("MESSAGE_METHOD_UNKNOWN", f"{kind}.{verb}{field}")
        with self.db.changed:
            current = dict(self.db.get(kind, arguments[0])[field])
            if verb == "remove_from_":
                current.pop(arguments[1], None)
            elif arguments[1] in current:
                raise Failure("MAP_DUPLICATE_KEY", kind, field, arguments[0], arguments[1])
            else:
                current[arguments[1]] = arguments[2]
            self.db.update(kind, arguments[0], **{field: current})
        return ""

    def _pool_get_all(self) -> list[str]:
        return list(self.db.rows["pool"])

    def _vif_set_locking_mode(self, ref: str, mode: str) -> str:
        if mode not in LOCKING_MODES:
            raise Failure("VALUE_NOT_SUPPORTED", "locking_mode", mode, "not one of the enumeration")
        if mode == "locked" and self.db.rows["SDN_controller"]:
            raise Failure("OPERATION_NOT_ALLOWED", "a SDN controller is present")
        self.db.update("VIF", ref, locking_mode=mode)
        if self.live is not None:
            self.live.vif_mode(ref)
        return ""

    def _vif_set_ipv4_allowed(self, ref: str, addresses: list[str]) -> str:
        self.db.update("VIF", ref, ipv4_allowed=addresses)
        return ""

    def _vif_set_ipv6_allowed(self, ref: str, addresses: list[str]) -> str:
        self.db.update("VIF", ref, ipv6_allowed=addresses)
        return ""

    def _network_set_default_locking_mode(self, ref: str, mode: str) -> str:
        if mode not in ("unlocked", "disabled"):
            raise Failure("VALUE_NOT_SUPPORTED", "default_locking_mode", mode, "not one of the enumeration")
        if any(v["network"] == ref and v["currently_attached"] for v in self.db.rows["VIF"].values()):
            raise Failure("VIF_IN_USE", ref, "")
        self.db.update("network", ref, default_locking_mode=mode)
        return ""

    def _vm_set_xenstore_data(self, ref: str, data: dict[str, str]) -> str:
        """Replaces the live tree too: made anew, so that the guest can only read it until its next boot."""
        for key, value in data.items():
            if not key.startswith(("vm-data/", "FIST/")) or len(value.encode()) > 2048:
                raise Failure("INVALID_VALUE", key, value[:64])
        self.db.update("VM", ref, xenstore_data=data)
        if self.live is not None:
            self.live.vm_data(ref)
        return ""

    def _message_create(self, name: str, priority: Any, cls: str, obj_uuid: str, body: str) -> str:
        return self.db.create("message", name=name, priority=int(priority), cls=cls, obj_uuid=obj_uuid, body=body)

    def _host_call_plugin(self, ref: str, plugin: str, function: str, arguments: dict[str, str]) -> str:
        if self.live is None:
            raise Failure("XENAPI_MISSING_PLUGIN", plugin)
        return str(self.live.call_plugin(self.db.get("host", ref)["uuid"], plugin, function, arguments))

    def _session_get_this_host(self, _ref: str) -> str:
        return next(iter(self.db.rows["host"]), NULL)

    def _host_get_servertime(self, _ref: str) -> str:
        return "20260101T00:00:00Z"


def _dotted(method: str) -> str:
    """``event_from`` is ``event.from``: XAPI takes both, for languages in which one of the words is a keyword."""
    if "." in method:
        return method
    kinds = [kind for kind in CLASSES if method.lower().startswith(f"{kind.lower()}_")]
    kind = max(kinds, key=len, default="")
    return f"{kind}.{method[len(kind) + 1 :]}" if kind else method


def _for_xml(value: Any) -> Any:
    """XAPI's integers are strings in XML-RPC."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return {k: _for_xml(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_for_xml(v) for v in value]
    return value


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def address_string(self) -> str:
        return "local"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/jsonrpc"):
            answer, kind = self._json(body), "application/json"
        else:
            answer, kind = self._xml(body), "text/xml"
        try:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        except OSError:
            self.close_connection = True

    def _json(self, body: bytes) -> bytes:
        request = json.loads(body)
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request.get("id")}
        try:
            answer["result"] = self.server.xapi.call(request["method"], list(request.get("params", [])))
        except Failure as failure:
            answer["error"] = {"code": 1, "message": failure.description[0], "data": failure.description[1:]}
        return json.dumps(answer).encode()

    def _xml(self, body: bytes) -> bytes:
        params, method = xmlrpc.client.loads(body)
        try:
            answer = {"Status": "Success", "Value": _for_xml(self.server.xapi.call(str(method), list(params)))}
        except Failure as failure:
            answer = {"Status": "Failure", "ErrorDescription": failure.description}
        return xmlrpc.client.dumps((answer,), methodresponse=True).encode()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, xapi: Xapi, path: Path | None, tls: ssl.SSLContext | None) -> None:
        self.xapi = xapi
        self._tls = tls
        self.path = path
        self._open: set[socket.socket] = set()
        if path is not None:
            self.address_family = socket.AF_UNIX
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
        super().__init__(str(path) if path else ("127.0.0.1", 0), _Handler)  # type: ignore[arg-type]

    def get_request(self) -> tuple[socket.socket, Any]:
        request, address = super().get_request()
        if self._tls is not None:  # the handshake is the handler's, in its own thread
            request = self._tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        return request, address

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class has it
        self._open.discard(request)  # a client that went away in the middle of a call

    def stop(self) -> None:
        """Stop listening and cut every connection, as a xapi that ends does."""
        self.shutdown()
        self.server_close()
        for request in list(self._open):
            try:
                request.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def serve(xapi: Xapi, path: Path | None = None, tls: ssl.SSLContext | None = None) -> _Server:
    """Listen on a unix socket, or without one on a free port of loopback (``server.server_address``)."""
    server = _Server(xapi, path, tls)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    if path is not None:
        os.chmod(path, 0o600)
    return server
