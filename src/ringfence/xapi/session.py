"""A session with XAPI over JSON-RPC 2.0 (XenAPI, "JSON-RPC v2.0 protocol"): unix socket in dom0, HTTPS elsewhere."""

import hashlib
import http.client
import json
import socket
import ssl
from typing import Any, Callable, Dict, Optional

from .. import __version__, paths
from ..errors import Unreachable, XapiFailure


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _PinnedConnection(http.client.HTTPSConnection):
    """HTTPS to a server whose certificate is known by its SHA-256 fingerprint alone."""

    def __init__(self, host: str, fingerprint: str, timeout: float) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        super().__init__(host, timeout=timeout, context=context)
        self._fingerprint = fingerprint.replace(":", "").lower()

    def connect(self) -> None:
        super().connect()
        certificate = self.sock.getpeercert(True)
        found = hashlib.sha256(certificate or b"").hexdigest()
        if found != self._fingerprint:
            self.close()
            raise Unreachable("the certificate's fingerprint is {}".format(found), self.host, "check it, then pass --fingerprint")


class Session:
    """One session; calls go one after another. Errors are XapiFailure, or Unreachable where nobody answers."""

    def __init__(
        self, host: str = "", fingerprint: str = "", timeout: float = 60.0, hook: Optional[Callable[[Dict[str, Any]], Any]] = None
    ) -> None:
        """``hook``: what takes the place of each object of an answer as it is read (``json.loads``)."""
        self._host = host
        self._hook = hook
        self._fingerprint = fingerprint
        self._timeout = timeout
        self._connection: Optional[http.client.HTTPConnection] = None
        self._number = 0
        self.ref = ""

    def _connect(self) -> http.client.HTTPConnection:
        if not self._host:
            return _UnixConnection(paths.XAPI_SOCKET, self._timeout)
        if self._fingerprint:
            return _PinnedConnection(self._host, self._fingerprint, self._timeout)
        return http.client.HTTPSConnection(self._host, timeout=self._timeout, context=ssl.create_default_context())

    def login(self, user: str = "root", password: str = "") -> None:
        """Log in; root needs no password on dom0's own socket. A member of a pool names its master, which is asked then."""
        words = [user, password, __version__, "ringfence"]
        try:
            self.ref = self._post("session.login_with_password", words)
        except XapiFailure as failure:
            if failure.code != "HOST_IS_SLAVE" or not failure.details or not self._host:
                raise
            self.drop()
            self._host = failure.details[0]
            self.ref = self._post("session.login_with_password", words)

    def call(self, method: str, *params: Any) -> Any:
        """``CLASS.message`` with the session in front.

        Logs in where there is no session yet, in dom0 also where XAPI has dropped an old one.
        """
        if not self.ref:
            self.login()
            return self._post(method, [self.ref] + list(params))
        try:
            return self._post(method, [self.ref] + list(params))
        except XapiFailure as failure:
            if failure.code != "SESSION_INVALID" or self._host:
                raise
        self.login()  # nothing was done: XAPI looks at the session first
        return self._post(method, [self.ref] + list(params))

    def close(self) -> None:
        """Log out as far as anybody listens."""
        if self.ref and self._connection is not None:
            try:
                self._post("session.logout", [self.ref])
            except (Unreachable, XapiFailure):
                pass
        self.ref = ""
        self.drop()

    def twin(self) -> "Session":
        """The same session over a connection of its own, for another thread; ``drop`` ends that."""
        twin = Session(self._host, self._fingerprint, self._timeout)
        twin.ref = self.ref
        return twin

    def abort(self) -> None:
        """End a call that another thread waits in."""
        connection = self._connection
        if connection is not None and connection.sock is not None:
            try:
                connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def drop(self) -> None:
        """Close the connection; the session stays."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, method: str, params: Any) -> Any:
        self._number += 1
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": self._number})
        where = self._host or paths.XAPI_SOCKET
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.request("POST", "/jsonrpc", body, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            data: Dict[str, Any] = json.loads(answer.read().decode("utf-8"), object_hook=self._hook)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.drop()
            raise Unreachable("XAPI does not answer ({})".format(error or type(error).__name__), where, "is xapi running?") from None
        if data.get("error"):
            error_of = data["error"]
            failure = XapiFailure([error_of.get("message", "")] + list(error_of.get("data") or []), method)
            if failure.code == "SESSION_INVALID":
                self.ref = ""
            raise failure
        return data.get("result")
