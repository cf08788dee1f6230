"""What the datapath has cached of one frame must not decide about its neighbour: one that differs in a byte of a header.

Honest frames and all their neighbours go through one datapath that forgets nothing in between, in both orders. A match that
a rule makes and the cached flow lost would show here: the neighbour would go where the frame before it went.
"""

import os
from collections import Counter

from frames import Frames, Somebody
from ringfence.flows import FlowSet
from ringfence_lab.dummy import DummySwitch
from test_agreement import Learning, generated_switch, outputs

POOLS = int(os.environ.get("RINGFENCE_MEGAFLOW_POOLS", "3"))
HEADERS = 86
"""Bytes from the Ethernet header to the end of a neighbour advertisement with its option."""
KINDS = 6
"""Honest frames a pool."""


def neighbours(frame: bytes, frames: Frames) -> list[bytes]:
    """Each byte of the headers changed; and cut off behind it, now and then."""
    found = []
    for at in range(min(HEADERS, len(frame))):
        changed = bytes([frame[at] ^ frames.chance.choice([1, 2, 4, 8, 16, 32, 64, 128, 255])])
        found.append(frame[:at] + changed + frame[at + 1 :])
        if at >= 14 and at % 6 == 0:
            found.append(frame[:at])
    return found


def honest(frames: Frames, flows: FlowSet, access: dict[int, int]) -> list[tuple[Somebody, bytes]]:
    """Frames of VIFs here that arrive somewhere, of as many kinds as there are."""
    kept: dict[tuple, tuple[Somebody, bytes]] = {}
    for _ in range(400):
        sender, frame = frames.draw(0)
        wanted, _ = outputs(flows, frame, sender.port, Learning(access))
        if wanted and sender.port > 100 and sender.port in access:
            kept.setdefault((frame[12:14], frame[20:24], frame[:1] == b"\xff", frame[:2] == b"33", sender.number % 2), (sender, frame))
    return frames.chance.sample(sorted(kept.values()), min(KINDS, len(kept)))


def test_a_frame_opens_no_way_for_its_neighbour(switch: DummySwitch) -> None:
    sent = passed = 0
    for seed in range(100, 100 + POOLS):
        flows, frames, access, _ = generated_switch(switch, seed)
        for sender, frame in honest(frames, flows, access):
            around = neighbours(frame, frames)
            switch.forget()
            learning = Learning(access)
            for number, one in enumerate([frame, *around, frame, *reversed(around), frame]):
                wanted, _ = outputs(flows, one, sender.port, learning)
                left = switch.emit(sender.port, one)
                told = f"seed {seed}, port {sender.port}, frame {number}, {one.hex()} beside {frame.hex()}: {dict(wanted)}, datapath {left}"
                assert Counter(port for port, _ in left) == wanted, told
                sent += 1
                passed += bool(wanted)
    print(f"{sent} frames beside their neighbours in {POOLS} pools, {passed} passed")
    assert passed > 200 * POOLS
    assert sent - passed > 50 * POOLS
