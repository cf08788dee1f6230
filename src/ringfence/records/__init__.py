"""The policy as text: one line a VIF, a network and a pool; pure values, no I/O."""

from .effective import Closed, Policy, XapiFields, effective
from .network import NetworkLine, parse_network
from .pool import PoolLine, parse_pool
from .record import Record, parse_record

__all__ = [
    "Closed",
    "NetworkLine",
    "Policy",
    "PoolLine",
    "Record",
    "XapiFields",
    "effective",
    "parse_network",
    "parse_pool",
    "parse_record",
]
