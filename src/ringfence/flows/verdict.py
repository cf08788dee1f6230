"""Tables 30 and 31: may the source reach the destination, and the destination the source.

Each token is a conjunction: who needs it is one clause, who offers it the other. A new party with a known identity
costs no flow here; a new identity costs one flow a token.
"""

from typing import Dict, List, Set

from ..picture.identity import Identity, Token
from .fields import match
from .flow import Action, FlowSet, conjunction, resubmit
from .pipeline import DESTINATION, ISOLATED, KIND_NETWORK, SOURCE, cookie
from .site import Site

STAGES = (("out", "in", SOURCE, DESTINATION), ("in", "learn", DESTINATION, SOURCE))
"""Table, what follows it, the register of the party that must reach, and of the one that must be reached."""


def shared(flows: FlowSet) -> None:
    for table, after, subject, _ in STAGES:
        flows.add(table, 100, match(**{subject: (0, ISOLATED)}), [resubmit(after)])
        flows.drop(table, 0, (), "unreachable-{}".format(table))


def network(flows: FlowSet, site: Site, identities: Dict[int, Identity]) -> None:
    needed: Set[Token] = set()
    offered: Set[Token] = set()
    for identity in identities.values():
        needed |= identity.needs
        offered |= identity.offers
    live = sorted(needed & offered, key=str)
    mark = cookie(KIND_NETWORK, site.net)
    ids = {token: site.numbers.token(site.net, token) for token in live}
    for table, after, subject, other in STAGES:
        for token in live:
            flows.add(table, 50, match(conj_id=ids[token]), [resubmit(after)], mark)
        for number, identity in sorted(identities.items()):
            needs: List[Action] = [conjunction(ids[t], 1) for t in live if t in identity.needs]
            offers: List[Action] = [conjunction(ids[t], 2) for t in live if t in identity.offers]
            if needs:
                flows.add(table, 50, match(**{subject: number}), needs, mark)
            if offers:
                flows.add(table, 50, match(**{other: number}), offers, mark)
