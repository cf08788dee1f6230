"""xenstore as files, and stand-ins for its commands in dom0: a folder a node, its value in ``.value``.

What it does not do: permissions (the lab's guests write through ``guest_write`` alone), watches, transactions.
"""

import shutil
from pathlib import Path

LIMIT = 2048
_COMMANDS = {
    "xenstore-read": 'exec cat "$RINGFENCE_ROOT/xenstore$1/.value" 2>/dev/null\n',
    "xenstore-write": (
        '[ "$(printf %s "$2" | wc -c)" -le 2048 ] || { echo "xenstore-write: $1: too large" >&2; exit 1; }\n'
        'mkdir -p "$RINGFENCE_ROOT/xenstore$1" && printf %s "$2" > "$RINGFENCE_ROOT/xenstore$1/.value"\n'
    ),
    "xenstore-list": 'cd "$RINGFENCE_ROOT/xenstore$1" 2>/dev/null && ls\n',
    "xenstore-rm": '[ -d "$RINGFENCE_ROOT/xenstore$1" ] && rm -rf "$RINGFENCE_ROOT/xenstore$1"\n',
}


class Xenstore:
    def __init__(self, root: Path) -> None:
        self._root = root / "xenstore"
        self._root.mkdir(parents=True)
        commands = root / "bin"
        commands.mkdir()
        for name, text in _COMMANDS.items():
            (commands / name).write_text("#!/bin/sh\n" + text)
            (commands / name).chmod(0o755)

    def write(self, path: str, value: str) -> None:
        """Raises ValueError over 2048 bytes, as oxenstored refuses it."""
        if len(value.encode()) > LIMIT:
            raise ValueError(f"{path}: {len(value.encode())} bytes are more than {LIMIT}")
        node = self._root / path.lstrip("/")
        while True:
            node.mkdir(parents=True, exist_ok=True)
            try:
                (node / ".value").write_text(value)
                return
            except FileNotFoundError:
                continue  # somebody removed the tree meanwhile

    def read(self, path: str) -> str | None:
        node = self._root / path.lstrip("/") / ".value"
        return node.read_text() if node.exists() else None

    def remove(self, path: str) -> None:
        shutil.rmtree(self._root / path.lstrip("/"), ignore_errors=True)

    def tree(self, path: str) -> dict[str, str]:
        """Values below a path, by their path from there."""
        node = self._root / path.lstrip("/")
        while True:
            try:
                return {str(v.parent.relative_to(node)): v.read_text() for v in sorted(node.rglob(".value"))}
            except FileNotFoundError:
                continue  # somebody removed a part of it meanwhile
