"""A disk of its own for a component of scripts/faults, small enough to be filled.

In: the data directory of a component that is down. Out: the same directory on a file system with little room, which can be
filled to the last block, kept full, and given its room back. Needs root, `mkfs.ext4` and `mount`. Standard library only.
"""

from __future__ import annotations

import errno
import os
import subprocess
import threading
from pathlib import Path

MIB = 1 << 20
# What a component makes by and by is more than it had: logs laid out ahead, tables that grow by steps.
ROOM_BYTES = 512 * MIB
# Whoever is on a full disk gives some of it up now and then.
LOOK_SECONDS = 0.05


class NoDisk(Exception):
    """A file system cannot be made or mounted here, and why."""


class SmallDisk:
    """An ext4 in a file, mounted in the place of `data`."""

    def __init__(self, data: Path) -> None:
        self.data, self.moved = data, data.with_name(f"{data.name}-elsewhere")
        self.image = data.with_name(f"{data.name}.disk")
        self.ballast = data / "ballast"
        self.full = threading.Event()
        self.filler: threading.Thread | None = None

    def put(self) -> None:
        """Moves the data there."""
        used = int(run("du", "--summarize", "--block-size=1", str(self.data)).split()[0])
        with self.image.open("wb") as image:
            image.truncate(used + used // 8 + ROOM_BYTES)
        run("mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", str(self.image))
        self.data.rename(self.moved)
        try:
            self.data.mkdir()
            run("mount", "-o", "loop", str(self.image), str(self.data))
        except NoDisk:
            self.data.rmdir()
            self.moved.rename(self.data)
            raise
        (self.data / "lost+found").rmdir()
        copy(self.moved, self.data)

    def is_mounted(self) -> bool:
        return os.path.ismount(self.data)

    def fill(self) -> None:
        """To the last block, and so it stays until `free`."""
        self.full.set()
        self.filler = threading.Thread(target=self._fill, daemon=True)
        self.filler.start()

    def _fill(self) -> None:
        with self.ballast.open("wb", buffering=0) as ballast:
            while self.full.is_set():
                size, room = os.fstat(ballast.fileno()).st_size, self.free_bytes()
                try:
                    if room > MIB:
                        os.posix_fallocate(ballast.fileno(), size, room)
                    elif room:
                        os.pwrite(ballast.fileno(), b"\0" * room, size)
                    else:
                        threading.Event().wait(LOOK_SECONDS)
                except OSError as cause:
                    if cause.errno != errno.ENOSPC:
                        raise

    def free(self) -> None:
        self.full.clear()
        if self.filler is not None:
            self.filler.join()
            self.filler = None
            self.ballast.unlink()

    def free_bytes(self) -> int:
        found = os.statvfs(self.data)
        return found.f_bavail * found.f_frsize

    def take_back(self) -> None:
        """The component is down. What it has now is where it was before."""
        self.free()
        for old in self.moved.iterdir():
            run("rm", "-r", str(old))
        copy(self.data, self.moved)
        self.drop()

    def drop(self) -> None:
        """Leaves nothing mounted. What was not taken back is gone: the data is that of before then."""
        if self.is_mounted():
            self.free()
            run("umount", "--lazy", str(self.data))
            self.data.rmdir()
            self.moved.rename(self.data)
        self.image.unlink(missing_ok=True)


def copy(source: Path, target: Path) -> None:
    """Holes in files stay holes, and room that was laid out ahead is laid out again: it is not lost on a full disk."""
    run("cp", "--archive", "--sparse=auto", f"{source}/.", str(target))
    for path in source.rglob("*"):
        had = path.lstat()
        if path.is_file() and not path.is_symlink() and 0 < had.st_size <= had.st_blocks * 512:
            with (target / path.relative_to(source)).open("rb+") as file:
                os.posix_fallocate(file.fileno(), 0, had.st_size)


def run(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        raise NoDisk(f"there is no {command[0]}") from None
    if done.returncode != 0:
        raise NoDisk(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
