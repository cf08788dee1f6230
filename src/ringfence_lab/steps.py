"""The steps of a scenario, run on a pool; each ends with nothing, or with a Failed that says what was seen."""

import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ringfence.errors import BadInput, RingfenceError

from . import netns
from .actions import Actions
from .database import Failure
from .ends import End
from .frames import core as core_of
from .frames import from_end, same
from .pool import Pool
from .probe import Capture, Pinger, exchange, packet_socket, present
from .scenario import STEPS

ENOUGH_PINGS = 20
PATIENCE_S = 3.0
REFUSAL_S = 0.7
KINDS = ("icmp", "arp", "tcp/PORT", "udp/PORT")


class Failed(Exception):
    """What was seen instead."""


class Steps:
    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.doing = Actions(pool)

    def run(self, step: dict[str, Any]) -> None:
        """One step. Raises Failed, or BadInput where it cannot be read."""
        ((name, body),) = step.items()
        handler: Callable[[Any], None] | None = {
            "reach": self._reach,
            "no-reach": self._no_reach,
            "send": self._send,
            "do": self._do,
            "while": self._while,
            "flows": self._flows,
        }.get(str(name))
        if handler is None:
            raise BadInput(f"{name!r} is not a step", mend=f"write one of {', '.join(STEPS)}")
        handler(body)

    # Who takes part.

    def _end(self, name: str) -> End:
        """A VIF or machine by name; a VM's name is its first VIF."""
        for known in (str(name), f"{name}/0"):
            if known in self.pool.ends:
                return self.pool.ends[known]
        raise BadInput(f"{name!r} is neither a VIF nor a machine outside", mend=f"the names are {', '.join(self.pool.ends)}")

    def _pair(self, body: dict[str, Any]) -> tuple[End, End]:
        """Two ends on a network that both have."""
        ones, others = self._candidates(body["from"]), self._candidates(body["to"])
        for one in ones:
            for other in others:
                if one.network == other.network:
                    return one, other
        raise BadInput(f"{body['from']} and {body['to']} share no network", mend="name VIFs of one network")

    def _candidates(self, name: Any) -> list[End]:
        if str(name) in self.pool.ends:
            return [self.pool.ends[str(name)]]
        found = [end for end in self.pool.ends.values() if end.owner == str(name)]
        return found or [self._end(name)]

    @staticmethod
    def _versions(one: End, other: End, kind: str) -> list[int]:
        both = {a.version for a in one.addresses} & {a.version for a in other.addresses}
        if kind == "arp":
            both &= {4}
        if not both:
            raise BadInput(f"{one.name} and {other.name} have no address family in common", mend="give them addresses")
        return sorted(both)

    @staticmethod
    def _kind(body: dict[str, Any]) -> str:
        kind = str(body.get("kind", "icmp"))
        name, _, port = kind.partition("/")
        if kind not in ("icmp", "arp") and not (name in ("tcp", "udp") and port.isdigit() and 0 < int(port) < 65536):
            raise BadInput(f"kind: {kind!r} is not known", mend=f"write one of {', '.join(KINDS)}")
        return kind

    # reach, no-reach.

    def _reach(self, body: dict[str, Any]) -> None:
        _keys(body, {"from", "to", "kind"})
        one, other = self._pair(body)
        kind = self._kind(body)
        for version in self._versions(one, other, kind):
            for source, target in ((one, other), (other, one)):
                if not (present(source) and present(target)):
                    raise Failed(f"{source.name if not present(source) else target.name} has no interface")
                if not exchange(source, target, kind, version, PATIENCE_S):
                    raise Failed(f"no {kind} over IPv{version} from {source.name} to {target.name} within {PATIENCE_S:g} s")

    def _no_reach(self, body: dict[str, Any]) -> None:
        _keys(body, {"from", "to", "kind"})
        one, other = self._pair(body)
        kind = self._kind(body)
        live = [end for end in (one, other) if present(end)]
        if len(live) < 2:
            return  # a VIF that is not plugged exchanges nothing
        versions = self._versions(one, other, kind)
        _neighbours(one, other, "replace")
        try:
            with Capture([one, other]) as capture:
                tries = [(s, t, kind, v, REFUSAL_S) for v in versions for s, t in ((one, other), (other, one))]
                with ThreadPoolExecutor(len(tries)) as together:
                    for (source, target, _, version, _), reached in zip(tries, together.map(lambda t: exchange(*t), tries), strict=True):
                        if reached:
                            raise Failed(f"{kind} over IPv{version} from {source.name} reached {target.name}")
                _quieten(capture)
                for end, frame in capture.frames:
                    sender = other if end is one else one
                    if from_end(sender, frame):
                        raise Failed(f"a frame of {sender.name} was seen at {end.name}: {frame[:64].hex()}")
        finally:
            _neighbours(one, other, "del")

    # send.

    def _send(self, body: dict[str, Any]) -> None:
        _keys(body, {"from", "frame", "seen-by"})
        sender = self._end(body["from"])
        frame = self._frame(str(body["frame"]))
        expected = {self._end(name).name for name in body["seen-by"]}
        others = [end for end in self.pool.ends.values() if end.name != sender.name]
        absent = {end.name for end in others if end.name in expected and not present(end)}
        if absent:
            raise Failed(f"{', '.join(sorted(absent))} has no interface")
        core = core_of(frame)
        with Capture(others) as capture:
            seen: set[str] = set()
            with packet_socket(sender) as raw:
                raw.send(frame)
                deadline = time.monotonic() + PATIENCE_S
                while not expected <= seen and time.monotonic() < deadline:
                    capture.read(0.05)
                    seen = {end.name for end, got in capture.frames if same(core, got)}
                self._sentinel(sender, raw, capture)
            seen = {end.name for end, got in capture.frames if same(core, got)}
        if seen != expected:
            parts = []
            if seen - expected:
                parts.append(f"seen by {', '.join(sorted(seen - expected))}")
            if expected - seen:
                parts.append(f"not seen by {', '.join(sorted(expected - seen))}")
            raise Failed("; ".join(parts))

    @staticmethod
    def _sentinel(sender: End, raw: Any, capture: Capture) -> None:
        """An honest frame after the one in question, on the same way; what comes before it has come by then.

        Where the policy lets nobody see even that, the way is taken to be empty after 0.3 s of quiet.
        """
        mac = bytes.fromhex(sender.mac.replace(":", ""))
        own = next((a.ip.packed for a in sender.addresses if a.version == 4), None)
        if own is not None:
            honest = b"\xff" * 6 + mac + bytes.fromhex("08060001080006040001") + mac + own + bytes(6) + own
        else:
            honest = b"\xff" * 6 + mac + bytes.fromhex("80350001080006040003") + mac + bytes(4) + mac + bytes(4)
        raw.send(honest)
        deadline = time.monotonic() + 0.3
        while time.monotonic() < deadline:
            if capture.read(0.05) and any(same(core_of(honest), got) for _, got in capture.frames):
                break
        _quieten(capture, 0.1)

    def _frame(self, text: str) -> bytes:
        import scapy.all as scapy  # takes a second: only where a frame is made

        def of(name: str, version: int) -> str:
            return next(str(a.ip) for a in self._end(name).addresses if a.version == version)

        known = {name: value for name, value in vars(scapy).items() if not name.startswith("_")}
        known.update(mac=lambda n: self._end(n).mac, ip4=lambda n: of(n, 4), ip6=lambda n: of(n, 6), bytes=bytes)
        try:
            return bytes(eval(text, {"__builtins__": {"bytes": bytes, "range": range, "len": len, "int": int}}, known))
        except (SyntaxError, NameError, TypeError, ValueError, AttributeError, StopIteration, OSError) as error:
            raise BadInput(f"frame {text!r} cannot be made: {error}", mend="write it as scapy does") from None

    # do, while, flows.

    def _do(self, text: Any) -> None:
        try:
            self.doing.run(str(text))
            self.pool.settle()
        except (Failure, RuntimeError, ValueError) as error:
            raise Failed(str(error)) from None
        except BadInput:
            raise
        except RingfenceError as error:
            raise Failed(str(error)) from None

    def _while(self, body: dict[str, Any]) -> None:
        _keys(body, {"ping", "do", "lost"})
        ping = body["ping"]
        _keys(ping, {"from", "to", "every"})
        one, other = self._pair(ping)
        version = self._versions(one, other, "icmp")[0]
        address = next(str(a.ip) for a in other.addresses if a.version == version)
        if not exchange(one, other, "icmp", version, PATIENCE_S):
            raise Failed(f"{one.name} does not reach {other.name} before the first change")
        pinger = Pinger(one, address, _seconds(ping.get("every", "10ms")))
        failure: Failed | None = None
        try:
            time.sleep(0.1)
            for text in body["do"]:
                try:
                    self._do(text)
                except Failed as error:
                    failure = Failed(f"{text}: {error}")
                    break
            deadline = time.monotonic() + 1.0
            while pinger.sent < ENOUGH_PINGS and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.1)
        finally:
            pinger.stop()
        if failure is not None:
            raise failure
        if pinger.sent < ENOUGH_PINGS:
            raise Failed(f"only {pinger.sent} pings, which prove nothing: {ENOUGH_PINGS} are needed")
        if pinger.lost > int(body.get("lost", 0)):
            raise Failed(f"{pinger.lost} of {pinger.sent} pings lost")

    def _flows(self, body: dict[str, Any]) -> None:
        _keys(body, {"host", "of", "count", "orphans"})
        host = self.pool.hosts.get(str(body["host"]))
        if host is None:
            raise BadInput(f"{body['host']!r} is not a host", mend=f"the hosts are {', '.join(self.pool.hosts)}")
        if not {"count", "orphans"} & set(body):
            raise BadInput("flows says neither count nor orphans", mend=f"write it like {STEPS['flows'][1]}")
        uuid = ""
        if "of" in body:
            uuid = self.pool.db.get("VIF", self.pool.vifs[self._end(body["of"]).name])["uuid"]
        report = host.ask(op="flows", vif=uuid)
        if "count" in body and "of" in body and report["count"] != int(body["count"]):
            raise Failed(f"{report['count']} flows")
        if "count" in body and "of" not in body and report["ours"] != int(body["count"]):
            raise Failed(f"{report['ours']} flows of ours")
        if "orphans" in body and len(report["orphans"]) != int(body["orphans"]):
            raise Failed(f"{len(report['orphans'])} orphans: {'; '.join(report['orphans'][:3])}")


