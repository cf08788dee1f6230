"""One connection to a bridge, kept open: a change is written, and answered, in one go."""

import itertools
import os
import select
import socket
import time
from typing import Dict, Iterable, List, Optional

from ... import paths
from ...errors import SwitchRefused, Unreachable
from ...flows.flow import Flow, Key
from . import message as m

TIMEOUT_S = 30.0
CHUNK = 1 << 18
"""Octets handed to the socket at a time; what the switch says meanwhile is read."""


class Session:
    """Speaks with ``BRIDGE.mgmt``. Connects when it must, and again after the switch hung up. Used by one thread at a time."""

    def __init__(self, bridge: str) -> None:
        self.bridge = bridge
        self.where = os.path.join(paths.OVS_RUN, "{}.mgmt".format(bridge))
        self._wire: Optional[socket.socket] = None
        self._read = b""
        self._xids = itertools.count(1)

    # What is asked for.

    def commit(self, remove: Iterable[Key], add: Iterable[Flow]) -> None:
        """Deletes and adds in one transaction: all of it or none. Raises SwitchRefused, which names the flow, or Unreachable."""
        self._fresh()
        bundle, opened, committed = next(self._xids), next(self._xids), next(self._xids)
        parts = [m.bundle_control(m.OPEN, bundle, opened)]
        flows: Dict[int, Flow] = {}
        keys: Dict[int, Key] = {}
        for key in remove:
            xid = next(self._xids)
            keys[xid] = key
            parts.append(m.bundle_add(bundle, xid, m.flow_mod(m.DELETE_STRICT, key, xid)))
        for flow in add:
            xid = next(self._xids)
            flows[xid] = flow
            parts.append(m.bundle_add(bundle, xid, m.flow_mod(m.ADD, flow.key, xid, flow)))
        if not keys and not flows:
            return
        parts.append(m.bundle_control(m.COMMIT, bundle, committed))
        errors: List[str] = []
        for reply in self._exchange(b"".join(parts), committed):
            if reply.kind != m.ERROR:
                continue
            reason = m.show_error(reply.body)
            if reply.xid in flows:
                errors.append("{}: {}".format(reason, flows[reply.xid]))
            elif reply.xid in keys:
                errors.append("{}: delete {}".format(reason, Flow(*keys[reply.xid], actions=(), cookie=0).show_key()))
            else:
                errors.append(reason)
        if errors:
            raise SwitchRefused(errors[0], self.bridge, "its flows are as they were before")

    def modify(self, flow: Flow) -> None:
        """Change a flow that is there. Raises SwitchRefused or Unreachable."""
        self._fresh()
        xid, barrier = next(self._xids), next(self._xids)
        body = m.flow_mod(m.MODIFY_STRICT, flow.key, xid, flow)
        for reply in self._exchange(body + m.message(m.BARRIER_REQUEST, barrier), barrier):
            if reply.kind == m.ERROR:
                raise SwitchRefused(m.show_error(reply.body), self.bridge)

    def count(self) -> int:
        """How many flows of ours are on the bridge. Raises Unreachable."""
        self._fresh()
        xid = next(self._xids)
        return m.read_count(self._exchange(m.count_request(xid), xid)[-1].body)

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    # The wire.

    def _fresh(self) -> None:
        """A connection that stands: one on which the switch hung up meanwhile is made anew."""
        if self._wire is not None:
            try:
                self._take_in()
            except Unreachable:
                self.close()
        if self._wire is None:
            self._connect()

    def _connect(self) -> None:
        wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            wire.connect(self.where)
        except OSError as error:
            wire.close()
            raise Unreachable("the bridge cannot be asked ({})".format(error), self.where, "is ovs-vswitchd running?") from None
        wire.setblocking(False)
        self._wire, self._read = wire, b""
        xid = next(self._xids)
        try:
            greeted = m.greets(self._exchange(m.hello(xid), None)[0])
        except Unreachable:
            greeted = False
        if not greeted:
            self.close()
            what, mend = "the bridge does not greet back in OpenFlow 1.4", "is it among the bridge's protocols, if any are set?"
            raise Unreachable(what, self.where, mend)

    def _exchange(self, data: bytes, until: Optional[int]) -> List[m.Message]:
        """Send, and take what comes until the answer ``until``, or (None) until there is any."""
        found: List[m.Message] = []
        deadline = time.monotonic() + TIMEOUT_S
        rest = memoryview(data)
        try:
            while True:
                wire = self._wire
                assert wire is not None
                left = deadline - time.monotonic()
                ready, writable, _ = select.select([wire], [wire] if rest else [], [], max(0.0, left))
                if not ready and not writable:
                    raise Unreachable("the bridge did not answer within {:g} s".format(TIMEOUT_S), self.where, "is ovs-vswitchd running?")
                if writable:
                    rest = rest[wire.send(rest[:CHUNK]) :]
                if ready:
                    found += self._take_in()
                if not rest and any(until is None or answer.xid == until for answer in found):
                    return found
        except OSError as error:
            self.close()
            raise Unreachable("the bridge hung up ({})".format(error), self.where, "is ovs-vswitchd running?") from None
        except Unreachable:
            self.close()
            raise

    def _take_in(self) -> List[m.Message]:
        """The messages that have come; echo requests are answered, and left out."""
        assert self._wire is not None
        found = []
        try:
            while True:
                more = self._wire.recv(CHUNK)
                if not more:
                    raise Unreachable("the bridge hung up", self.where, "is ovs-vswitchd running?")
                self._read += more
        except BlockingIOError:
            pass
        except OSError as error:
            raise Unreachable("the bridge hung up ({})".format(error), self.where, "is ovs-vswitchd running?") from None
        at = 0
        while len(self._read) - at >= m.HEADER.size:
            version, kind, length, xid = m.HEADER.unpack_from(self._read, at)
            if length < m.HEADER.size:
                raise Unreachable("the bridge sent what is no message", self.where)
            if len(self._read) - at < length:
                break
            body = self._read[at + m.HEADER.size : at + length]
            at += length
            if kind == m.ECHO_REQUEST:
                self._wire.send(m.message(m.ECHO_REPLY, xid, body))
            else:
                found.append(m.Message(version, kind, xid, body))
        self._read = self._read[at:]
        return found
