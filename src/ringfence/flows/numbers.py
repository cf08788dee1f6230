"""Small numbers for networks, VIFs, classes and tokens: the only history that the flows of a bridge depend on."""

from typing import Any, Dict, List, Set, Tuple

from ..picture.identity import NOBODY, Identity, Token
from .pipeline import ISOLATED


class Numbers:
    """Hands out numbers from 1, the smallest free one first, and keeps those in use between two compilations."""

    KINDS = ("network", "vif", "class", "token", "space")

    def __init__(self, kept: Dict[str, Dict[str, int]] = {}) -> None:  # noqa: B006 - read only
        self._known: Dict[str, Dict[str, int]] = {kind: dict(kept.get(kind, {})) for kind in self.KINDS}
        self._taken: Dict[str, Set[int]] = {kind: set(table.values()) for kind, table in self._known.items()}
        self._used: Dict[str, Set[str]] = {kind: set() for kind in self.KINDS}
        self._next: Dict[str, int] = dict.fromkeys(self.KINDS, 1)
        self._classes: Dict[Tuple[int, Identity], int] = {}
        """As handed out so far: writing an identity out as a key takes time."""

    def _get(self, kind: str, key: str) -> int:
        table = self._known[kind]
        self._used[kind].add(key)
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

    def space(self, network: int, kind: str, groups: Any) -> int:
        return self._get("space", "{} {} {}".format(network, kind, ",".join(sorted(groups))))

    def token(self, network: int, token: Token) -> int:
        return self._get("token", "{} {}".format(network, _show(token)))

    def identity(self, network: int, identity: Identity) -> int:
        """The class number of an identity on a network; 0 is whoever needs and offers nothing."""
        if identity == NOBODY:
            return 0
        known = self._classes.get((network, identity))
        if known is None:
            known = self._classes[network, identity] = self._class(network, identity)
        return known

    def _class(self, network: int, identity: Identity) -> int:
        words: List[str] = [str(network), "i" if identity.isolated else "-"]
        for tokens in (identity.needs, identity.offers):
            words.append("|".join(sorted(_show(t) for t in tokens)))
        number = self._get("class", " ".join(words))
        return number | ISOLATED if identity.isolated else number

    def vif_names(self) -> Dict[int, str]:
        """VIF uuids by number."""
        return {number: uuid for uuid, number in self._known["vif"].items()}

    def kept(self) -> Dict[str, Dict[str, int]]:
        """What was used since this allocator was made: give it to the next one. Unused numbers are free again."""
        return {kind: {key: self._known[kind][key] for key in sorted(used)} for kind, used in self._used.items()}


def _show(token: Token) -> str:
    kind, value = token
    return "{}={}".format(kind, value if isinstance(value, str) else ",".join(str(p) for p in value))
