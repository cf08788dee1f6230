"""What the step ``do`` can do to a pool."""

import shlex
import subprocess
from collections.abc import Callable
from functools import partial

from ringfence.errors import BadInput
from ringfence.xapi.store import KEY

from . import netns
from .pool import Pool
from .probe import present

MOVE_S = 5.0


class Actions:
    """What ``do`` can do."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def run(self, text: str) -> None:
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise BadInput(f"{text!r} has an open quote", mend="close it") from error
        if not words:
            raise BadInput("do has no words", mend="write for example: restart blue1")
        name = words[0].replace("-", "_")
        handler = getattr(self, f"_do_{name}", None)
        if handler is None:
            known = sorted(n[4:].replace("_", "-") for n in dir(self) if n.startswith("_do_"))
            raise BadInput(f"{words[0]!r} is not known", mend=f"write one of {', '.join(known)}")
        try:
            handler(*words[1:])
        except TypeError as error:
            raise BadInput(f"{text!r} has too few or too many words: {error}", mend="see the list of steps") from None
        except KeyError as error:
            raise BadInput(f"{text!r}: {error} is not known", mend="use a name of the scenario") from None

    def _do_start(self, vm: str, host: str = "") -> None:
        self.pool.xenopsd.start(vm, host or self.pool.scenario.guests[vm].host)

    def _do_stop(self, vm: str) -> None:
        self.pool.xenopsd.stop(vm)

    def _do_reboot(self, vm: str) -> None:
        self.pool.xenopsd.reboot(vm)

    def _do_crash(self, vm: str) -> None:
        self.pool.xenopsd.crash(vm)

    def _do_migrate(self, vm: str, host: str) -> None:
        if host not in self.pool.hosts:
            raise BadInput(f"host {host} is not known", mend=f"the hosts are {', '.join(self.pool.hosts)}")
        self.pool.xenopsd.migrate(vm, host, MOVE_S)

    def _do_fail_migrate(self, vm: str, host: str) -> None:
        self.pool.xenopsd.migrate(vm, host, MOVE_S, fails=True)

    def _do_suspend(self, vm: str) -> None:
        self.pool.xenopsd.suspend(vm)

    def _do_resume(self, vm: str, host: str = "") -> None:
        self._do_start(vm, host)

    def _do_move(self, vif: str, network: str) -> None:
        self.pool.xenopsd.move(vif, network)

    def _do_plug(self, vif: str) -> None:
        self.pool.xenopsd.plug(vif)

    def _do_unplug(self, vif: str) -> None:
        self.pool.xenopsd.unplug(vif)

    def _map(self, kind: str, ref: str, line: str | None) -> None:
        """As ``xe … other-config:ringfence=…`` does it: a removal, then an addition."""
        db = self.pool.db
        for value in (None, line):
            with db.changed:
                other = {k: v for k, v in db.get(kind, ref)["other_config"].items() if k != KEY}
                if value is not None:
                    other[KEY] = value
                db.update(kind, ref, other_config=other)

    def _do_set(self, vif: str, *line: str) -> None:
        self._map("VIF", self.pool.vifs[vif], " ".join(line))

    def _do_clear(self, vif: str) -> None:
        self._map("VIF", self.pool.vifs[vif], None)

    def _do_set_network(self, network: str, *line: str) -> None:
        self._map("network", self.pool.networks[network], " ".join(line) or None)

    def _do_set_pool(self, *line: str) -> None:
        self._map("pool", next(iter(self.pool.db.rows["pool"])), " ".join(line) or None)

    def _cli(self, vif: str, *words: str) -> None:
        """The real command line, in dom0 of the VM's host or the first host."""
        host = self.pool.host_of(vif.partition("/")[0]) or next(iter(self.pool.hosts.values()))
        done = host.run("ringfence", *words)
        if done.returncode:
            raise RuntimeError(done.stderr.strip() or f"exit {done.returncode}")

    def _do_ip_add(self, vif: str, *addresses: str) -> None:
        self._cli(vif, "ip", "add", vif, *addresses)
        self._own(vif, "replace", addresses)

    def _do_ip_remove(self, vif: str, *addresses: str) -> None:
        self._cli(vif, "ip", "remove", vif, *addresses)
        self._own(vif, "del", addresses)

    def _own(self, vif: str, verb: str, addresses: tuple[str, ...]) -> None:
        """The guest follows: it takes the address on, or gives it up."""
        end = self.pool.ends[vif]
        if not present(end):
            return
        for address in addresses:
            if "/" in address:
                continue
            full = f"{address}/64" if ":" in address else f"{address}/24"
            subprocess.run(
                ["ip", "-n", netns.name_of(end.owner), "addr", verb, full, "dev", end.device], stderr=subprocess.DEVNULL, check=False
            )

    def _do_guest_writes(self, vm: str, path: str, value: str) -> None:
        self.pool.xenopsd.guest_write(vm, path, value)

    def _do_guest_removes(self, vm: str, path: str) -> None:
        self.pool.xenopsd.guest_remove(vm, path)

    def _do_agent(self, what: str, host: str) -> None:
        known = self.pool.hosts[host]
        if what == "start":
            known.start_agent()
        elif what in ("stop", "kill"):
            known.stop_agent(kill=what == "kill")
        else:
            raise BadInput(f"agent {what} is not known", mend="write agent start, stop or kill HOST")

    def _do_switch(self, what: str, host: str) -> None:
        if what not in ("restart", "kill"):
            raise BadInput(f"switch {what} is not known", mend="write switch restart or kill HOST")
        self.pool.hosts[host].restart_switch(kill=what == "kill")

    def _do_flows_lost(self, host: str) -> None:
        self.pool.hosts[host].lose_flows()

    def _do_xapi(self, what: str) -> None:
        known: dict[str, Callable[[], None]] = {
            "start": self.pool.start_xapi,
            "stop": self.pool.stop_xapi,
            "expire": partial(self.pool.lose_sessions, events=False),
            "lose-events": partial(self.pool.lose_sessions, events=True),
        }
        if what not in known:
            raise BadInput(f"xapi {what} is not known", mend=f"write xapi {', '.join(known)}")
        known[what]()

    def _do_master(self, host: str) -> None:
        if host not in self.pool.hosts:
            raise BadInput(f"host {host} is not known", mend=f"the hosts are {', '.join(self.pool.hosts)}")
        self.pool.new_master(host)

    def _do_ovsdb(self, what: str, host: str) -> None:
        if what != "restart":
            raise BadInput(f"ovsdb {what} is not known", mend="write ovsdb restart HOST")
        self.pool.hosts[host].switch.restart_database()

    def _do_remake_bridge(self, host: str, network: str) -> None:
        """As networkd at times: the bridge made anew, its ports back on it bare."""
        self.pool.remake_bridge(host, network)

    def _do_bond(self, what: str, host: str, network: str) -> None:
        if what not in ("fail", "mend"):
            raise BadInput(f"bond {what} is not known", mend="write bond fail or mend HOST NETWORK")
        self.pool.bond_carrier(host, network, fail=what == "fail")
