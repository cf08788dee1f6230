"""What is fuzzed: by name, a function that takes any bytes and raises only where ringfence did wrong."""

import json
import logging
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from ringfence import paths
from ringfence.agent import requests
from ringfence.agent.compose import compose
from ringfence.agent.requests import Requests
from ringfence.agent.state import State
from ringfence.errors import BadInput, BadRecord
from ringfence.hook import vif as hook
from ringfence.picture import Facts, Party, Picture
from ringfence.records import Closed, NetworkLine, XapiFields, effective, parse_network, parse_pool, parse_record
from ringfence.switch.ovsdb import BridgeState, OvsdbView, PortState
from ringfence.xapi import mirror as mirrors
from ringfence.xapi.alert import Alerts
from ringfence.xapi.mirror import Mirror
from ringfence.xapi.rows import Rows, rows_of
from ringfence.xapi.store import MIRROR
from ringfence_lab import scenario

MAC = "00:16:3e:00:00:01"
LONGEST_LINE = 4000
"""Characters of an error or a log line, whatever went in: a guest must not fill a log."""
UNREADABLE = (LookupError, TypeError, ValueError, AttributeError)
"""What the watcher takes as "these are no events"; it then starts over."""
FOLDER = Path(tempfile.gettempdir())


class Stream:
    """Bytes as decisions: the same bytes, the same values."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    @property
    def over(self) -> bool:
        return self._at >= len(self._data)

    def pick(self, choices: Any) -> Any:
        return choices[self.byte() % len(choices)]

    def text(self) -> str:
        length = self.byte()
        part = self._data[self._at : self._at + length]
        self._at += length
        return part.decode("utf-8", "surrogateescape")

    def value(self, depth: int = 3) -> Any:
        kind = self.byte() % (8 if depth else 6)
        if kind == 6:
            return [self.value(depth - 1) for _ in range(self.byte() % 4)]
        if kind == 7:
            return {self.text(): self.value(depth - 1) for _ in range(self.byte() % 4)}
        return (None, True, self.byte(), -1.5, self.text(), self.pick(WORDS))[kind]


WORDS = (
    "",
    "mode=isolated ipv4=10.0.0.5",
    "mode=unlocked",
    "isolated",
    "disabled",
    "locked",
    "OpaqueRef:NULL",
    MAC,
    "0",
    "vif",
    "10.0.0.0/8",
)


def one_line(text: str) -> None:
    assert "\n" not in text, text
    assert len(text) <= LONGEST_LINE, f"{len(text)} characters: {text[:200]}"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _parsed(parse: Callable[[str], Any], text: str) -> Any:
    """None for what is refused, in one line."""
    try:
        found = parse(text)
    except BadRecord as error:
        refused = error
    else:
        assert parse(str(found)) == found, text
        assert str(parse(str(found))) == str(found), text
        return found
    assert refused.what, text
    assert refused.mend, text
    one_line(str(refused))
    return None


def record(data: bytes) -> None:
    """What is no record closes its VIF, and nothing is open that does not say so."""
    text = _text(data)
    found = _parsed(parse_record, text)
    policy = effective(text, MAC, NetworkLine(), XapiFields())
    if found is None:
        assert isinstance(policy, Closed)
        one_line(policy.reason)
    elif not isinstance(policy, Closed):
        assert policy.mode == (found.mode or "unlocked")
        least = effective(text, MAC, parse_network("least=isolated"), XapiFields())
        assert not isinstance(least, Closed)
        assert least.mode in ("isolated", "disabled")


def lines(data: bytes) -> None:
    """The lines of a network and of the pool; what is no line of a network closes its VIFs."""
    text = _text(data)
    _parsed(parse_pool, text)
    found = _parsed(parse_network, text)
    one, two = ({"uuid": u, "vm": u, "vm_name": u, "device": "0", "mac": f"00:16:3e:00:00:0{u}"} for u in "12")
    facts = {"networks": [{"uuid": "n", "name": "n", "bridge": "b", "line": text}], "hosts": {}, "pool": text}
    more = {"network": "n", "host": "h", "migrating": False, "line": "ipv4=10.0.0.1", "xapi": ["unlocked", [], []]}
    picture = Picture(_facts(dict(facts, vifs=[dict(one, **more), dict(two, **more)])))
    for problem in picture.problems:
        one_line(problem)
    if found is None:
        assert not picture.can_reach("1", Party(vif="2"))


def _facts(data: dict) -> Facts:
    return Facts().changed_by(data)


def _written(name: str, data: bytes) -> str:
    path = FOLDER / f"{name}.{os.getpid()}"
    path.write_bytes(data)
    return str(path)


def hook_json(data: bytes) -> None:
    """The file that xenopsd writes for the hook: a description in its shape, or one line."""
    call = hook.Call("vif7.0", "vm-uuid", "0")
    path = _written("vif.json", data)
    try:
        with mock.patch.object(hook.paths, "vif_json", return_value=path), mock.patch.object(hook.xenstore, "read", {}.get):
            told = hook.describe(call, hook.read_json(call, patience=-1.0))
    except BadInput as error:
        one_line(str(error))
    else:
        state = State()
        state.plugs["vif7.0"] = told
        _stands(compose(None, False, state))
        assert told["interface"] == "vif7.0"
    finally:
        os.unlink(path)


def _stands(facts: Facts) -> None:
    """Facts make a picture, and what cannot be read in it is closed."""
    picture = Picture(facts)
    for vif in facts.vifs.values():
        bad = vif.line is not None and _parsed(parse_record, vif.line) is None
        reasons = [picture.can_reach(vif.uuid, Party(vif=other)) for other in facts.vifs if other != vif.uuid]
        assert not bad or not any(reasons), vif


class _Recorder(logging.Handler):
    def emit(self, entry: logging.LogRecord) -> None:
        one_line(entry.getMessage())


class _Calls:
    """A session that writes down what is asked of XAPI."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []

    def call(self, *words: Any) -> Any:
        self.calls.append(words)
        return {}


