"""ringfence check: what in the pool's policy is probably not meant, and how to mend it."""

import ipaddress
from typing import Any, Dict, Iterator, List, Set

from ..errors import RingfenceError
from ..picture.lint import ERROR, HINT, SEVERITIES, WARNING, Finding, lint
from ..records.addresses import LINK_LOCAL, single, within
from ..words import counted
from . import show
from .policy_file import plan_of
from .pool import Pool

HELP = "look for what is probably not meant: duplicates, one-sided peers, networks without inside"
XO_RULES = "xo:sdn-controller:of-rules"
"""VIF.other_config: where Xen Orchestra keeps its traffic rules."""


def define(parser: Any) -> None:
    parser.add_argument("-f", "--file", metavar="FILE", help="look at what the pool would be under this policy file")
    parser.add_argument("--hints", action="store_true", help="show also what is merely odd")


def run(options: Any) -> int:
    """0 where nothing was found but hints, 1 where there is a warning or an error."""
    pool = Pool(options)
    if options.file:
        plan = plan_of(pool, options.file, prune=False)
        found = [Finding(ERROR, "expect", text, "mend the policy, or what is expected of it") for text in plan.broken]
        found += lint(plan.after)
    else:
        found = lint(pool.picture) + list(_others(pool)) + list(_reported(pool)) + list(_hosts(pool))
    found.sort(key=lambda one: SEVERITIES.index(one.severity))
    shown = [one for one in found if options.hints or one.severity != HINT or options.output != "table"]
    if options.output == "table":
        for one in shown:
            where = "{}: ".format(one.where) if one.where else ""
            print("{}: {}{}\n  mend: {}".format(one.severity, where, one.what, one.mend))
        print(", ".join(counted(sum(one.severity == kind for one in found), kind) for kind in SEVERITIES), end="")
        print(" (--hints shows them)" if len(shown) < len(found) else "")
    else:
        show.rows(options.output, list(Finding._fields), [dict(one._asdict()) for one in found])
    return 1 if any(one.severity in (ERROR, WARNING) for one in found) else 0


def _others(pool: Pool) -> Iterator[Finding]:
    """Who else writes into the same switches."""
    for row in pool.tables["vif"].values():
        vif = pool.facts.vifs.get(row["uuid"])
        if vif is not None and XO_RULES in row["other_config"] and pool.picture.view_of(vif.uuid).fenced:
            what = "Xen Orchestra's traffic rules do nothing on this network: ringfence's stand above them"
            yield Finding(WARNING, vif.name, what, "say it in the record, and remove the rules in Xen Orchestra")
    for row in pool.session.call("SDN_controller.get_all_records").values():
        what = "an SDN controller ({}) may write flows into the same bridges".format(row["address"] or row["protocol"])
        yield Finding(WARNING, "pool", what, "xe sdn-controller-forget uuid={}, unless both are meant".format(row["uuid"]))


def _reported(pool: Pool) -> Iterator[Finding]:
    """Addresses that guests say they use, and may not."""
    metrics: Dict[str, Dict[str, Any]] = pool.session.call("VM_guest_metrics.get_all_records")
    reported: Dict[str, Dict[str, str]] = {
        row["uuid"]: metrics[row["guest_metrics"]]["networks"] for row in pool.tables["vm"].values() if row.get("guest_metrics") in metrics
    }
    for vif in pool.facts.vifs.values():
        member = pool.picture.view_of(vif.uuid).members.get(vif.uuid)
        if member is None or member.open or member.router:
            continue
        for address in _addresses(reported.get(vif.vm, {}), vif.device):
            entry = single(address)
            if not within(entry, LINK_LOCAL) and not any(within(entry, own) for own in member.policy.own):
                what = "the guest says that it uses {}, which its record does not list: its frames are dropped".format(address)
                yield Finding(WARNING, vif.name, what, "ringfence ip add {} {}".format(vif.word, address))


def _addresses(networks: Dict[str, str], device: str) -> List[Any]:
    """Of ``0/ip``, ``0/ipv4/1``, ``0/ipv6/0``: what the guest tools write; what is no address is left out."""
    found = set()
    for key, value in networks.items():
        name, _, kind = key.partition("/")
        if name == device and kind.partition("/")[0] in ("ip", "ipv4", "ipv6"):
            try:
                found.add(ipaddress.ip_address(value))
            except ValueError:
                continue
    return sorted(found, key=lambda address: (address.version, address))


def _hosts(pool: Pool) -> Iterator[Finding]:
    """Hosts whose agent does not answer, and those that show no sign of ringfence, as the others see it."""
    missing: Set[str] = set()
    for host, answer in sorted(pool.agents.ask_all(pool.agents.names, {"op": "status"}, 5.0).items()):
        if isinstance(answer, RingfenceError):
            yield Finding(ERROR, "host {}".format(pool.agents.names[host]), answer.what, answer.mend or "start ringfenced there")
        else:
            missing |= set(answer["hosts_without_agent"])
    for name in sorted(missing):
        yield Finding(ERROR, "host {}".format(name), "no sign of ringfence", "start or install ringfenced there")
