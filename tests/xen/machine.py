"""A real Xen host in QEMU: its disk from Debian's packages, made once and kept by content; a second disk with what is tried.

Emulated whole (TCG): the machine needs no hardware virtualisation, and takes the same way everywhere.
"""

import gzip
import hashlib
import inspect
import lzma
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import IO, Any

PROJECT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("RINGFENCE_XEN_CACHE", PROJECT / ".cache" / "xen"))
PACKAGES = (
    *("linux-image-amd64", "xen-system-amd64", "openvswitch-switch", "python3-openvswitch", "xenstore-utils"),
    *("python3", "rpm", "logrotate", "iproute2", "iputils-ping", "ethtool", "tcpdump", "openssl"),
    *("systemd-sysv", "udev", "kmod", "busybox-static"),
)
MIRRORS = os.environ.get("RINGFENCE_XEN_MIRROR", "").split()
"""Where Debian's packages come from; without one, where mmdebstrap takes them by itself."""
RELEASE = "bookworm"
UNIT = """\
[Unit]
Description=What is tried on this machine
After=multi-user.target xen.service openvswitch-switch.service
[Service]
Type=oneshot
StandardOutput=tty
StandardError=tty
TTYPath=/dev/hvc0
ExecStart=-/bin/sh -c 'mkdir -p /payload && mount LABEL=payload /payload && exec /payload/run'
ExecStopPost=-/bin/sh -c 'sync; umount /payload; sync'
ExecStopPost=/sbin/poweroff -f
[Install]
WantedBy=default.target
"""
LIMIT_S = 2400
CPU = "Nehalem-v1"
"""One that emulation and Xen agree about: with newer ones dom0 crashes at once, or its programs do now and then."""
LIBRARIES = ("libm.so.6", "libz.so.1", "libexpat.so.1", "libc.so.6")
LEFT_OUT = ("test", "unittest", "idlelib", "lib2to3", "distutils", "pydoc_data", "ensurepip", "sqlite3", "curses", "tkinter", "asyncio")


def run(*words: str, **more: Any) -> str:
    """A command, quiet unless it fails. Raises RuntimeError."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: exit {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def key() -> str:
    """What the disk depends on."""
    return hashlib.sha256(
        "\n".join([RELEASE, UNIT, *PACKAGES, *LIBRARIES, *LEFT_OUT, inspect.getsource(_furnish), inspect.getsource(_guest_tree)]).encode()
    ).hexdigest()[:16]


def base() -> Path:
    """The folder with disk.img, xen, vmlinuz, initrd and guest (a tree for guests to start from); made where it is not there."""
    found = CACHE / key()
    if (found / "ready").exists():
        return found
    shutil.rmtree(CACHE, ignore_errors=True)  # an older one is of no use any more
    found.mkdir(parents=True)
    print(f"making the Xen host's disk in {found} (three minutes)", flush=True)
    root, tar = found / "root", found / "root.tar"
    run("mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", RELEASE, str(tar), *MIRRORS)
    root.mkdir()
    run("tar", "-xf", str(tar), "-C", str(root), "--exclude=./dev/*")
    tar.unlink()
    _furnish(root)
    boot = root / "boot"
    with gzip.open(boot / "xen-4.17-amd64.gz") as packed:
        (found / "xen").write_bytes(packed.read())
    shutil.copy(next(boot.glob("vmlinuz-*")), found / "vmlinuz")
    shutil.copy(next(boot.glob("initrd.img-*")), found / "initrd")
    run("mke2fs", "-q", "-t", "ext4", "-L", "dom0", "-d", str(root), str(found / "disk.img"), "4G")
    _guest_tree(root, found / "guest")
    shutil.rmtree(root)
    (found / "ready").touch()
    return found


def _furnish(root: Path) -> None:
    (root / "etc/fstab").write_text("LABEL=dom0 / ext4 rw,noatime 0 1\n")
    (root / "etc/hostname").write_text("dom0\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost dom0\n")
    (root / "etc/xen/xl.conf").write_text("run_hotplug_scripts=0\nautoballoon=0\n")
    settings = root / "etc/default/xen"
    settings.write_text(settings.read_text() + "\nXENCONSOLED_TRACE=guest\n")
    (root / "etc/systemd/system/tried.service").write_text(UNIT)
    wants = root / "etc/systemd/system/default.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "tried.service").symlink_to("../tried.service")
    for unneeded in (
        "apt-daily.timer",
        "apt-daily-upgrade.timer",
        "e2scrub_all.timer",
        "fstrim.timer",
        "getty@.service",
        "serial-getty@.service",
    ):
        (root / "etc/systemd/system" / unneeded).symlink_to("/dev/null")


def _guest_tree(root: Path, tree: Path) -> None:
    """What a guest's initrd begins with: busybox, Python and netfront, out of the host's own files."""
    for folder in ("bin", "proc", "sys", "dev", "tmp", "lib/x86_64-linux-gnu", "lib64", "usr/bin", "usr/lib"):
        (tree / folder).mkdir(parents=True, exist_ok=True)
    shutil.copy(root / "bin/busybox", tree / "bin/busybox")
    (tree / "bin/sh").symlink_to("busybox")
    for name in LIBRARIES:
        shutil.copy(root / "lib/x86_64-linux-gnu" / name, tree / "lib/x86_64-linux-gnu" / name)
    shutil.copy(root / "lib64/ld-linux-x86-64.so.2", tree / "lib64/ld-linux-x86-64.so.2")
    shutil.copy(root / "usr/bin/python3.11", tree / "usr/bin/python3")
    left_out = shutil.ignore_patterns(*LEFT_OUT)
    shutil.copytree(root / "usr/lib/python3.11", tree / "usr/lib/python3.11", ignore=left_out, ignore_dangling_symlinks=True)
    shutil.copy(next((root / "lib/modules").glob("*/kernel/drivers/net/xen-netfront.ko")), tree / "xen-netfront.ko")


def guest_initrd(found: Path, work: Path, files: dict[str, Path]) -> Path:
    """The guests' initrd, with ``files`` by their path in it."""
    tree = work / "guest"
    shutil.copytree(found / "guest", tree, symlinks=True)
    for path, source in files.items():
        shutil.copy(source, tree / path)
    return _archive(tree, work / "guest.cpio")