def xenstore(data: bytes) -> None:
    """A guest's vm-data: only mirrors are ever written, in bounded number, and the records stay."""
    stream, calls = Stream(data), _Calls()
    proposed: dict[str, str] = {}
    looked = Mirror(calls, Alerts(calls), proposed.__setitem__)  # type: ignore[arg-type]
    log = logging.getLogger("ringfence")
    handler, told = _Recorder(), (log.propagate, log.level)
    log.addHandler(handler)
    log.propagate = False
    log.setLevel(logging.INFO)
    try:
        for _ in range(8):
            data_of = {stream.pick((MIRROR + "0", MIRROR + "1", MIRROR + stream.text(), stream.text())): stream.text() for _ in range(4)}
            vm = {"uuid": "u", "name_label": "v", "xenstore_data": data_of, "power_state": "Halted", "domid": "-1"}
            vif = {"uuid": "w", "device": "0", "MAC": MAC, "VM": "vm", "network": "n", "other_config": {"ringfence": "ipv4=10.0.0.1"}}
            rows = Rows()
            rows.tables["vm"]["vm"], rows.tables["vif"]["vif"] = vm, vif
            rows._vifs_of["vm"] = ("vif",)
            looked.look("vm", vm, rows)
            if stream.over:
                break
    finally:
        log.removeHandler(handler)
        log.propagate, log.level = told
    for words in calls.calls:
        if words[0] != "message.create":
            assert words[0].startswith("VM."), words
            assert all(str(key).startswith(MIRROR) for key in _keys_written(words)), words
    assert len(calls.calls) <= 8 * (mirrors.MOST_KEYS + 4)
    assert len(looked._same) + len(looked._gone) <= 2
    assert set(proposed) <= {"w"}


def _keys_written(words: tuple) -> list[str]:
    """Of ``VM.add_to_xenstore_data REF KEY VALUE`` and its like."""
    if words[0].startswith(("VM.add_to", "VM.remove_from")):
        return [words[2]]
    return []


SNAPSHOTS: dict[str, dict[str, Any]] = {
    "pool": {"uuid": "p", "other_config": {}},
    "host": {"uuid": "h", "name_label": "host"},
    "network": {"uuid": "n", "name_label": "net", "bridge": "b", "default_locking_mode": "unlocked", "other_config": {}},
    "vm": {
        "uuid": "m",
        "name_label": "vm",
        "resident_on": "host0",
        "power_state": "Running",
        "is_a_template": False,
        "is_a_snapshot": False,
        "is_control_domain": False,
        "current_operations": {},
    },
    "vif": {
        "uuid": "v",
        "VM": "vm0",
        "device": "0",
        "MAC": MAC,
        "network": "network0",
        "locking_mode": "network_default",
        "ipv4_allowed": [],
        "ipv6_allowed": [],
        "other_config": {},
    },
}