def _keys(body: Any, known: set[str]) -> None:
    if not isinstance(body, dict) or set(body) - known:
        unknown = sorted(set(body) - known) if isinstance(body, dict) else [body]
        raise BadInput(f"{unknown[0]!r} is not known here", mend=f"write {', '.join(sorted(known))}")


def _seconds(text: Any) -> float:
    word = str(text)
    for unit, factor in (("ms", 0.001), ("s", 1.0)):
        if word.endswith(unit) and word[: -len(unit)].replace(".", "", 1).isdigit():
            return float(word[: -len(unit)]) * factor
    raise BadInput(f"every: {text!r} is no time", mend="write 10ms or 1s")


def _neighbours(one: End, other: End, verb: str) -> None:
    """Permanent neighbour entries for each other: what fails then is not ARP."""
    for source, target in ((one, other), (other, one)):
        for address in target.addresses:
            words = ["ip", "-n", netns.name_of(source.owner), "neigh", verb, str(address.ip)]
            words += ["lladdr", target.mac, "dev", source.device] + (["nud", "permanent"] if verb == "replace" else [])
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode and verb == "replace":
                raise Failed(f"no neighbour entry in {source.owner}: {done.stderr.strip()}")


def _quieten(capture: Capture, wait: float = 0.15) -> None:
    """Until nothing of note comes for ``wait`` seconds, a second at most."""
    deadline = time.monotonic() + 1.0
    while capture.read(wait) and time.monotonic() < deadline:
        pass
