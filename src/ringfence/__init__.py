"""ringfence: guest isolation for XenServer and XCP-ng on Open vSwitch."""

__version__ = "0.1.0"

TYPE_CHECKING = False
"""As ``typing`` has it. What the hook loads takes this one, and quotes its annotations: every start of a VM waits for
the hook, and Python 3.6 takes longer to load ``typing`` than all of ringfence that a plug needs.
"""
