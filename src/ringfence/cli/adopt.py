"""ringfence adopt: make what was written into a VM's vm-data its policy, after a look at it."""

import json
import sys
from typing import Any, Dict, List, NamedTuple, Optional

from ..errors import BadInput, BadRecord, RingfenceError, Unreachable
from ..records import Record, parse_record
from ..records.addresses import parse_prefix, sort_prefixes
from ..xapi.keys import KEY
from ..xapi.store import mirror_key
from .dry import add_dry_run
from .names import Found
from .pool import Pool, show_line

HELP = "make a proposal in a VM's vm-data its policy; take a copied record over"
NOVA = "vm-data/networking/"


class Offer(NamedTuple):
    """A record that a VIF could have, and where it comes from."""

    found: Found
    record: Record
    source: str


def define(parser: Any) -> None:
    parser.add_argument("vm", help="name or uuid of the VM")
    parser.add_argument("--from", dest="source", choices=("ringfence", "nova"), default="ringfence", help="whose vm-data is read")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    add_dry_run(parser)


def run(options: Any) -> int:
    pool = Pool(options)
    offers = [offer for found in pool.vifs_of(options.vm) for offer in [_offer(options, pool, found)] if offer is not None]
    if not offers:
        sys.stderr.write("ringfence: nothing to adopt for {}\n".format(options.vm))
        return 0
    for found, record, source in offers:
        before = found.row["other_config"].get(KEY)
        line = str(record._replace(mac=found.facts.mac))
        print("{} ({})\n  before: {}\n  after:  {}".format(found.facts.name, source, show_line(before), show_line(line)))
    if options.dry_run:
        if options.verbose:
            pool.preview([("VIF", found.facts.uuid, pool.line(found, record)) for found, record, _ in offers])
        return 0
    if not options.yes and not _agreed():
        sys.stderr.write("ringfence: nothing changed\n")
        return 1
    for found, record, _ in offers:
        pool.change_vif(found, record, told=True)
    return 0


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise BadInput("adopt asks before it changes a policy, and nobody is there to ask", mend="pass --yes")
    sys.stderr.write("adopt? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _offer(options: Any, pool: Pool, found: Found) -> Optional[Offer]:
    if options.source == "nova":
        return _nova(pool, found)
    anchor = found.row["other_config"].get(KEY)
    line, source = _proposal(pool, found, anchor)
    try:
        record = parse_record(line if line is not None else anchor or "")
    except BadRecord as error:
        raise error.at("{} ({})".format(found.facts.name, source)) from None
    if line is None and (anchor is None or record.mac in (None, found.facts.mac)):
        return None
    return Offer(found, record, source)


def _proposal(pool: Pool, found: Found, anchor: Optional[str]) -> Any:
    """What vm-data says now where it differs, else what the agent here saw in it before it put the mirror back."""
    shown = pool.tables["vm"][found.row["VM"]]["xenstore_data"].get(mirror_key(found.facts.device))
    if shown is not None and shown != anchor:
        return shown, "from vm-data"
    host = found.facts.host or (pool.agents.here if pool.local else "")
    if host:
        try:
            kept = pool.agents.ask(host, {"op": "proposal", "vif": found.facts.uuid}, 5.0)["line"]
        except Unreachable as error:
            raise Unreachable("what was proposed is not known: {}".format(error), found.facts.name) from None
        if kept is not None and not _same(kept, anchor):
            return kept, "proposed on {}".format(pool.facts.hosts.get(host, "this host"))
    return None, "copied record"


def _same(line: str, anchor: Optional[str]) -> bool:
    """Whether two lines mean the same, a binding to the MAC left aside."""
    try:
        return anchor is not None and parse_record(line)._replace(mac=None) == parse_record(anchor)._replace(mac=None)
    except RingfenceError:
        return False


def _nova(pool: Pool, found: Found) -> Optional[Offer]:
    """OpenStack's nova (virt/xenapi) writes vm-data/networking/MAC as JSON with ``ips`` and ``ip6s``."""
    data: Dict[str, str] = pool.tables["vm"][found.row["VM"]]["xenstore_data"]
    plain = found.facts.mac.replace(":", "")
    text = next((v for k, v in data.items() if k.startswith(NOVA) and k[len(NOVA) :].lower().replace(":", "") == plain), None)
    if text is None:
        return None
    where = "{}: {}{}".format(found.facts.name, NOVA, plain)
    try:
        listed = json.loads(text)
        families: List[Any] = []
        for key, version in (("ips", 4), ("ip6s", 6)):
            families.append(sort_prefixes(parse_prefix(str(row["ip"]), version) for row in listed.get(key) or [] if _enabled(row)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput("is not what nova writes ({!r})".format(error), where, "write the record with ringfence vif set") from None
    except BadRecord as error:
        raise error.at(where) from None
    return Offer(found, pool.record(found)._replace(ipv4=families[0], ipv6=families[1]), "from nova's vm-data")


def _enabled(row: Dict[str, Any]) -> bool:
    return str(row.get("enabled", "1")) in ("1", "True", "true")