def events(data: bytes) -> None:
    """Events of XAPI: taken in one by one they amount to what the whole database says; or they are none."""
    stream, rows = Stream(data), Rows()
    rows.take({"class": kind, "operation": "add", "ref": f"{kind}0", "snapshot": row} for kind, row in SNAPSHOTS.items())
    for _ in range(12):
        kind = stream.pick(tuple(SNAPSHOTS))
        snapshot = dict(SNAPSHOTS[kind], uuid=f"{kind}{stream.byte() % 3}")
        for _ in range(stream.byte() % 3):
            key = stream.pick(sorted(snapshot))
            old = snapshot[key]
            if stream.byte() % 8 == 0:
                snapshot[key] = stream.value()
            elif isinstance(old, str):
                snapshot[key] = stream.pick((stream.text(), "vm1", "network1", "host1", *WORDS))
            elif isinstance(old, bool):
                snapshot[key] = not old
            elif isinstance(old, list):
                snapshot[key] = [stream.text()]
            else:
                snapshot[key] = {stream.pick(("ringfence", "ringfence-locking-mode", stream.text())): stream.pick((*WORDS, stream.text()))}
        event = {
            "class": stream.pick((kind, kind.upper())),
            "operation": stream.pick(("add", "mod", "del")),
            "ref": f"{kind}{stream.byte() % 2}",
            "snapshot": snapshot,
        }
        try:
            rows.take([event])
        except UNREADABLE:
            return
        if stream.over:
            break
    try:
        whole = rows_of(rows.tables).facts
    except UNREADABLE:
        return
    assert rows.facts == whole
    try:
        json.loads(json.dumps(whole.to_json()))
        _facts(whole.to_json())
    except UNREADABLE:
        return  # a type that XAPI never gives
    _stands(whole)


