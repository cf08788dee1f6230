"""What a party is to others: the one place where two parties are compared.

A *token* is something that one party needs and the other offers: a shared group, an entry in a peer list, being
external. An isolated party reaches another exactly when it needs a token that the other offers. ``can_reach`` and
the compiled flows both work on tokens, so there is no second opinion of the policy.
"""

from functools import lru_cache
from typing import FrozenSet, NamedTuple, Optional, Tuple, Union

from ..records.addresses import Prefix, show_prefix

Token = Tuple[str, Union[str, Tuple[Prefix, ...]]]
EXTERNAL: Token = ("external", "")


class Identity(NamedTuple):
    """A party at one address: what it needs (only an isolated VIF needs anything) and what it offers."""

    isolated: bool = False
    needs: FrozenSet[Token] = frozenset()
    offers: FrozenSet[Token] = frozenset()


NOBODY = Identity()


@lru_cache(maxsize=1 << 15)
def same(identity: Identity) -> Identity:
    """One object for all that are equal: thousands of VIFs are of one group."""
    return identity


class Reach(NamedTuple):
    """An answer with its reason, and the token that gave it."""

    allowed: bool
    reason: str
    token: Optional[Token] = None

    def __bool__(self) -> bool:
        return self.allowed


def group(name: str) -> Token:
    return ("group", name)


def peers(entries: Tuple[Prefix, ...]) -> Token:
    return ("peers", entries)


def show_token(token: Token) -> str:
    kind, value = token
    if kind == "group":
        return "both are in group {}".format(value)
    if kind == "peers":
        return "it is one of the peers {}".format(",".join(show_prefix(p) for p in value if not isinstance(p, str)))
    return "it is external"


def reaches(one: Identity, other: Identity) -> Reach:
    """Whether ``one`` can reach ``other`` (spec: the three clauses); anyone not isolated can."""
    if not one.isolated:
        return Reach(True, "it is not isolated")
    shared = sorted(one.needs & other.offers, key=lambda t: (t[0] != "group", t[0], str(t[1])))
    if shared:
        return Reach(True, show_token(shared[0]), shared[0])
    return Reach(False, "no shared group, no peer entry and not external")
