"""What a policy is expected to do: ``blue1 reaches blue2 tcp/5432``, ``green* reaches no blue*``."""

import ipaddress
from fnmatch import fnmatchcase
from typing import Iterator, List, NamedTuple, Optional, Tuple, Union

from ..errors import BadInput
from ..picture import Party, Picture, VifFacts
from ..picture.kind import Kind, parse_kind

OUTSIDE = "outside"
SOMEWHERE = "192.0.2.1"
"""An address beyond every network (RFC 5737): whoever is outside and no gateway."""
End = Union[VifFacts, str]
"""A VIF, or the address of a machine."""


class Expectation(NamedTuple):
    """``FROM reaches [no] TO [KIND]``: ends are VMs or VIFs by name, with * and ?, addresses, or ``outside``."""

    source: str
    target: str
    reach: bool
    kind: Kind

    def __str__(self) -> str:
        kind = "{}/{}".format(*self.kind) if self.kind.port else self.kind.name
        words = [self.source, "reaches"] + ([] if self.reach else ["no"]) + [self.target] + ([] if kind == "icmp" else [kind])
        return " ".join(words)


def parse_expectation(text: str) -> Expectation:
    """Raises BadInput."""
    words = text.split()
    reach = words[2:3] != ["no"]
    rest = words[2:] if reach else words[3:]
    if len(words) < 3 or words[1] != "reaches" or len(rest) not in (1, 2):
        raise BadInput(
            "{!r} cannot be expected".format(text), mend="write: FROM reaches TO, or FROM reaches no TO, and a kind such as tcp/443"
        )
    return Expectation(words[0], rest[0], reach, parse_kind(rest[1] if len(rest) == 2 else "icmp"))


def broken(picture: Picture, expectation: Expectation) -> List[str]:
    """Why an expectation does not hold, a line each; empty where it does."""
    sources, targets = list(_ends(picture, expectation.source)), list(_ends(picture, expectation.target))
    for word, found in ((expectation.source, sources), (expectation.target, targets)):
        if not found:
            return ["{}: nothing is called {}".format(expectation, word)]
    pairs = [(a, b) for a in sources for b in targets if _together(picture, a, b)]
    if not pairs and expectation.reach:
        return ["{}: they are on no network together".format(expectation)]
    found_wrong = []
    for a, b in pairs:
        allowed, why = _exchange(picture, a, b)
        if allowed != expectation.reach:
            word = "reaches" if allowed else "does not reach"
            found_wrong.append("{}: {} {} {}: {}".format(expectation, _name(a), word, _name(b), why))
    return found_wrong


def _ends(picture: Picture, word: str) -> Iterator[End]:
    if word == OUTSIDE:
        yield SOMEWHERE
        return
    try:
        address = ipaddress.ip_network(word)
    except ValueError:
        for vif in sorted(picture.facts.vifs.values(), key=lambda v: (v.name, v.uuid)):
            if fnmatchcase(vif.name, word) or fnmatchcase(vif.vm_name, word) or word in (vif.uuid, vif.vm):
                yield vif
        return
    owners = {vif.uuid: vif for network in picture.networks for vif in picture.owners(network, address)}
    if owners:
        yield from owners.values()
    else:
        yield word


def _together(picture: Picture, a: End, b: End) -> bool:
    if isinstance(a, str) and isinstance(b, str):
        return False
    if isinstance(a, str) or isinstance(b, str):
        return True
    return a.uuid != b.uuid and picture.view_of(a.uuid) is picture.view_of(b.uuid)


def _exchange(picture: Picture, a: End, b: End) -> Tuple[bool, str]:
    """Frames pass only where every end that is a VIF allows it."""
    reaches = [picture.can_reach(one.uuid, _party(other)) for one, other in ((a, b), (b, a)) if not isinstance(one, str)]
    refusal: Optional[str] = next((reach.reason for reach in reaches if not reach.allowed), None)
    return (True, reaches[0].reason) if refusal is None else (False, refusal)


def _party(end: End) -> Party:
    return Party(address=end) if isinstance(end, str) else Party(vif=end.uuid)


def _name(end: End) -> str:
    return end if isinstance(end, str) else end.name
