"""What XAPI says, as plain rows: the input of a picture."""

from shlex import quote
from typing import Any, Dict, Mapping, NamedTuple, Optional

from ..mac import MAC
from ..records import XapiFields
from ..shape import NONE, Items, Keys, check
from ..table import differing, table_of


class VifFacts(NamedTuple):
    """One VIF of a VM that is neither template, snapshot nor control domain."""

    uuid: str
    vm: str
    vm_name: str
    device: str
    mac: str
    network: str
    """uuid of the network."""
    line: Optional[str] = None
    """``VIF.other_config:ringfence``; None where there is none."""
    xapi: XapiFields = XapiFields()
    host: str = ""
    """uuid of the host where the VM is resident; empty when halted."""
    migrating: bool = False

    @property
    def name(self) -> str:
        return "{}/{}".format(self.vm_name, self.device)

    @property
    def word(self) -> str:
        """The name as it is typed in a shell: VMs are called "Debian 12 (1)", too."""
        return quote(self.name)


class NetworkFacts(NamedTuple):
    uuid: str
    name: str
    bridge: str = ""
    line: Optional[str] = None

    @property
    def word(self) -> str:
        """As with a VIF."""
        return quote(self.name)


class Facts(NamedTuple):
    """The rows of a pool by uuid."""

    vifs: Mapping[str, VifFacts] = {}
    networks: Mapping[str, NetworkFacts] = {}
    hosts: Dict[str, str] = {}
    """Host name-labels by uuid."""
    pool_line: Optional[str] = None

    def to_json(self) -> Dict[str, Any]:
        """All of them, as ``changed_by`` takes them."""
        return Facts().change_to(self)

    def change_to(self, later: "Facts") -> Dict[str, Any]:
        """What makes these facts the later ones, as JSON; VIFs row by row, of what is few all of it."""
        changed = [uuid for uuid in differing(self.vifs, later.vifs) if self.vifs.get(uuid) != later.vifs.get(uuid)]
        return {
            "vifs": [dict(v._asdict(), xapi=list(v.xapi)) for v in (later.vifs[uuid] for uuid in changed if uuid in later.vifs)],
            "gone": [uuid for uuid in changed if uuid not in later.vifs],
            "networks": [dict(n._asdict()) for n in later.networks.values()],
            "hosts": later.hosts,
            "pool": later.pool_line,
        }

    def changed_by(self, change: Dict[str, Any]) -> "Facts":
        """The inverse of ``change_to``. Raises KeyError, TypeError or ValueError on anything else."""
        check(change, CHANGE)
        vifs: Dict[str, Optional[VifFacts]] = dict.fromkeys(change.get("gone", ()))
        for row in change["vifs"]:
            mode, ipv4, ipv6 = row["xapi"]
            vifs[row["uuid"]] = VifFacts(
                row["uuid"],
                row["vm"],
                row["vm_name"],
                row["device"],
                row["mac"],
                row["network"],
                row["line"],
                XapiFields(mode, tuple(ipv4), tuple(ipv6)),
                row["host"],
                row["migrating"],
            )
        networks = {row["uuid"]: NetworkFacts(**row) for row in change["networks"]}
        return Facts(table_of(self.vifs).after(vifs), networks, dict(change["hosts"]), change["pool"])


_TEXT = (NONE, str)
_VIF = Keys(
    dict(
        dict.fromkeys(("uuid", "vm", "vm_name", "device", "network", "host"), str),
        mac=MAC,
        line=_TEXT,
        xapi=Items(str, [str], [str]),
        migrating=bool,
    ),
    {},
)
_NETWORK = Keys({"uuid": str, "name": str, "bridge": str, "line": _TEXT}, {})
CHANGE = Keys({"vifs": [_VIF], "networks": [_NETWORK], "hosts": {str: str}, "pool": _TEXT}, {"gone": [str]})
