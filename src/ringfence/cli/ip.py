"""ringfence ip: the own addresses of a VIF, added and removed live."""

import sys
from typing import Any, List, Tuple

from ..errors import BadInput, BadRecord
from ..records.addresses import Prefix, parse_prefix, show_all, show_prefix, single, sort_prefixes, within
from . import show
from .dry import add_dry_run
from .names import Found
from .pool import Pool, refuse_shared

HELP = "add, remove and list own addresses"


def define(parser: Any) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.required = True
    for name, text in (("add", "let a VIF use more addresses"), ("remove", "let a VIF use an address no more")):
        action = actions.add_parser(name, help=text)
        action.add_argument("vif", help="VM/DEVICE or the VIF's uuid")
        action.add_argument("addresses", nargs="+", metavar="ADDRESS", help="address or prefix")
        add_dry_run(action)
        if name == "add":
            action.add_argument("--shared", action="store_true", help="also where another VIF owns the address (VRRP, a common list)")
    listed = actions.add_parser("list", help="the own addresses of a VIF")
    listed.add_argument("vif", help="VM/DEVICE or the VIF's uuid")
    who = actions.add_parser("who", help="which VIFs own an address")
    who.add_argument("address", help="address")


def run(options: Any) -> int:
    pool = Pool(options)
    if options.action == "who":
        return _who(options, pool)
    found = pool.vif(options.vif)
    if options.action == "list":
        own = _own(pool, found)
        show.rows(options.output, ["address"], [{"address": text} for text in show_all(own[0] + own[1])])
        return 0
    try:
        given = [parse_prefix(text) for text in options.addresses]
    except BadRecord as error:
        raise BadInput(error.what, found.facts.name, error.mend) from None
    ipv4, ipv6 = _own(pool, found)
    if options.action == "add":
        if not options.shared:
            refuse_shared(pool, found, [a for a in given if a not in ipv4 + ipv6])
        ipv4, ipv6 = sort_prefixes(ipv4 + _of(given, 4)), sort_prefixes(ipv6 + _of(given, 6))
    else:
        ipv4, ipv6 = tuple(a for a in ipv4 if a not in given), tuple(a for a in ipv6 if a not in given)
    # A family that was not named stays with XAPI's own list.
    record = pool.record(found)
    if _of(given, 4):
        record = record._replace(ipv4=ipv4)
    if _of(given, 6):
        record = record._replace(ipv6=ipv6)
    pool.change_vif(found, record)
    return 0


def _of(addresses: List[Prefix], version: int) -> Tuple[Prefix, ...]:
    return tuple(a for a in addresses if a.version == version)


def _own(pool: Pool, found: Found) -> Tuple[Tuple[Prefix, ...], Tuple[Prefix, ...]]:
    """What holds now, by family: the record's list, else XAPI's own."""
    record, xapi = pool.record(found), found.facts.xapi
    ipv4 = record.ipv4 if record.ipv4 is not None else tuple(parse_prefix(a, 4, lenient=True) for a in xapi.ipv4_allowed)
    ipv6 = record.ipv6 if record.ipv6 is not None else tuple(parse_prefix(a, 6, lenient=True) for a in xapi.ipv6_allowed)
    return ipv4, ipv6


def _who(options: Any, pool: Pool) -> int:
    address = parse_prefix(options.address)
    data = []
    for uuid, view in pool.picture.networks.items():
        for member in sorted(view.members.values(), key=lambda member: member.vif.name):
            held = [own for own in member.policy.own if within(address, own)]
            if held:
                data.append({"vif": member.vif.name, "network": view.facts.name, "by": show_prefix(held[0])})
        if address in [single(g.network_address) for g in view.line.gateways]:
            data.append({"vif": "(gateway)", "network": pool.facts.networks[uuid].name, "by": show_prefix(address)})
    show.rows(options.output, ["vif", "network", "by"], data)
    if not data:
        sys.stderr.write("ringfence: nobody owns {}\n".format(show_prefix(address)))
    return 0 if data else 1