def _archive(tree: Path, packed: Path) -> Path:
    names = "".join(f"{path.relative_to(tree)}\n" for path in sorted(tree.rglob("*")))
    with packed.open("wb") as out:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], input=names.encode(), stdout=out, cwd=tree, check=True)
    return packed


def empty_initrd(work: Path) -> Path:
    """For domains that never run: an archive of nothing."""
    (work / "empty").mkdir()
    return _archive(work / "empty", work / "empty.cpio")


def unpack_kernel(vmlinuz: Path, target: Path) -> None:
    """The kernel without its own wrapping: Xen's builder then need not unpack it for each domain."""
    raw = vmlinuz.read_bytes()
    target.write_bytes(lzma.LZMADecompressor().decompress(raw[raw.index(b"\xfd7zXZ\0") :]))


def payload(tree: Path, disk: Path) -> None:
    """A disk with the files of a tree, and room for results."""
    disk.unlink(missing_ok=True)
    run("mke2fs", "-q", "-t", "ext4", "-L", "payload", "-d", str(tree), str(disk), "512M")


def boot(found: Path, disk: Path, console: IO[str], show: Any) -> None:
    """Run the machine until it powers off; its console goes to ``console`` and, a line at a time, to ``show``.

    Raises RuntimeError where it does not end by itself within LIMIT_S.
    """
    # By label: which disk is sda, is decided anew at each start. Where there is no root, it ends and does not wait for a person.
    kernel = f"{found / 'vmlinuz'} root=LABEL=dom0 panic=10 rw console=hvc0 quiet loglevel=3 systemd.show_status=0 net.ifnames=0"
    words = [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", CPU, "-smp", "2", "-m", "4096",
        "-nographic", "-no-reboot", "-net", "none", "-monitor", "none",
        "-kernel", str(found / "xen"),
        "-append", "dom0_mem=1024M,max:1024M dom0_max_vcpus=1 console=com1 com1=115200 loglvl=error guest_loglvl=error",
        "-initrd", f"{kernel},{found / 'initrd'}",
        "-drive", f"file={found / 'disk.img'},format=raw,if=ide,index=0,snapshot=on",
        "-drive", f"file={disk},format=raw,if=ide,index=1,cache=writeback",
    ]  # fmt: skip
    machine = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    assert machine.stdout is not None
    deadline = time.monotonic() + LIMIT_S
    try:
        for line in machine.stdout:
            line = line.rstrip()
            if line:
                console.write(line + "\n")
                show(line)
            if time.monotonic() > deadline:
                raise RuntimeError(f"the machine did not end within {LIMIT_S} s")
        if machine.wait(30):
            raise RuntimeError(f"QEMU ended with {machine.returncode}")
    finally:
        if machine.poll() is None:
            machine.kill()
            machine.wait()
        machine.stdout.close()


def read_back(disk: Path, path: str) -> str:
    """A file that the machine wrote on its second disk."""
    return run("debugfs", "-R", f"cat {path}", str(disk))
