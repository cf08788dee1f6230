"""Tables 30 and 31: may the source reach the destination, and the destination the source.

Each token is a conjunction: who needs it is one clause, who offers it the other. A new party with a known identity
costs no flow here; a new identity costs one flow a token.
"""

from typing import Dict

from ..picture.identity import Identity, Token
from .flow import FlowSet, conjunction, resubmit
from .match import NOTHING, match
from .pipeline import COPY, DESTINATION, ISOLATED, KIND_NETWORK, SOURCE, cookie
from .site import Site

STAGES = (("out", "in", SOURCE, DESTINATION), ("in", "learn", DESTINATION, SOURCE))
"""Table, what follows it, the register of the party that must reach, and of the one that must be reached."""


def shared(flows: FlowSet) -> None:
    for table, after, subject, _ in STAGES:
        flows.add(table, 100, match(**{subject: (0, ISOLATED)}), [resubmit(after)])
        flows.drop(table, 0, NOTHING, "unreachable-{}".format(table))
        flows.drop(table, 1, match(**{COPY: 1}), "unreachable-{}".format(table), counted=False)  # that a stranger gets none is no drop


def token(flows: FlowSet, site: Site, number: int) -> None:
    """A token that somebody needs and somebody offers."""
    for table, after, _, _ in STAGES:
        flows.add(table, 50, match(conj_id=number), [resubmit(after)], cookie(KIND_NETWORK, site.net))


def identity(flows: FlowSet, site: Site, one: Identity, live: Dict[Token, int]) -> None:
    """What a class needs and offers of the tokens that are ``live``, with their numbers."""
    mark, number = cookie(KIND_NETWORK, site.net), site.number(one)
    needs, offers = (sorted(live[t] for t in tokens if t in live) for tokens in (one.needs, one.offers))
    for table, _, subject, other in STAGES:
        if needs:
            flows.add(table, 50, match(**{subject: number}), [conjunction(n, 1) for n in needs], mark)
        if offers:
            flows.add(table, 50, match(**{other: number}), [conjunction(n, 2) for n in offers], mark)
