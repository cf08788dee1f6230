"""Writing lines into XAPI: one key of a map at a time, never the whole map."""

from typing import Optional

from .keys import KEY
from .session import Session

MIRROR = "vm-data/ringfence/"
"""Where the mirror's keys begin, in VM.xenstore_data and below a domain in xenstore."""


def mirror_key(device: str) -> str:
    return MIRROR + device


def write_line(session: Session, kind: str, ref: str, line: Optional[str]) -> None:
    """Set or (None) remove ``other_config:ringfence`` of a VIF, network or pool; what is there already is left alone."""
    write_key(session, kind, ref, "other_config", KEY, line)


def write_key(session: Session, kind: str, ref: str, field: str, key: str, value: Optional[str]) -> None:
    current = session.call("{}.get_{}".format(kind, field), ref)
    if current.get(key) == value:
        return
    if key in current:
        session.call("{}.remove_from_{}".format(kind, field), ref, key)
    if value is not None:
        session.call("{}.add_to_{}".format(kind, field), ref, key, value)
