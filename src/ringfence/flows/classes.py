"""The classes on one network: every identity that a register can hold, and the tokens by which anybody reaches anybody."""

from collections import Counter
from typing import Dict, FrozenSet, Iterable, List, Set, Tuple

from ..picture.identity import Identity, Token
from .numbers import Numbers


class Classes:
    """Counts who has an identity; ``settle`` says what that changed, and gives numbers to what needs one."""

    def __init__(self, numbers: Numbers, net: int) -> None:
        self._numbers = numbers
        self._net = net
        self._held: Counter = Counter()
        self._needing: Dict[Token, Set[Identity]] = {}
        self._offering: Dict[Token, Set[Identity]] = {}
        self.live: Dict[Token, int] = {}
        """Tokens that somebody needs and somebody offers, with their numbers."""
        self._changed: Set[Identity] = set()
        """That somebody has since, or nobody has any more."""

    def hold(self, identities: Iterable[Identity]) -> None:
        for identity in identities:
            self._held[identity] += 1
            if self._held[identity] == 1:
                self._changed.add(identity)

    def drop(self, identities: Iterable[Identity]) -> None:
        for identity in identities:
            self._held[identity] -= 1
            if not self._held[identity]:
                self._changed.add(identity)

    def settle(self) -> Tuple[Dict[Identity, bool], Dict[Token, bool]]:
        """Identities and tokens whose flows may differ now, and whether there are any."""
        doubtful: Set[Token] = set()
        for identity in self._changed:
            doubtful |= identity.needs | identity.offers
            for tokens, table in ((identity.needs, self._needing), (identity.offers, self._offering)):
                self._index(identity, tokens, table)
        tokens_changed: Dict[Token, bool] = {}
        stale = set(self._changed)
        for token in sorted(doubtful, key=str):
            needing, offering = self._needing.get(token, set()), self._offering.get(token, set())
            lives = bool(needing) and bool(offering)
            if lives != (token in self.live):
                tokens_changed[token] = lives
                stale |= needing | offering
                if lives:
                    self.live[token] = self._numbers.token(self._net, token)
                else:
                    del self.live[token]
                    self._numbers.release_token(self._net, token)
        for identity in self._changed:
            if not self._held[identity]:
                del self._held[identity]
                self._numbers.release_identity(self._net, identity)
        self._changed = set()
        return {identity: identity in self._held for identity in _sorted(stale)}, tokens_changed

    def leave(self) -> None:
        """Nobody is on the network any more: the numbers are free."""
        for token in self.live:
            self._numbers.release_token(self._net, token)
        for identity in self._held:
            self._numbers.release_identity(self._net, identity)

    def _index(self, identity: Identity, tokens: FrozenSet[Token], table: Dict[Token, Set[Identity]]) -> None:
        for token in tokens:
            if self._held[identity]:
                table.setdefault(token, set()).add(identity)
            elif token in table:
                table[token].discard(identity)
                if not table[token]:
                    del table[token]


def _sorted(identities: Iterable[Identity]) -> List[Identity]:
    return sorted(identities, key=lambda one: (one.isolated, sorted(map(str, one.needs)), sorted(map(str, one.offers))))
