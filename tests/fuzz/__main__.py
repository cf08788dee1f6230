"""python tests/fuzz TARGET --minutes N: guided by coverage (atheris); ends with status 0 where nothing was found.

A finding is left in tests/fuzz/findings/TARGET/, where ``make test`` runs it from then on.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ringfence", "ringfence_lab"]):
    from targets import TARGETS

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--minutes", type=float, default=30, help="how long (default: 30)")
    asked = parser.parse_args()
    target, seeds = TARGETS[asked.target]
    found = HERE / "findings" / asked.target
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds):
            (Path(corpus) / str(number)).write_bytes(seed[:4000])
        words = [f"-max_total_time={int(asked.minutes * 60)}", "-max_len=4000", "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *words, f"-artifact_prefix={found}/", corpus], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
