"""Who reaches whom, by frames, beside what the picture says."""

import contextlib
import os
import select
import socket
import time

from ringfence.picture import Party, Picture
from ringfence.xapi.rows import CLASSES, rows_of
from ringfence_lab.ends import End
from ringfence_lab.pool import Pool
from ringfence_lab.probe import packet_socket, present

BURST = 24
PATIENCE_S = 5.0
QUIET_S = 0.15
PAYLOAD = 42
"""Where the payload of UDP over IPv4 begins in a frame."""
Seen = set[tuple[str, str]]
"""Sender and receiver; a sender of broadcasts ends in ``*``."""


def picture_of(pool: Pool) -> Picture:
    """What the database says, read as ringfence reads it."""
    names = {"vif": "VIF", "vm": "VM"}
    with pool.db.changed:
        return Picture(rows_of({kind: dict(pool.db.rows[names.get(kind, kind)]) for kind in CLASSES}).facts)


def expected(pool: Pool, ends: list[End]) -> Seen:
    """Every pair that may exchange frames: both must reach each other, at the addresses that the frames bear."""
    picture = picture_of(pool)
    uuids = {end.name: pool.db.get("VIF", pool.vifs[end.name])["uuid"] for end in ends}
    pairs: Seen = set()
    for one in ends:
        for other in ends:
            if one is other or picture.facts.vifs[uuids[one.name]].network != picture.facts.vifs[uuids[other.name]].network:
                continue
            mine, theirs = one.addresses[0].ip, other.addresses[0].ip
            there = picture.can_reach(uuids[one.name], Party(vif=uuids[other.name], address=theirs))
            back = picture.can_reach(uuids[other.name], Party(vif=uuids[one.name], address=mine))
            if there and back:
                pairs.add((one.name, other.name))
            # A broadcast is to no address of the receiver.
            if picture.can_reach(uuids[one.name], Party(vif=uuids[other.name])) and back:
                pairs.add((f"{one.name}*", other.name))
    return pairs


def _frame(source: End, target: End | None, mark: bytes) -> bytes:
    """UDP from the sender's first address to the receiver's, or to everybody."""
    mac = bytes.fromhex(source.mac.replace(":", ""))
    to = b"\xff" * 6 if target is None else bytes.fromhex(target.mac.replace(":", ""))
    theirs = b"\xff" * 4 if target is None else target.addresses[0].ip.packed
    body = mark.ljust(40, b"\0")
    udp = b"\x0f\xa0\x00\x09" + (8 + len(body)).to_bytes(2, "big") + b"\0\0" + body
    head = b"\x45\0" + (20 + len(udp)).to_bytes(2, "big") + b"\0\0\0\0\x40\x11\0\0" + source.addresses[0].ip.packed + theirs
    total = sum(int.from_bytes(head[n : n + 2], "big") for n in range(0, 20, 2))
    total = (total >> 16) + (total & 0xFFFF)
    head = head[:10] + (~(total + (total >> 16)) & 0xFFFF).to_bytes(2, "big") + head[12:]
    return to + mac + b"\x08\0" + head + udp


def seen(ends: list[End], wanted: Seen) -> Seen:
    """Every VIF sends to every other one and to all; which of it came. Waits for what is wanted, and for what is not."""
    nonce = os.urandom(6).hex().encode()
    with contextlib.ExitStack() as stack:
        sockets = {stack.enter_context(packet_socket(end)): end for end in ends}
        by_name = {end.name: raw for raw, end in sockets.items()}
        found: Seen = set()

        def read(wait: float) -> bool:
            ready, _, _ = select.select(list(sockets), [], [], wait)
            new = False
            for raw in ready:
                while True:
                    try:
                        frame, address = raw.recvfrom(2048)
                    except BlockingIOError:
                        break
                    if frame[PAYLOAD : PAYLOAD + len(nonce)] == nonce and address[2] != socket.PACKET_OUTGOING:
                        sender, target = frame[PAYLOAD + len(nonce) :].split(b"\0")[0].decode().split(">")
                        at = sockets[raw].name
                        pair = (sender if target == at else f"{sender}*" if target == "*" else f"{sender} (to {target})", at)
                        new = new or pair not in found
                        found.add(pair)
            return new

        count = 0
        for one in ends:
            for other in [*ends, None]:
                if other is one:
                    continue
                mark = nonce + f"{one.name}>{other.name if other else '*'}".encode()
                by_name[one.name].send(_frame(one, other, mark))
                count += 1
                if count % BURST == 0:
                    read(0.002)
        deadline = time.monotonic() + PATIENCE_S
        while not wanted <= found and time.monotonic() < deadline:
            read(0.05)
        while read(QUIET_S):
            pass
        return found


def check(pool: Pool) -> str:
    """Empty where frames and picture agree, else the first differences."""
    ends = [pool.ends[name] for name in pool.vifs if present(pool.ends[name])]
    wanted = expected(pool, ends)
    found = seen(ends, wanted)
    if wanted - found:  # once more: a guest's own kernel may have been late
        found = found & wanted | (found - wanted) | (seen(ends, wanted) & wanted)
    parts = []
    for what, rest in (("must not have come", found - wanted), ("did not come", wanted - found)):
        if rest:
            parts.append(f"{len(rest)} {what}: " + ", ".join(f"{a} -> {b}" for a, b in sorted(rest)[:6]))
    return "; ".join(parts)
