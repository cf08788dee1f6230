"""The pool as the command line sees it: names resolved, lines read, changed and confirmed."""

import json
import os
import sys
from typing import Any, Dict, List, Optional, Set, Tuple

from ..agent.client import LIMIT
from ..errors import BadInput, BadRecord, Refused, Unreachable
from ..picture import Facts, Picture
from ..records import Record, parse_record
from ..records.addresses import show_prefix
from ..xapi.rows import Tables, read_tables, rows_of
from ..xapi.session import Session
from ..xapi.store import KEY, write_line
from .agents import Agents
from .credentials import credentials
from .names import Found, Names, begins

IN_FORCE_S = 10.0
PREVIEW_S = 30.0


class Pool:
    """One look at the database; every change goes back to XAPI at once."""

    def __init__(self, options: Any) -> None:
        self._dry = bool(getattr(options, "dry_run", False))
        self._verbose = bool(getattr(options, "verbose", False))
        host = remote(options)
        self.session = Session(host, getattr(options, "fingerprint", None) or "")
        self.local = not host
        if host:
            self.session.login(*credentials(host))
        self.tables: Tables = read_tables(self.session)
        self.agents = Agents(self.session, self.tables["host"], self.local)
        self.facts: Facts = rows_of(self.tables).facts
        self.picture = Picture(self.facts)
        self.names = Names(self.tables["vif"], self.facts.vifs)
        self._refs: Dict[str, str] = {}
        """References of VIFs and networks by uuid."""

    def vif(self, name: str) -> Found:
        """``VM/DEVICE`` by VM name-label or uuid, or a VIF's uuid; uuids by any unambiguous prefix. Raises BadInput."""
        owner, slash, device = name.rpartition("/")
        found = [one for one in self.names.of_vm(owner) if one.facts.device == device] if slash else self.names.of_uuid(name)
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(sorted(one.facts.vm if slash else one.facts.uuid for one in found))
            raise BadInput("{} names several".format(name), mend="use one of these uuids: {}".format(listed))
        mend = "write VM/DEVICE, as ringfence vif list shows it" if slash else "write VM/DEVICE or the VIF's uuid"
        raise BadInput("no VIF is called {}".format(name), mend=mend)

    def vifs_of(self, vm: str) -> List[Found]:
        """All VIFs of a VM, by its name-label or uuid, in the order of their devices. Raises BadInput."""
        found = self.names.of_vm(vm)
        vms = sorted({one.facts.vm for one in found})
        if len(vms) > 1:
            raise BadInput("{} names several".format(vm), mend="use one of these uuids: {}".format(", ".join(vms)))
        if not found:
            raise BadInput("no VM with a VIF is called {}".format(vm), mend="see ringfence vif list, or write an address, or outside")
        return sorted(found, key=lambda one: int(one.facts.device))

    def network(self, name: str) -> Tuple[str, Dict[str, Any]]:
        """Reference and row, by name-label, bridge or uuid. Raises BadInput."""
        rows = self.tables["network"].items()
        found = [(ref, row) for ref, row in rows if name in (row["name_label"], row["bridge"]) or begins(name, row["uuid"])]
        if len(found) != 1:
            listed = ", ".join(sorted(row["uuid"] for _, row in found) or sorted(row["name_label"] for _, row in rows))
            what = "several networks are called {}" if found else "no network is called {}"
            raise BadInput(what.format(name), mend="use one of {}".format(listed))
        return found[0]

    def record(self, found: Found) -> Record:
        """The record that a VIF has. Raises BadRecord, named."""
        try:
            return parse_record(found.row["other_config"].get(KEY, ""))
        except BadRecord as error:
            raise error.at(found.facts.name) from None

    def change_vif(self, found: Found, record: Optional[Record], told: bool = False) -> bool:
        """Write a record (bound to the VIF's MAC) or, with None, remove it; True where something changed.

        ``told``: before and after were shown already.
        """
        line = None if record is None else self.line(found, record)
        before = found.row["other_config"].get(KEY)
        if record is not None and before is not None and _says(before) == record._replace(mac=None):
            line = before  # that it would be bound to the MAC is no change that anybody asked for
        return self._change("VIF", found.ref, found.facts.uuid, found.facts.name, before, line, told)

    @staticmethod
    def line(found: Found, record: Record) -> str:
        """A record as it is written, bound to the VIF's MAC. Raises BadRecord, named."""
        line = str(record._replace(mac=found.facts.mac))
        try:
            parse_record(line)
        except BadRecord as error:
            raise error.at(found.facts.name) from None
        return line

    def change_network(self, ref: str, row: Dict[str, Any], line: Optional[str]) -> bool:
        return self._change("network", ref, row["uuid"], "network {}".format(row["name_label"]), row["other_config"].get(KEY), line)

    def _change(self, kind: str, ref: str, uuid: str, name: str, before: Optional[str], after: Optional[str], told: bool = False) -> bool:
        if before == after:
            print("{}: no change: {}".format(name, show_line(before)))
            return False
        if not told:
            print("{}\n  before: {}\n  after:  {}".format(name, show_line(before), show_line(after)))
        if self._dry:
            if self._verbose:
                self.preview([(kind, uuid, after)])
            return False
        write_line(self.session, kind, ref, after)
        self.confirm(kind, uuid, after)
        return True

    def hosts_of(self, networks: Set[str]) -> Set[str]:
        """uuids of the hosts where VIFs of these networks run."""
        return {v.host for v in self.facts.vifs.values() if v.network in networks and v.host}

    def preview(self, lines: List[Tuple[str, str, Optional[str]]]) -> None:
        """Print the flows that lines (kind, uuid, line) would add and take away, host by host. Raises Unreachable."""
        hosts = self.hosts_of({self.facts.vifs[uuid].network if kind == "VIF" else uuid for kind, uuid, _ in lines})
        request = {"op": "preview", "lines": [list(line) for line in lines]}
        if len(json.dumps(request)) >= LIMIT:
            raise BadInput("{} lines are too many to show their flows".format(len(lines)), mend="leave out -v")
        for host, answer in sorted(self.agents.ask_all(sorted(hosts), request, PREVIEW_S).items()):
            if not isinstance(answer, dict):
                raise answer
            name = self.facts.hosts.get(host, host)
            for flow in answer["flows"]:
                print("  {} {}".format(name, flow))
            if answer["more"]:
                print("  {}: {} flows more".format(name, answer["more"]))

    def write(self, kind: str, uuid: str, line: Optional[str]) -> None:
        """One line of a VIF or network, by uuid, without waiting for it to be in force. Raises RingfenceError."""
        if not self._refs:
            self._refs.update((row["uuid"], ref) for table in ("vif", "network") for ref, row in self.tables[table].items())
        write_line(self.session, kind, self._refs[uuid], line)

    def confirm(self, kind: str, uuid: str, line: Optional[str]) -> None:
        """Return when every host that has an affected VIF has the change in force, or name those that have not.

        Raises Unreachable where it is not in force on this host.
        """
        request = {"op": "wait", "kind": kind, "uuid": uuid, "line": line, "timeout": IN_FORCE_S}
        here = self.agents.here
        networks = {self.facts.vifs[uuid].network} if uuid in self.facts.vifs else {uuid}
        hosts = self.hosts_of(networks) | ({here} if here else set())
        late = []
        for host, answer in sorted(self.agents.ask_all(sorted(hosts), request, IN_FORCE_S + 5).items()):
            if isinstance(answer, dict) and answer.get("in_force"):
                continue
            if host == here:
                if isinstance(answer, dict):
                    raise Unreachable(
                        "the change is written, but not in force after {:g} s".format(IN_FORCE_S), mend="see ringfence status"
                    )
                raise Unreachable("the change is written, but not known to be in force: {}".format(answer))
            late.append(self.facts.hosts.get(host, host))
        if late:
            text = "ringfence: written, but not known to be in force on {}: see ringfence status there\n"
            sys.stderr.write(text.format(", ".join(late)))


