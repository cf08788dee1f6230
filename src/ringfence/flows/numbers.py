"""Small numbers for networks, VIFs, classes and tokens: the only history that the flows of a bridge depend on."""

from typing import Dict, List, Set, Tuple

from ..picture.identity import NOBODY, Identity, Token
from ..picture.roster import Space
from .pipeline import ISOLATED

Kept = Dict[str, Dict[str, int]]
"""Numbers by what bears them, by kind."""


class Numbers:
    """Hands out numbers from 1, the smallest free one first. What is released is free once the compilation is over."""

    KINDS = ("network", "vif", "class", "token", "space")

    def __init__(self, kept: Kept = {}) -> None:  # noqa: B006 - read only
        self._known: Kept = {kind: dict(kept.get(kind, {})) for kind in self.KINDS}
        self._taken: Dict[str, Set[int]] = {kind: set(table.values()) for kind, table in self._known.items()}
        self._unused: Dict[str, Set[str]] = {kind: set(table) for kind, table in self._known.items()}
        self._next: Dict[str, int] = dict.fromkeys(self.KINDS, 1)
        self._classes: Dict[Tuple[int, Identity], int] = {}
        """As handed out so far: writing an identity out as a key takes time."""

    def _get(self, kind: str, key: str) -> int:
        table = self._known[kind]
        self._unused[kind].discard(key)
        if key not in table:
            taken, number = self._taken[kind], self._next[kind]
            while number in taken:
                number += 1
            table[key] = number
            taken.add(number)
            self._next[kind] = number + 1
        return table[key]

    def network(self, uuid: str) -> int:
        return self._get("network", uuid)

    def vif(self, uuid: str) -> int:
        return self._get("vif", uuid)

    def space(self, network: int, space: Space) -> int:
        return self._get("space", _space(network, space))

    def token(self, network: int, token: Token) -> int:
        return self._get("token", _token(network, token))

    def identity(self, network: int, identity: Identity) -> int:
        """The class number of an identity on a network; 0 is whoever needs and offers nothing."""
        if identity == NOBODY:
            return 0
        known = self._classes.get((network, identity))
        if known is None:
            number = self._get("class", _class(network, identity))
            known = self._classes[network, identity] = number | ISOLATED if identity.isolated else number
        return known

    def release_network(self, uuid: str) -> None:
        self._unused["network"].add(uuid)

    def release_vif(self, uuid: str) -> None:
        self._unused["vif"].add(uuid)

    def release_space(self, network: int, space: Space) -> None:
        self._unused["space"].add(_space(network, space))

    def release_token(self, network: int, token: Token) -> None:
        self._unused["token"].add(_token(network, token))

    def release_identity(self, network: int, identity: Identity) -> None:
        if identity != NOBODY:
            del self._classes[network, identity]
            self._unused["class"].add(_class(network, identity))

    def settle(self) -> List[int]:
        """The compilation is over: what is not used is free. The numbers of VIFs that became so."""
        free: Dict[str, List[int]] = {}
        for kind, unused in self._unused.items():
            free[kind] = [self._known[kind].pop(key) for key in unused if key in self._known[kind]]
            self._taken[kind].difference_update(free[kind])
            self._next[kind] = min(free[kind] + [self._next[kind]])
            unused.clear()
        return free["vif"]

    def kept(self) -> Kept:
        """What is used: give it to the next allocator. It changes with this one."""
        return self._known


def _space(network: int, space: Space) -> str:
    return "{} {} {}".format(network, space[0], ",".join(sorted(space[1])))


def _token(network: int, token: Token) -> str:
    return "{} {}".format(network, _show(token))


def _class(network: int, identity: Identity) -> str:
    words: List[str] = [str(network), "i" if identity.isolated else "-"]
    for tokens in (identity.needs, identity.offers):
        words.append("|".join(sorted(_show(t) for t in tokens)))
    return " ".join(words)


def _show(token: Token) -> str:
    kind, value = token
    return "{}={}".format(kind, value if isinstance(value, str) else ",".join(str(p) for p in value))
