"""ringfence vif: list, show, set and clear records."""

from typing import Any, Dict

from ..errors import BadRecord
from ..records.addresses import show_all
from ..xapi.keys import KEY
from . import show
from .dry import add_dry_run
from .names import Found
from .pool import Pool, edit, refuse_shared, show_line

HELP = "list, show, set and clear the records of VIFs"


def define(parser: Any) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.required = True
    actions.add_parser("list", help="all VIFs with their mode, addresses and groups")
    one = actions.add_parser("show", help="one VIF: its record, what is enforced, and where that comes from")
    one.add_argument("vif", help="VM/DEVICE or the VIF's uuid")
    put = actions.add_parser("set", help="set keys of a record; an empty value takes a key out")
    put.add_argument("vif", help="VM/DEVICE or the VIF's uuid")
    put.add_argument("words", nargs="+", metavar="KEY=VALUE", help="mode, ipv4, ipv6, groups, peers, external, services, x-NAME")
    put.add_argument("--shared", action="store_true", help="also where another VIF owns an address (VRRP, a common list)")
    gone = actions.add_parser("clear", help="remove a record: the VIF is as its network and XAPI say")
    gone.add_argument("vif", help="VM/DEVICE or the VIF's uuid")
    for action in (put, gone):
        add_dry_run(action)


def run(options: Any) -> int:
    pool = Pool(options)
    if options.action == "list":
        data = [_row(pool, uuid) for uuid in sorted(pool.facts.vifs, key=lambda u: pool.facts.vifs[u].name)]
        show.rows(options.output, ["vif", "network", "mode", "addresses", "groups", "closed"], data)
        return 0
    found = pool.vif(options.vif)
    if options.action == "show":
        _show(options, pool, found)
    elif options.action == "set":
        before = pool.record(found)
        try:
            after = edit(before, options.words)
        except BadRecord as error:
            raise error.at(found.facts.name) from None
        if not options.shared:
            refuse_shared(pool, found, [a for a in after.own if a not in before.own])
        pool.change_vif(found, after)
    else:
        pool.change_vif(found, None)
    return 0


def _row(pool: Pool, uuid: str) -> Any:
    vif = pool.facts.vifs[uuid]
    view = pool.picture.networks[vif.network]
    row: Dict[str, Any] = {
        "vif": vif.name,
        "uuid": uuid,
        "network": view.facts.name,
        "mode": "",
        "addresses": [],
        "groups": [],
        "closed": None,
    }
    reason = pool.picture.why_closed(uuid)
    if reason is not None:
        row.update(mode="closed" if reason else "disabled", closed=reason or None)
        return row
    policy = view.members[uuid].policy
    row.update(mode=policy.mode, addresses=show_all(policy.own), groups=sorted(policy.groups))
    return row


def _show(options: Any, pool: Pool, found: Found) -> None:
    line = found.row["other_config"].get(KEY)
    network = pool.facts.networks[found.facts.network]
    reason = pool.picture.why_closed(found.facts.uuid)
    data = dict(_row(pool, found.facts.uuid), record=line, network_line=network.line, mac=found.facts.mac)
    if options.output in show.WHOLE:
        show.rows(options.output, [], [data])
        return
    network_view = pool.picture.view_of(found.facts.uuid)
    print("{}  {}  on {}  MAC {}".format(found.facts.name, found.facts.uuid, network.name, found.facts.mac))
    print("  record:    {}".format(show_line(line)))
    print("  network:   {}".format(network.line or "(no line)"))
    if network_view.watched:
        print("  watched:   nothing is enforced on its network; with enforce=on this would be:")
    if reason is not None:
        print("  enforced:  {}".format("closed: {}".format(reason) if reason else "disabled"))
        return
    policy = network_view.members[found.facts.uuid].policy
    print("  enforced:  {}".format(data["mode"]))
    print("  addresses: {}".format(" ".join(show_all(policy.own)) or "none"))
    print("  groups:    {}".format(" ".join(sorted(policy.groups)) or "none"))
    print("  peers:     {}".format(" ".join(show_all(policy.peers)) or "none"))
    print("  external:  {}".format("allow" if policy.external else "deny"))
