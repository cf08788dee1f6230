"""Frames compared as a person would: whose it is, and whether two are the same."""

from .ends import End


def from_end(sender: End, frame: bytes) -> bool:
    """Whether a frame is one of the sender's: by its MAC, or by its address where a router passed it on."""
    if frame[6:12] == bytes.fromhex(sender.mac.replace(":", "")):
        return True
    kind, body = core(frame)
    for address in sender.addresses:
        own = address.ip.packed
        if (kind == 0x0800 and body[12:16] == own) or (kind == 0x86DD and body[8:24] == own) or (kind == 0x0806 and body[14:18] == own):
            return True
    return False


def core(frame: bytes) -> tuple[int, bytes]:
    """EtherType and payload, whatever the tags."""
    rest = frame[12:]
    while rest[:2] in (b"\x81\x00", b"\x88\xa8"):
        rest = rest[4:]
    return int.from_bytes(rest[:2], "big"), rest[2:]


def same(known: tuple[int, bytes], frame: bytes) -> bool:
    """The same frame but for destination, tag and padding."""
    kind, body = core(frame)
    shorter = min(len(known[1]), len(body))
    if kind != known[0] or body[:shorter] != known[1][:shorter]:
        return False
    return not body[shorter:].strip(b"\0") and not known[1][shorter:].strip(b"\0")
