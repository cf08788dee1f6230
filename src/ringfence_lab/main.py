"""ringfence-lab: run a scenario, or leave its pool up for a person to explore."""

import argparse
import os
import signal
import sys
import time
from typing import Any

from ringfence import __version__
from ringfence.errors import BadInput, RingfenceError

from . import netns
from .folder import ROOT, LabFolder, started_at
from .pool import Pool
from .scenario import Scenario, load
from .steps import Failed, Steps


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="ringfence-lab", description="A pool in a box: hosts, guests and networks on one machine.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="build the pool of a scenario, run its steps, take it down")
    run.add_argument("file", nargs="+", help="scenario file")
    up = commands.add_parser("up", help="build the pool of a scenario and leave it running")
    up.add_argument("file", help="scenario file")
    execute = commands.add_parser("exec", help="run a command in a guest or in a machine outside")
    execute.add_argument("name", help="guest, machine outside or host")
    execute.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    shell = commands.add_parser("shell", help="a shell in dom0 of a host")
    shell.add_argument("name", help="host")
    commands.add_parser("down", help="take the running pool down")
    options = parser.parse_args(argv)
    try:
        return {"run": _run, "up": _up, "exec": _exec, "shell": _shell, "down": _down}[options.command](options)
    except RingfenceError as error:
        print(f"ringfence-lab: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return 130


def _root() -> None:
    if os.geteuid():
        raise BadInput("needs root, for network namespaces", mend="run it with sudo")


def _run(options: argparse.Namespace) -> int:
    _root()
    signal.signal(signal.SIGTERM, _interrupt)
    scenarios = [(path, load(path)) for path in options.file]
    passed = failed = 0
    for path, scenario in scenarios:
        print(f"# {scenario.title or path}", flush=True)
        good, bad = run_scenario(scenario)
        passed, failed = passed + good, failed + bad
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def run_scenario(scenario: Scenario) -> tuple[int, int]:
    """Build, run, take down; how many steps passed and failed."""
    folder = LabFolder()
    folder.take()
    passed = failed = 0
    try:
        pool = Pool(folder, scenario)
        pool.build()
        steps = Steps(pool)
        number = 0
        for step in scenario.steps:
            begin = time.monotonic()
            if "say" in step:
                print(f"\n{step['say']}", flush=True)
                continue
            number += 1
            text = _show(step)
            try:
                steps.run(step)
                passed += 1
                print(f"ok      {number:3} {text} ({time.monotonic() - begin:.1f} s)", flush=True)
            except (Failed, RingfenceError) as error:
                if isinstance(error, BadInput):
                    raise error.at(f"step {number}") from None
                failed += 1
                print(f"FAILED  {number:3} {text}: {error}", flush=True)
                if os.environ.get("RINGFENCE_LAB_STOP"):
                    input("stopped; press return to go on ")
    finally:
        if "pool" in locals() and pool.xapi_up:
            pool.stop_xapi()
        folder.leave()
    return passed, failed


def _show(step: dict[str, Any]) -> str:
    ((name, body),) = step.items()
    if name in ("reach", "no-reach"):
        return f"{name:8} {body['from']} <-> {body['to']} {body.get('kind', 'icmp')}"
    if name == "send":
        seen = ", ".join(map(str, body["seen-by"])) or "nobody"
        return f"send     {body['from']}: {body['frame']} is seen by {seen}"
    if name == "while":
        ping = body["ping"]
        return f"while    {ping['from']} pings {ping['to']}: {'; '.join(map(str, body['do']))}: {body.get('lost', 0)} lost"
    if isinstance(body, dict):
        return f"{name:8} {' '.join(f'{k}={v}' for k, v in body.items())}"
    return f"{name:8} {body}"


def _up(options: argparse.Namespace) -> int:
    """The pool lives in a process of its own, which this one leaves behind once it is ready."""
    _root()
    scenario = load(options.file)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.close(reading)
        _keep(scenario, writing)
    os.close(writing)
    with os.fdopen(reading) as report:
        text = report.read()
    if text != "ready":
        raise RingfenceError(text or "the lab could not be built", mend="see the message above")
    print(f"up: {', '.join(scenario.hosts)}; guests: {', '.join(scenario.guests)}; end it with ringfence-lab down")
    return 0


def _keep(scenario: Scenario, writing: int) -> None:
    signal.signal(signal.SIGTERM, _interrupt)
    folder = LabFolder()
    pool = None
    try:
        folder.take()
        try:
            pool = Pool(folder, scenario)
            pool.build()
            (folder.root / "keeper").write_text(f"{os.getpid()} {started_at(os.getpid())}")
            os.write(writing, b"ready")
            os.close(writing)
            null = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(null, stream)
            while True:
                signal.pause()
        finally:
            if pool is not None and pool.xapi_up:
                pool.stop_xapi()
            folder.leave()
    except KeyboardInterrupt:
        os._exit(0)
    except (RingfenceError, RuntimeError, OSError) as error:
        try:
            os.write(writing, str(error).encode())
        except OSError:
            pass
        os._exit(1)


def _down(_: argparse.Namespace) -> int:
    keeper = ROOT / "keeper"
    if keeper.exists():
        pid, start = keeper.read_text().split()
        if started_at(int(pid)) == start:
            os.kill(int(pid), signal.SIGTERM)
            while started_at(int(pid)) == start:
                time.sleep(0.05)
            return 0
    folder = LabFolder()
    folder.take()
    folder.leave()
    return 0


def _exec(options: argparse.Namespace) -> int:
    if not options.words:
        raise BadInput("no command", mend="write for example: ringfence-lab exec blue1 ping 10.0.0.12")
    _enter(options.name, options.words)
    return 0


def _shell(options: argparse.Namespace) -> int:
    shell = os.environ.get("SHELL", "/bin/sh")
    _enter(options.name, [shell])
    return 0


def _enter(name: str, words: list[str]) -> None:
    if not os.path.exists(f"/run/netns/{netns.name_of(name)}"):
        raise BadInput(f"{name!r} is not in the lab", mend="start one with ringfence-lab up FILE")
    root = ROOT / name
    if (root / "ovs").exists():
        tools = os.path.dirname(sys.executable)
        os.environ.update({v: str(root / "ovs") for v in ("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR")})
        os.environ.update(RINGFENCE_ROOT=str(root), PATH=f"{root / 'bin'}:{tools}:{os.environ['PATH']}")
    os.execvp("ip", ["ip", "netns", "exec", netns.name_of(name), *words])


if __name__ == "__main__":
    sys.exit(main())
