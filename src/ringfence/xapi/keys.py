"""The keys of ours in XAPI's other_config maps, and what they mean for a VIF's locking mode."""

from .. import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Dict

KEY = "ringfence"
SAVED_MODE = "ringfence-locking-mode"
"""VIF.other_config: the locking mode that the VIF had before ``no-agent=closed`` made it ``disabled``."""


def own_mode(mode: str, other_config: "Dict[str, str]") -> str:
    """A VIF's locking mode as it is meant: what ``no-agent=closed`` put aside counts, not what it put there."""
    return other_config.get(SAVED_MODE, mode) if mode.lower() == "disabled" else mode
