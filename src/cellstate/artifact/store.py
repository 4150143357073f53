"""Save and load a model folder.

It holds two files and nothing else: ``model.json``, the manifest with a checksum of itself and of
the tensor file, and ``model.safetensors``, the tensors.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from cellstate.artifact import manifest as manifests
from cellstate.artifact import tensors as tensor_files
from cellstate.artifact.atomic import backup_name, write_folder
from cellstate.artifact.manifest import Manifest, damaged
from cellstate.artifact.tensors import Array, TensorFile
from cellstate.errors import ArtifactError, explain

MANIFEST_FILE = "model.json"
TENSOR_FILE = "model.safetensors"
FILES = (MANIFEST_FILE, TENSOR_FILE)


def save(folder: str | os.PathLike[str], manifest: Manifest, tensors: Mapping[str, Array]) -> None:
    """Write a model folder in one step; an older model of that name is replaced.

    Parameters
    ----------
    folder : path
        The model's folder. Its parent must exist. If it names a link, the link stays and what it
        points to is replaced.
    manifest : Manifest
        All but the tensors.
    tensors : mapping of str to ndarray
        Any shape and layout; float64/32/16, signed and unsigned integers, bool.

    Raises
    ------
    InputError
        The manifest is not plain JSON, or a tensor has another dtype.
    ArtifactError
        The name is taken by something that is not a model, or the disk refuses. Nothing
        half-written remains, and an older model is as it was.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     save(f"{parent}/model", Manifest("forecast"), {"w": np.ones(3)})
    ...     manifest, tensors = load(f"{parent}/model")
    >>> manifest.task, tensors["w"]
    ('forecast', array([1., 1., 1.]))
    """
    data, described = tensor_files.pack(tensors)
    files = {MANIFEST_FILE: manifests.encode(manifest, described), TENSOR_FILE: data}
    check_target(folder)
    target = _resolve(folder)
    try:
        _restore(target)
        write_folder(target, files)
    except OSError as problem:
        raise ArtifactError(
            explain(
                f"save {folder}",
                "the model must fit on the disk, in a directory that can be written to",
                problem.strerror or str(problem),
                "Free some space or choose another place",
            )
        ) from problem


def load(folder: str | os.PathLike[str]) -> tuple[Manifest, dict[str, Array]]:
    """Read a model folder, checking everything before it is used.

    Parameters
    ----------
    folder : path
        What `save` has written.

    Returns
    -------
    manifest : Manifest
        All but the tensors; tuples have become lists.
    tensors : dict of str to ndarray
        Native byte order, contiguous, writable.

    Raises
    ------
    ArtifactError
        There is no model, or it is truncated, was changed, or comes from a version of cellstate
        that this one cannot read.
    """
    where = f"load {folder}"
    target = _resolve(folder)
    if not target.exists() and is_model(backup_name(target)):
        target = backup_name(target)  # a save was cut off between its two renames
    try:
        with _open_both(target, where) as (manifest_file, tensor_file):
            limit = manifests.LIMIT
            if (size := _size(manifest_file)) > limit:
                raise damaged(where, f"model.json must have at most {limit} bytes", f"{size}")
            manifest, described = manifests.decode(manifest_file.read(limit + 1), where)
            return manifest, _read_tensors(tensor_file, described, where)
    except ArtifactError:
        raise
    except OSError as problem:
        raise ArtifactError(
            explain(
                where,
                f"a model must be a folder with {MANIFEST_FILE} and {TENSOR_FILE}",
                problem.strerror or str(problem),
                "Check the path, and that its files may be read",
            )
        ) from problem


def is_model(folder: str | os.PathLike[str]) -> bool:
    """Tell whether a folder holds a model, of whatever version, and nothing else."""
    try:
        names = {entry.name for entry in Path(folder).iterdir()}
        if names != set(FILES):
            return False
        with _open_both(Path(folder), "is_model") as (manifest_file, _):
            return manifests.marked(manifest_file.read(manifests.LIMIT + 1))
    except OSError:
        return False


def check_target(folder: str | os.PathLike[str]) -> None:
    """Check that a model may be saved under this name, before any work is done for it.

    Raises
    ------
    ArtifactError
        The name is taken by something that is not a model, or the parent folder is missing.
    """
    target = _resolve(folder)
    if not target.parent.is_dir():
        raise ArtifactError(
            explain(
                f"save {folder}",
                "the directory above the model must exist",
                f"no directory {target.parent}",
                "Create it first",
            )
        )
    if target.exists() and not is_model(target) and not _is_empty_folder(target):
        raise ArtifactError(
            explain(
                f"save {folder}",
                "the name must be free, or be that of a folder with a cellstate model and "
                "nothing else",
                _describe(target),
                "Choose another name, or move that away",
            )
        )


def _read_tensors(file: BinaryIO, described: TensorFile, where: str) -> dict[str, Array]:
    try:
        if (size := _size(file)) != described.bytes:
            raise ValueError(f"{size} bytes instead of {described.bytes}")
        start = file.read(8)
        header = file.read(tensor_files.check_header(start, described))
        tensor_files.check_entries(header, described)
        rest = file.read(described.bytes - len(start) - len(header))
        return tensor_files.unpack(start + header + rest, described)
    except ValueError as problem:
        raise damaged(
            where, f"{TENSOR_FILE} must be the file that model.json describes", str(problem)
        ) from None


@contextmanager
def _open_both(folder: Path, where: str) -> Generator[tuple[BinaryIO, BinaryIO]]:
    """Open both files of one and the same folder, even while another takes its place."""
    with ExitStack() as stack:
        while True:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, descriptor)
            try:
                first, second = (
                    stack.enter_context(_open_regular(name, descriptor, where)) for name in FILES
                )
                break
            except FileNotFoundError:
                if os.path.samestat(os.fstat(descriptor), folder.stat()):
                    raise
        yield first, second


def _open_regular(name: str, descriptor: int, where: str) -> BinaryIO:
    """Open a file of the folder itself: no link out of it, no pipe that would block."""
    entry = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    if not stat.S_ISREG(entry.st_mode):
        raise damaged(where, f"{name} must be a regular file", "a link or a special file")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    return os.fdopen(os.open(name, flags, dir_fd=descriptor), "rb")


def _resolve(folder: str | os.PathLike[str]) -> Path:
    return Path(os.path.realpath(folder))


def _restore(target: Path) -> None:
    """Finish what a crashed save left: the previous model under its waiting name."""
    backup = backup_name(target)
    if is_model(backup):
        if target.exists():
            for name in FILES:
                (backup / name).unlink()
            backup.rmdir()
        else:
            backup.rename(target)


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _is_empty_folder(target: Path) -> bool:
    return target.is_dir() and not any(target.iterdir())


def _describe(target: Path) -> str:
    if not target.is_dir():
        return "a file"
    others = sorted({entry.name for entry in target.iterdir()} - set(FILES))
    if others:
        return f"a folder that holds {', '.join(map(repr, others[:3]))}"
    return f"a folder whose {MANIFEST_FILE} is not a model's"
