"""Pages whose ``console`` blocks are typed into a shell, line by line, and what is printed compared.

A line that begins with ``$`` is typed; what follows, up to the next one, is expected. ``…`` stands for anything within a
line, and a line of ``…`` alone for any lines.
"""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TYPING_S = 0.6
END = "--- that was all, status "


class Typed(NamedTuple):
    line: int
    command: str
    expected: str


def typed(page: Path) -> list[Typed]:
    """What the page has a reader type, in its order."""
    found: list[Typed] = []
    inside = False
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("$ "):
            found.append(Typed(number, line[2:], ""))
        elif inside and found:
            found[-1] = found[-1]._replace(expected=f"{found[-1].expected}{line}\n")
    return found


def pattern(expected: str) -> re.Pattern[str]:
    out = ""
    for line in expected.splitlines():
        out += "(?:.*\n)*?" if line == "…" else ".*?".join(re.escape(part) for part in line.split("…")) + "\n"
    return re.compile(out)


class Shell:
    """A shell that runs commands one after another; one that starts another shell goes on in that."""

    def __init__(self, folder: Path, path: Path) -> None:
        """``path``: a folder in front of PATH."""
        environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8", "SHELL": "/bin/bash", "COLUMNS": "100"}
        self._process = subprocess.Popen(
            ["/bin/bash"], cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, command: str) -> tuple[str, int]:
        """What it printed, and its exit status. Nobody types faster, and the switch tells what it has counted twice a second."""
        time.sleep(TYPING_S)
        assert self._process.stdin is not None
        self._process.stdin.write(f'{command}\necho "{END}$?"\n')
        self._process.stdin.flush()
        text = "".join(self._lines())
        out, _, status = text.rpartition(END)
        return out, int(status)

    def _lines(self) -> Iterator[str]:
        assert self._process.stdout is not None
        while True:
            line = self._process.stdout.readline()
            if not line:
                raise AssertionError("the shell ended")
            yield line
            if END in line:
                return

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
