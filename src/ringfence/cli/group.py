"""ringfence group: who is in a group together."""

import sys
from typing import Any, Dict, List, Set

from ..records.record import parse_group
from . import show
from .dry import add_dry_run
from .pool import Pool

HELP = "list and show groups, add and remove members"


def define(parser: Any) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.required = True
    actions.add_parser("list", help="all groups by network, with the number of their members")
    one = actions.add_parser("show", help="the members of a group")
    one.add_argument("group")
    for name, text in (("add", "put VIFs into a group"), ("remove", "take VIFs out of a group")):
        action = actions.add_parser(name, help=text)
        action.add_argument("group")
        action.add_argument("vifs", nargs="+", metavar="VIF", help="VM/DEVICE or the VIF's uuid")
        add_dry_run(action)


def run(options: Any) -> int:
    pool = Pool(options)
    if options.action == "list":
        groups: Dict[Any, Set[str]] = {}
        for view in pool.picture.networks.values():
            for member in view.members.values():
                for group in member.policy.groups:
                    groups.setdefault((group, view.facts.name), set()).add(member.vif.name)
        data = [{"group": g, "network": n, "members": len(m)} for (g, n), m in sorted(groups.items())]
        show.rows(options.output, ["group", "network", "members"], data)
        return 0
    group = parse_group(options.group)
    if options.action == "show":
        members: List[Dict[str, Any]] = []
        for view in pool.picture.networks.values():
            for member in view.members.values():
                if group in member.policy.groups:
                    members.append({"vif": member.vif.name, "network": view.facts.name, "mode": member.policy.mode})
        show.rows(options.output, ["vif", "network", "mode"], sorted(members, key=lambda row: row["vif"]))
        if not members:
            sys.stderr.write("ringfence: no VIF is in group {}: see ringfence group list\n".format(group))
        return 0 if members else 1
    found = [pool.vif(name) for name in options.vifs]
    records = []
    for one in found:
        record = pool.record(one)
        groups_after = record.groups | {group} if options.action == "add" else record.groups - {group}
        records.append(record._replace(groups=groups_after))
        pool.line(one, records[-1])  # all are looked at before any is written
    for one, record in zip(found, records):
        pool.change_vif(one, record)
    return 0
