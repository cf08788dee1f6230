"""ringfence explain: may these two talk, at which end is it decided, and what would change it."""

import ipaddress
from typing import Any, Dict, List, NamedTuple, Optional

from ..errors import BadInput, Unreachable
from ..picture import Party
from ..picture.kind import parse_kind
from ..policy.expect import OUTSIDE, SOMEWHERE
from ..records import Policy
from ..records.addresses import LINK_LOCAL, show_all, show_prefix, single, singles, within
from . import show
from .pool import Pool, show_line

HELP = "whether two parties may talk, why, and what would change it"


class Side(NamedTuple):
    """One party of the question: a VIF, or a machine at an address."""

    name: str
    vif: Optional[str] = None
    address: Optional[str] = None


def define(parser: Any) -> None:
    parser.add_argument("source", metavar="FROM", help="VM/DEVICE, VM, VIF uuid, address, or outside")
    parser.add_argument("target", metavar="TO", help="the same")
    asked = "what the switch is asked about: icmp (default), arp, tcp/443, udp/53"
    parser.add_argument("kind", nargs="?", default="icmp", metavar="KIND", help=asked)
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show the flows that such a frame meets in the switch of the sender's host"
    )


def run(options: Any) -> int:
    """0 where both ends allow it on some network, 1 where not."""
    parse_kind(options.kind)
    pool = Pool(options)
    ones, others = _sides(pool, options.source), _sides(pool, options.target)
    if any(one.vif and one.vif == other.vif for one in ones for other in others):
        raise BadInput("{} and {} are one party".format(options.source, options.target), mend="name two")
    pairs = [(one, other) for one in ones for other in others if _network(pool, one, other)]
    if not pairs:
        raise BadInput("{} and {} share no network".format(options.source, options.target), mend="name VIFs of one network")
    talks = [[answer for answer in (_direction(pool, a, b), _direction(pool, b, a)) if answer] for a, b in pairs]
    answers = [answer for talk in talks for answer in talk]
    good = any(all(answer["allowed"] for answer in talk) for talk in talks)
    differs = False
    for (one, other), talk in zip(pairs, talks):
        passes = all(answer["allowed"] for answer in talk)
        for answer, (sender, receiver) in zip(talk, [pair for pair in ((one, other), (other, one)) if pair[0].vif]):
            differs = _ask_switch(pool, answer, sender, receiver, options.kind, passes or answer["watched"]) or differs
    if options.output != "table":
        show.rows(options.output, ["from", "to", "network", "allowed", "why", "as", "record", "change", "watched", "switch"], answers)
        return 0 if good and not differs else 1
    for answer in answers:
        word = "may talk to" if answer["allowed"] else "may not talk to"
        print("{} {} {} on {}: {}".format(answer["from"], word, answer["to"], answer["network"], answer["why"]))
        if answer["as"]:
            print("  as:     {}; what it sends from any other address is dropped".format(answer["as"]))
        print("  record: {}".format(answer["record"]))
        print("  change: {}".format(answer["change"]))
        if answer["watched"]:
            print("  watch:  nothing is enforced here yet (enforce=watch): it passes, and what may not is counted (ringfence drops)")
        if answer["switch"]:
            print("  switch: {}".format(answer["switch"]))
        for flow in answer["flows"] if options.verbose else ():
            print("    {}".format(flow))
    if len(answers) > len(talks):
        print("frames pass only where both ends allow them: a change at one end alone may not be enough")
    return 0 if good and not differs else 1


def _ask_switch(pool: Pool, answer: Dict[str, Any], one: Side, other: Side, kind: str, passes: bool) -> bool:
    """What the switch of the sender's host does with such a frame; True where it should do otherwise."""
    answer.update(switch="", flows=[])
    host = pool.facts.vifs[one.vif].host if one.vif else ""
    if not host:
        return False
    request = {"op": "trace", "source": one.vif, "target": other.vif, "address": other.address, "kind": kind}
    try:
        found = pool.agents.ask(host, request, 5.0)
    except Unreachable as error:
        answer["switch"] = "not asked: {}".format(error.what)
        return False
    if not found["known"]:
        return False
    answer["flows"] = found["flows"]
    does = "delivers {}".format(kind) if found["delivered"] else "drops {} ({})".format(kind, found["reason"])
    does = "{} {}".format(pool.facts.hosts.get(host, host), does)
    if found["delivered"] == passes:
        answer["switch"] = does
        return False
    answer["switch"] = "{}, which differs from the policy: see ringfence status and ringfence audit".format(does)
    return True


