"""ringfence: guest isolation for XenServer and XCP-ng on Open vSwitch."""

__version__ = "0.1.0"
