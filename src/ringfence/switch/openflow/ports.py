"""Out of which ports NORMAL floods: a setting that only OpenFlow 1.0 has, and that is lost when the switch restarts."""

import struct
from typing import Dict, NamedTuple, Set

from ...errors import SwitchRefused
from . import message as m
from .session import Session

VERSION = 1
STATS_REQUEST, PORT_MOD, BARRIER_REQUEST = 16, 15, 18
"""OpenFlow 1.0.1, section 5.1."""
PORT_DESC = 13
"""Of statistics: Open vSwitch tells all ports so in OpenFlow 1.0, too, in as many replies as it takes."""
NO_FLOOD = 1 << 4
_PORT = struct.Struct("!H6s16sI20x")


class Port(NamedTuple):
    number: int
    mac: bytes
    config: int


class PortSession(Session):
    """A connection of its own, for these settings alone."""

    version = VERSION

    def no_flood(self) -> Set[str]:
        """Names of the ports that NORMAL does not flood out of. Raises Unreachable."""
        self._fresh()
        return {name for name, port in self._ports().items() if port.config & NO_FLOOD}

    def set_flooding(self, wanted: Dict[str, bool]) -> None:
        """Whether NORMAL floods out of ports, by name. Raises SwitchRefused, also where a port that it is to spare is not there."""
        self._fresh()
        there = self._ports()
        changes = []
        for name, flood in sorted(wanted.items()):
            port = there.get(name)
            if port is None and not flood:
                raise SwitchRefused("it has no port {}".format(name), self.bridge)
            if port is not None and flood == bool(port.config & NO_FLOOD):
                changes.append(struct.pack("!H6sIII4x", port.number, port.mac, 0 if flood else NO_FLOOD, NO_FLOOD, 0))
        if not changes:
            return
        barrier = next(self._xids)
        messages = [m.message(PORT_MOD, next(self._xids), change, VERSION) for change in changes]
        for reply in self._exchange(messages + [m.message(BARRIER_REQUEST, barrier, b"", VERSION)], barrier):
            if reply.kind == m.ERROR:
                raise SwitchRefused("a port's no-flood: {}".format(m.show_error(reply.body)), self.bridge)

    def _ports(self) -> Dict[str, Port]:
        xid = next(self._xids)
        found: Dict[str, Port] = {}
        request = m.message(STATS_REQUEST, xid, struct.pack("!HH", PORT_DESC, 0), VERSION)
        for reply in self._exchange([request], xid):
            if reply.kind != m.STATS_REPLY or reply.xid != xid:
                continue
            for number, mac, name, config in _PORT.iter_unpack(reply.body[4:]):
                found[name.rstrip(b"\0").decode("utf-8", "replace")] = Port(number, mac, config)
        return found
