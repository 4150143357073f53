"""Many small files of one kind: in a folder, in a tar archive, or one alone."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path, PurePosixPath

from cellstate.errors import FrameError, explain


def read_members(
    path: str | os.PathLike[str], suffix: str, *, where: str
) -> list[tuple[str, bytes]]:
    """Read files by their suffix.

    An archive is read from the start to the end; nothing of it is written to the disk, and links
    and devices in it are passed over.

    Parameters
    ----------
    path : path
        A folder, searched with all its folders; a ``.tar``, also compressed by gzip, bzip2 or xz;
        or one file.
    suffix : str
        For example ``".txt"``.
    where : str
        Who asks, for messages.

    Returns
    -------
    list of (str, bytes)
        Names without folder and suffix, sorted, and contents.

    Raises
    ------
    FrameError
        There is no such path, it cannot be read, or holds no such file.
    """
    source = Path(path)
    try:
        if source.is_dir():
            found = [(file.stem, file.read_bytes()) for file in source.rglob(f"*{suffix}")]
        elif source.suffix == suffix:
            found = [(source.stem, source.read_bytes())]
        else:
            found = _members(source, suffix)
    except (OSError, EOFError, tarfile.TarError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem).splitlines()[0].rstrip(".")
        must = f"{source} must be a folder, a tar archive or a {suffix} file"
        raise FrameError(explain(where, must, reason, "Check the path")) from problem
    if not found:
        must = f"{source} must hold {suffix} files"
        raise FrameError(explain(where, must, "none", "Check the path"))
    return sorted(found)


def part_lines(content: bytes) -> tuple[bytes, bytes, int]:
    r"""Part a table's text into its header, the lines below it, and their number.

    Lines end in a line feed alone, and empty ones are dropped.

    Examples
    --------
    >>> part_lines(b"a|b\r\n1|2\r\n\r\n3|4\r\n")
    (b'a|b', b'1|2\n3|4', 2)
    """
    header, _, body = content.replace(b"\r\n", b"\n").partition(b"\n")
    body = body.strip(b"\n")
    if b"\n\n" in body:
        body = b"\n".join(line for line in body.split(b"\n") if line)
    return header.strip(), body, body.count(b"\n") + 1 if body else 0


def _members(archive: Path, suffix: str) -> list[tuple[str, bytes]]:
    found = []
    with tarfile.open(archive, "r|*") as content:
        for member in content:
            name = PurePosixPath(member.name)
            file = content.extractfile(member) if member.isfile() else None
            if file is not None and name.suffix == suffix and not name.name.startswith("."):
                found.append((name.stem, file.read()))
    return found