def remote(options: Any) -> str:
    """The pool's master, where the command line runs on a workstation; "" in dom0."""
    return str(getattr(options, "pool", None) or os.environ.get("RINGFENCE_POOL", ""))


def here_only(options: Any) -> None:
    """Raises BadInput for a command that is about one host where it is not run there."""
    if remote(options):
        raise BadInput("ringfence {} is about one host".format(options.command), mend="run it in dom0 of that host, without --pool")


def _says(line: str) -> Optional[Record]:
    """A record that is bound to no MAC; None for any other."""
    try:
        record = parse_record(line)
    except BadRecord:
        return None
    return record if record.mac is None else None


def show_line(line: Optional[str]) -> str:
    return "(no record)" if line is None else line or "(empty record)"


def edit(record: Record, words: List[str]) -> Record:
    """``KEY=VALUE`` words over a record: only those keys change; an empty value takes the key out. Raises BadRecord."""
    given = parse_record(" ".join(w for w in words if w.partition("=")[2]))
    keys: Dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            parse_record(word)
        key = {"locking-mode": "mode", "ipv4-allowed": "ipv4", "ipv6-allowed": "ipv6"}.get(key, key)
        if key.startswith("x-"):
            keys["extra"] = tuple(sorted(dict(record.extra, **dict(given.extra)).items()))
        elif key == "mac":
            raise BadRecord("mac is the MAC that the VIF has", mend="leave it out: it is written by itself")
        elif key in Record._fields:
            keys[key] = getattr(given if value else Record(), key)
        else:
            parse_record("{}=".format(key))
    return record._replace(**keys)


def refuse_shared(pool: Pool, found: Found, addresses: List[Any]) -> None:
    """An address that another VIF of the network owns, or a gateway, is not given away by mistake. Raises Refused."""
    view = pool.picture.networks.get(found.facts.network)
    for address in addresses:
        others = [v.name for v in pool.picture.owners(found.facts.network, address) if v.uuid != found.facts.uuid]
        if others:
            what = "{} belongs to {}".format(show_prefix(address), ", ".join(others))
            raise Refused(what, found.facts.name, "remove it there, or pass --shared")
        if view is not None and address in view.line.gateways:
            what = "{} is a gateway of {}".format(show_prefix(address), view.facts.name)
            raise Refused(what, found.facts.name, "pass --shared if that is meant")