class _Agent:
    """What a request needs of an agent, without a switch: bridges are not touched."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.state = State()
        self.links: dict[str, bool] = {}
        self.rounds, self.token, self.settled = 0, "", True
        self.dirty = threading.Event()
        self.xapi = SimpleNamespace(facts=None, in_sync=False)
        self.ovsdb = SimpleNamespace(view=None, seen=self._seen)
        self.outcome = SimpleNamespace(failed={}, closed={})
        self.reconciler = SimpleNamespace(picture=None, writers={})
        self.proposals = dict[str, str]()
        self.upkeep = SimpleNamespace(mirror=SimpleNamespace(tampered={}), missing={})

    @staticmethod
    def _seen(good: Callable[[OvsdbView], bool]) -> OvsdbView:
        """A switch with one bridge that no VIF is on, and one with a VIF, are looked at."""
        port = PortState("vif7.0", "vif7.0", 7, "vif", external_ids={"xs-vif-uuid": "u"})
        good(OvsdbView({"xenbr0": BridgeState("xenbr0", (port,), {"xapi1": 1})}))
        good(OvsdbView())
        return OvsdbView()

    def reconcile(self, view: Any = None) -> Any:  # noqa: ARG002
        return self.outcome

    def keep(self, *interfaces: str) -> None:
        pass


def socket(data: bytes) -> None:
    """A request to the agent: an answer or a refusal, and a state that still makes a picture."""
    agent = _Agent()
    with mock.patch.multiple(requests, read_once=OvsdbView, LONGEST_WAIT_S=0.0), mock.patch.object(requests.port, "remove"):
        asked = Requests(agent)  # type: ignore[arg-type]
        for part in data.split(b"\n")[:4]:
            try:
                request = json.loads(part.decode("utf-8"))
                if not isinstance(request, dict):
                    raise ValueError("not an object")
                json.dumps(asked.answer(request))
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                one_line(str(error))
    _stands(compose(None, False, agent.state))


def state(data: bytes) -> None:
    """The file in which an agent keeps what it knows: it is read, or it counts as none."""
    path = _written("state.json", data)
    try:
        with mock.patch.object(paths, "STATE", path), mock.patch.object(paths, "JOURNAL", path + ".none"):
            found = State.load()
    finally:
        os.unlink(path)
    if found.problem:
        one_line(found.problem)
        assert found.facts is None
        assert not found.plugs
    _stands(compose(found.facts, False, found))


def journal(data: bytes) -> None:
    """What changed since that file was written: read as far as it can be, and what comes after is not lost."""
    whole, path = _written("state.json", json.dumps(STATE).encode()), _written("state.journal", data)
    try:
        with mock.patch.object(paths, "STATE", whole), mock.patch.object(paths, "JOURNAL", path):
            found = State.load()
            assert not found.problem
            _stands(compose(found.facts, False, found))
            found.facts = (found.facts or Facts())._replace(pool_line="no-agent=stock")
            found.note()
            again = State.load()
            assert again.facts == found.facts
            assert again.plugs == found.plugs
    finally:
        os.unlink(whole)
        os.unlink(path)


def scenarios(data: bytes) -> None:
    """A scenario file."""
    try:
        scenario.read(scenario.parse(data.decode("utf-8", "replace")))
    except BadInput as error:
        one_line(str(error))


PLUG = {
    "interface": "vif7.0",
    "vif": "v",
    "vm": "m",
    "migrated": False,
    "device": "0",
    "mac": MAC,
    "network": "n",
    "bridge": "xenbr0",
    "line": "mode=isolated ipv4=10.0.0.5",
    "xapi": ["unlocked", [], []],
    "external_ids": {"xs-vif-uuid": "v"},
}
HOOK = {
    "locking_mode": ["Locked", {"ipv4": ["10.0.0.5"], "ipv6": []}],
    "other_config": {"ringfence": "groups=blue"},
    "extra_private_keys": {"vif-uuid": "v", "network-uuid": "n"},
    "mac": MAC,
    "backend": ["Local", "xenbr0"],
}
STATE = {
    "version": 1,
    "host": "h",
    "numbers": {"xenbr0": {"vif": {"v": 1}}},
    "plugs": {"vif7.0": PLUG},
    "lines": {"v": None},
    "facts": {
        "vifs": [
            {"uuid": "v", "vm": "m", "vm_name": "a", "device": "0", "mac": MAC, "network": "n", "line": "mode=locked"}
            | {"xapi": ["unlocked", [], []], "host": "h", "migrating": False}
        ],
        "networks": [{"uuid": "n", "name": "net", "bridge": "xenbr0", "line": "default=isolated"}],
        "hosts": {"h": "host"},
        "pool": None,
    },
}
SCENARIO = b"""hosts: [h1, h2]
networks: {back: {vlan: 120, ringfence: default=isolated}, pair: {bond: balance-slb}}
guests: {a: {host: h1, running: true, vifs: [{network: back, addresses: [10.0.0.5, "fd00::5"], ipv4_allowed: [10.0.0.5]}]}}
outside: {gw: {network: back, addresses: [10.0.0.1/24]}}
steps: [{reach: {from: a, to: gw}}]
"""


def _json(*data: Any) -> bytes:
    return b"\n".join(json.dumps(one).encode() for one in data)


TARGETS: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "record": (
        record,
        [b"mode=isolated ipv4=10.0.0.5,10.1.0.0/16 groups=a,b peers=::/0 services=ra,dhcp external=deny x-a='b c'", b"mac=" + MAC.encode()],
    ),
    "lines": (
        lines,
        [b"default=isolated inside=10.0.0.0/24,fd00::/64 gateways=10.0.0.1 least=locked external=deny", b"no-agent=closed vm-data=adopt"],
    ),
    "hook-json": (hook_json, [_json(HOOK), b"[" * 100000]),
    "xenstore": (xenstore, [b"\0\5mode=\0\2\3a=b\1" * 4, bytes(range(256))]),
    "events": (events, [bytes(range(0, 256, 3)), b"\4\0\1\7\1\3abc" * 6, b"\3\1\2\1\1\1" * 8]),
    "socket": (
        socket,
        [
            _json({"op": "describe", "plug": PLUG}, {"op": "commit", "plug": PLUG, "ofport": 3}, {"op": "unplug", "interface": "vif7.0"}),
            _json({"op": "wait", "kind": "VIF", "uuid": "v", "line": None, "timeout": 0}, {"op": "status"}, {"op": "flows", "vif": "v"}),
            _json({"op": "audit", "repair": True}, {"op": "proposal", "vif": "v"}),
            _json({"op": "trace", "source": "v", "target": None, "address": "10.0.0.1", "kind": "tcp/443"}, {"op": "metrics"}),
        ],
    ),
    "state": (state, [_json(STATE)]),
    "journal": (journal, [_json([1, {"facts": STATE["facts"], "plugs": {"vif7.0": PLUG, "vif8.0": None}, "lines": {"v": "mode=locked"}}])]),
    "scenarios": (scenarios, [SCENARIO]),
}
"""The function, and what a fuzzer begins with."""

DICTIONARY = (
    *("mode=", "ipv4=", "ipv6=", "groups=", "peers=", "external=", "services=", "mac=", "x-", "locking-mode=", "ipv4-allowed="),
    *("unlocked", "locked", "isolated", "disabled", "allow", "deny", "dhcp", "dhcp6", "ra", "router", "default=", "inside=", "gateways="),
    *("least=", "enforce=", "watch", "host=", "vm-data=", "adopt", "mirror", "no-agent=", "stock", "closed"),
    *("10.0.0.0/8", "10.0.0.5", "fd00::/64", "fe80::1", "::/0", "/32", "/128", MAC, "vif7.0", "tap7.0", "vm-data/ringfence/0"),
    *("null", "true", "[]", "{}", "-1", "1e999", "\\x00", "\\xff", "\\x0a", "\\xc3\\xa9"),
    *("describe", "commit", "unplug", "wait", "status", "flows", "audit", "proposal", "plug", "interface", "ofport", "timeout"),
    *("hosts:", "networks:", "guests:", "outside:", "steps:", "reach:", "no-reach:", "send:", "while:", "vifs:", "addresses:"),
)
"""Words that a fuzzer puts in, as libFuzzer writes them."""
