"""OpenFlow 1.4 as far as ringfence speaks it, with Open vSwitch's extensions: flows to bytes, and one session a bridge.

``match`` and ``action`` encode what a flow says, ``message`` what is sent, ``session`` sends it, and ``ports`` says in OpenFlow
1.0 what later versions cannot. ``ofctl`` beside this package does the same through ovs-ofctl, and the tests hold one against
the other.
"""

from .ports import PortSession
from .session import Session

__all__ = ["PortSession", "Session"]
