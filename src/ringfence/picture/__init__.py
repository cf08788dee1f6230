"""One immutable picture of the pool: who is on which network, and who can reach whom."""

from .facts import Facts, NetworkFacts, VifFacts
from .identity import Identity, Reach
from .network import NetworkView
from .picture import Party, Picture
from .roster import Member

__all__ = ["Facts", "Identity", "Member", "NetworkFacts", "NetworkView", "Party", "Picture", "Reach", "VifFacts"]
