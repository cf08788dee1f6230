"""python tests/fuzz TARGET --minutes N: guided by coverage (atheris); ends with status 0 where nothing was found.

A finding is left in tests/fuzz/findings/TARGET/, where ``make test`` runs it from then on.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ringfence", "ringfence_lab"]):
    from targets import DICTIONARY, TARGETS

HERE = Path(__file__).parent
LONGEST = 4000
"""Bytes of an input."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", nargs="?", choices=sorted(TARGETS))
    parser.add_argument("--list", action="store_true", help="name the targets, and end")
    parser.add_argument("--minutes", type=float, default=30, help="how long (default: 30)")
    asked = parser.parse_args()
    if asked.list:
        print(*sorted(TARGETS))
        return
    if not asked.target:
        parser.error("which target? " + ", ".join(sorted(TARGETS)))
    target, seeds = TARGETS[asked.target]
    found = HERE / "findings" / asked.target
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        corpus, words = Path(folder) / "corpus", Path(folder) / "words"
        corpus.mkdir()
        for number, seed in enumerate(seeds):
            (corpus / str(number)).write_bytes(seed[:LONGEST])
        words.write_text("".join(f'"{word}"\n' for word in DICTIONARY))
        limits = [f"-max_total_time={int(asked.minutes * 60)}", f"-max_len={LONGEST}", "-timeout=10", "-rss_limit_mb=1024"]
        atheris.Setup([sys.argv[0], *limits, "-print_final_stats=1", f"-dict={words}", f"-artifact_prefix={found}/", str(corpus)], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
