"""Files and folders that are there as a whole or not at all.

Each is written under a new name in the same directory, flushed to disk, and renamed; the
directory is flushed last, so that the rename survives a power cut too.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

# Linux's renameat2(2): exchange two names in one step
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def write_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file in one step: readers see the old content or the new, never a part.

    Raises
    ------
    OSError
        The disk is full, say; the old content is still there and nothing else is left.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_file(f"{folder}/answer.txt", b"42")
    ...     Path(folder, "answer.txt").read_bytes()
    b'42'
    """
    target = Path(os.path.realpath(path))
    draft = _draft_name(target)
    try:
        _write_flushed(draft, data)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)  # what is left of it where something failed
    _flush_folder(target.parent)


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder of files in one step, in the place of an older one if there is one.

    The caller has made sure that what `target` names may be deleted.

    Raises
    ------
    OSError
        The disk is full, say; the old folder is still there and nothing else is left.
    """
    draft = _draft_name(target)
    try:
        draft.mkdir()
        for name, data in files.items():
            _write_flushed(draft / name, data)
        _flush_folder(draft)
        if target.exists():
            _replace(draft, target)
        else:
            draft.rename(target)
        _flush_folder(target.parent)
    finally:
        if draft.exists():  # the unfinished new folder or, after an exchange, the old one
            shutil.rmtree(draft)


def backup_name(target: Path) -> Path:
    """Name the place where the old folder waits while a new one moves in.

    Used only where the system cannot exchange two names in one step. A crash between the two
    renames leaves the old folder there, whole.
    """
    return target.with_name(f".{target.name}.previous")


def _replace(draft: Path, target: Path) -> None:
    if _exchange(draft, target):
        return
    backup = backup_name(target)
    target.rename(backup)
    try:
        draft.rename(target)
    finally:
        if not target.exists():
            backup.rename(target)
    shutil.rmtree(backup)


def _exchange(first: Path, second: Path) -> bool:
    """Swap two names in one step; False where the system or the file system has no such call."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    names = (os.fsencode(first), os.fsencode(second))
    if renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        return False
    raise OSError(code, os.strerror(code), str(second))


def _draft_name(target: Path) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.draft")


def _write_flushed(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