def _sides(pool: Pool, name: str) -> List[Side]:
    if name == OUTSIDE:
        return [Side("outside", address=SOMEWHERE)]
    try:
        address = str(ipaddress.ip_address(name))
    except ValueError:
        found = [pool.vif(name)] if "/" in name or pool.names.of_uuid(name) else pool.vifs_of(name)
        return [Side(one.facts.name, vif=one.facts.uuid) for one in found]
    owners = [v for uuid in pool.picture.networks for v in pool.picture.owners(uuid, ipaddress.ip_network(address))]
    return [Side("{} ({})".format(address, v.name), v.uuid, address) for v in owners] or [Side(address, address=address)]


def _network(pool: Pool, one: Side, other: Side) -> str:
    """uuid of the network that both are on; a machine is on every one. Empty where there is none."""
    found = {pool.facts.vifs[side.vif].network for side in (one, other) if side.vif is not None}
    if not found:
        raise BadInput("neither is a VIF of the pool", mend="name one VM/DEVICE at least")
    return found.pop() if len(found) == 1 and one.vif != other.vif else ""


def _direction(pool: Pool, one: Side, other: Side) -> Optional[Dict[str, Any]]:
    """Whether the first can reach the second, as the first one's record says; None where it is no VIF."""
    if one.vif is None:
        return None
    facts = pool.facts.vifs[one.vif]
    reach = pool.picture.can_reach(one.vif, Party(other.vif, other.address))
    return {
        "from": one.name,
        "to": other.name,
        "network": pool.facts.networks[facts.network].name,
        "allowed": reach.allowed,
        "why": reach.reason,
        "as": _uses(pool, one.vif),
        "record": show_line(facts.line),
        "change": _change(pool, one.vif, other, reach),
        "watched": pool.picture.view_of(one.vif).watches(facts),
    }


def _change(pool: Pool, vif: str, other: Side, reach: Any) -> str:
    """The command that would make it the other way round."""
    name = pool.facts.vifs[vif].word
    view = pool.picture.view_of(vif)
    if vif not in view.members:
        return "ringfence vif show {}".format(name)
    policy = view.members[vif].policy
    if reach.allowed and reach.token is None:
        return "ringfence vif set {} mode=isolated".format(name)
    if reach.allowed:
        kind, value = reach.token
        if kind == "group":
            return "ringfence group remove {} {}".format(value, name)
        rest = ",".join(show_prefix(p) for p in policy.peers if p not in value) if kind == "peers" else ""
        return "ringfence vif set {} {}".format(name, "peers={}".format(rest) if kind == "peers" else "external=deny")
    if other.vif is not None and other.vif not in view.members:
        return "ringfence vif show {}".format(pool.facts.vifs[other.vif].word)
    if other.vif is None and not policy.external and not view.is_inside(single(ipaddress.ip_address(str(other.address)))):
        return "ringfence vif set {} external=allow".format(name)
    address = other.address or next(iter(_own(view.members[str(other.vif)].policy)), None)
    if address is None:
        return "ringfence group add GROUP {} {}".format(name, pool.facts.vifs[str(other.vif)].word)
    return "ringfence vif set {} peers={}".format(name, ",".join([show_prefix(p) for p in policy.peers] + [address]))


def _own(policy: Policy) -> List[str]:
    """The single addresses that a VIF may use, but for link-local ones."""
    return show_all(singles(policy.own))


def _uses(pool: Pool, vif: str) -> str:
    """What a VIF may send from."""
    member = pool.picture.view_of(vif).members.get(vif)
    if member is None or member.open or member.router:
        return ""
    return ", ".join(show_prefix(p) for p in member.policy.own if not within(p, LINK_LOCAL)) or "no address but its link-local one"
