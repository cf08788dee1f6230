"""One connection to a bridge, kept open: a change is written, and answered, in one go."""

import itertools
import os
import select
import socket
import time
from typing import Iterable, Iterator, List, Optional, Tuple

from ... import paths
from ...errors import SwitchRefused, Unreachable
from ...flows.flow import Flow, FlowSet, Key, show_key
from ...flows.match import canonical
from . import message as m

TIMEOUT_S = 30.0
CHUNK = 1 << 18
"""Octets handed to the socket at a time; what the switch says meanwhile is read."""
MOST = 1 << 22
"""Octets that are taken in before they are looked at."""


class Session:
    """Speaks with ``BRIDGE.mgmt``. Connects when it must, and again after the switch hung up. Used by one thread at a time."""

    version = m.VERSION

    def __init__(self, bridge: str) -> None:
        self.bridge = bridge
        self.where = os.path.join(paths.OVS_RUN, "{}.mgmt".format(bridge))
        self._wire: Optional[socket.socket] = None
        self._read = b""
        self._xids = itertools.count(1)

    # What is asked for.

    def commit(self, remove: Iterable[Key], add: Iterable[Flow]) -> None:
        """Deletes and adds in one transaction: all of it or none. Raises SwitchRefused, which names the flow, or Unreachable."""
        keys, flows = list(remove), list(add)
        if not keys and not flows:
            return
        self._fresh()
        bundle, opened, committed, first = (next(self._xids) for _ in range(4))
        self._xids = itertools.count(first + len(keys) + len(flows))

        def messages() -> Iterator[bytes]:
            yield m.bundle_control(m.OPEN, bundle, opened)
            for xid, key in enumerate(keys, first):
                yield m.bundle_add(bundle, xid, m.flow_mod(m.DELETE_STRICT, key, xid))
            for xid, flow in enumerate(flows, first + len(keys)):
                yield m.bundle_add(bundle, xid, m.flow_mod(m.ADD, flow.key, xid, flow))
            yield m.bundle_control(m.COMMIT, bundle, committed)

        errors: List[str] = []
        for reply in self._exchange(messages(), committed):
            if reply.kind != m.ERROR:
                continue
            reason, number = m.show_error(reply.body), reply.xid - first
            if len(keys) <= number < len(keys) + len(flows):
                errors.append("{}: {}".format(reason, flows[number - len(keys)]))
            elif 0 <= number < len(keys):
                errors.append("{}: delete {}".format(reason, _shown(keys[number])))
            else:
                errors.append(reason)
        if errors:
            raise SwitchRefused(errors[0], self.bridge, "its flows are as they were before")

    def differences(self, wanted: FlowSet) -> Tuple[List[Key], List[Flow]]:
        """What to remove and to add so that our flows on the bridge are the wanted ones. Raises Unreachable.

        Compared is what the switch would be sent with what it reads back: a flow that it writes in another way than we do is
        taken to be another one, and put right, which changes nothing.
        """
        self._fresh()
        xid = next(self._xids)
        remove, add = [], []
        missing = set(wanted.flows)
        for reply in self._exchange([m.flows_request(xid)], xid):
            for key, cookie, instructions in m.read_flows(reply.body) if reply.kind == m.MULTIPART_REPLY and reply.xid == xid else ():
                flow = wanted.flows.get(key) or _reordered(wanted, key)
                if flow is None:
                    remove.append(key)
                    continue
                missing.discard(flow.key)
                if cookie != flow.cookie or instructions != m.encode_instructions(flow.actions):
                    add.append(flow)
        return remove, add + [wanted.flows[key] for key in missing]

    def modify(self, flow: Flow) -> None:
        """Change a flow that is there. Raises SwitchRefused or Unreachable."""
        self._fresh()
        xid, barrier = next(self._xids), next(self._xids)
        body = m.flow_mod(m.MODIFY_STRICT, flow.key, xid, flow)
        for reply in self._exchange([body, m.message(m.BARRIER_REQUEST, barrier)], barrier):
            if reply.kind == m.ERROR:
                raise SwitchRefused(m.show_error(reply.body), self.bridge)

    def count(self) -> int:
        """How many flows of ours are on the bridge. Raises Unreachable."""
        self._fresh()
        xid = next(self._xids)
        return m.read_count(list(self._exchange([m.count_request(xid)], xid))[-1].body)

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
            greeted = m.greets(next(self._exchange([m.hello(xid, self.version)], None)), self.version)
        except Unreachable:
            greeted = False
        if not greeted:
            self.close()
            what = "the bridge does not greet back in OpenFlow 1.{}".format(self.version - 1)
            raise Unreachable(what, self.where, "is it among the bridge's protocols, if any are set?")

    def _exchange(self, messages: Iterable[bytes], until: Optional[int]) -> Iterator[m.Message]:
        """Send, and give what comes until the answer ``until``, or (None) until there is any.

        Messages are made as they are sent. Whatever ends this early ends the connection, and with it a bundle that is open.
        """
        deadline = time.monotonic() + TIMEOUT_S
        coming = _chunks(messages)
        rest = memoryview(next(coming))
        try:
            while True:
                wire = self._wire
                assert wire is not None
                left = deadline - time.monotonic()
                ready, writable, _ = select.select([wire], [wire] if rest else [], [], max(0.0, left))
                if not ready and not writable:
                    raise Unreachable("the bridge did not answer within {:g} s".format(TIMEOUT_S), self.where, "is ovs-vswitchd running?")
                if writable:
                    rest = rest[wire.send(rest) :]
                    if not rest:
                        rest = memoryview(next(coming, b""))
                        deadline = time.monotonic() + TIMEOUT_S
                ended = False
                for answer in self._take_in() if ready else ():
                    ended = ended or (not rest and (until is None or (answer.xid == until and m.is_last(answer))))
                    yield answer
                    deadline = time.monotonic() + TIMEOUT_S
                if ended:
                    return
        except OSError as error:
            self.close()
            raise Unreachable("the bridge hung up ({})".format(error), self.where, "is ovs-vswitchd running?") from None
        except (Unreachable, ValueError):
            self.close()
            raise

    def _take_in(self) -> List[m.Message]:
        """The messages that have come; echo requests are answered, and left out."""
        assert self._wire is not None
        found = []
        try:
            while len(self._read) < MOST:
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
                self._wire.send(m.message(m.ECHO_REPLY, xid, body, self.version))
            else:
                found.append(m.Message(version, kind, xid, body))
        self._read = self._read[at:]
        return found


def _reordered(flows: FlowSet, key: Key) -> Optional[Flow]:
    """Another version of the switch may write the fields in another order."""
    fields = canonical(key[3:])
    return None if fields is None else flows.flows.get(key[:3] + fields)


def _shown(key: Key) -> str:
    try:
        return show_key(key)
    except ValueError:
        return "{} and the fields {}".format(show_key(key[:3]), key[3:].hex())


def _chunks(messages: Iterable[bytes]) -> Iterator[bytes]:
    parts: List[bytes] = []
    size = 0
    for message in messages:
        parts.append(message)
        size += len(message)
        if size > CHUNK:
            yield b"".join(parts)
            parts, size = [], 0
    yield b"".join(parts)
