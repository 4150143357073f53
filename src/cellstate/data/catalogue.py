"""The catalogue of public data sets: what they are, where they lie, how they are fetched.

Nothing of the data is part of this package. A set is looked for in a folder that the caller
names, in the folder that the environment variable ``CELLSTATE_DATA`` names, and in the cache into
which `get` downloads.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import tomllib
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING

from cellstate.errors import DownloadError, InputError, did_you_mean, explain

if TYPE_CHECKING:
    from cellstate.data.download import Progress


@dataclass(frozen=True)
class DataFile:
    """One file of a data set.

    Attributes
    ----------
    path : str
        Where it lies in a data folder.
    sha256 : str
        Of that file.
    url : str
        Its original address; empty if it is a part or a repackaging of what the project offers.
    original_sha256 : str
        Of what the address gives where the file here is that, compressed by gzip; else empty.
    """

    path: str
    sha256: str
    url: str = ""
    original_sha256: str = ""

    @property
    def downloaded_path(self) -> str:
        """Where a download lies in the cache: without ``.gz`` if the original has none."""
        return self.path.removesuffix(".gz") if self.original_sha256 else self.path

    def find(self, folder: Path) -> Path | None:
        """Find the file in a folder, also decompressed; by its name alone if it is intact."""
        for place in (folder / self.path, folder / self.downloaded_path):
            if place.is_file():
                return place
        for place in (folder / Path(self.path).name, folder / Path(self.downloaded_path).name):
            if place.is_file() and self.is_intact(place):  # names such as train.txt are many
                return place
        return None

    def is_intact(self, found: Path) -> bool:
        """Whether a file has the right content."""
        if digest(found) in (self.sha256, self.original_sha256):
            return True
        # Compressed again by somebody else, the same content has other bytes.
        return bool(self.original_sha256) and found.suffix == ".gz" and self._holds_original(found)

    def _holds_original(self, found: Path) -> bool:
        try:
            return hashlib.sha256(gzip.decompress(found.read_bytes())).hexdigest() == (
                self.original_sha256
            )
        except (OSError, EOFError):  # no gzip file, or a broken one
            return False


@dataclass(frozen=True)
class DataSet:
    """A public data set.

    Attributes
    ----------
    name, title, homepage, licence, citation : str
    protocol : str
        How it is split and scored, so that results can be compared.
    published : str
        Published results under that protocol; empty where none is known.
    files : tuple of DataFile
    """

    name: str
    title: str
    homepage: str
    licence: str
    protocol: str
    citation: str
    files: tuple[DataFile, ...]
    published: str = ""

    @property
    def is_downloadable(self) -> bool:
        """Whether every file has an address of its own."""
        return all(file.url for file in self.files)


def _read() -> dict[str, DataSet]:
    text = package_files("cellstate.data").joinpath("catalogue.toml").read_text("utf-8")
    return {
        name: DataSet(name, **{**entry, "files": tuple(DataFile(**one) for one in entry["files"])})
        for name, entry in tomllib.loads(text).items()
    }


CATALOGUE: dict[str, DataSet] = _read()


def find(name: str) -> DataSet:
    """Give the entry of a data set.

    Raises
    ------
    InputError
        No set has this name.

    Examples
    --------
    >>> find("etth1").licence
    'CC BY-ND 4.0'
    """
    if name not in CATALOGUE:
        raise InputError(
            explain(
                "data",
                "the name must be in the catalogue",
                repr(name),
                f"{did_you_mean(name, CATALOGUE)} List them with: cellstate data list",
            )
        )
    return CATALOGUE[name]


def path(
    name: str, data_dir: str | os.PathLike[str] | None = None, *, verify: bool = False
) -> Path:
    """Give where a data set lies on this machine: its file, or the folder of its files.

    Parameters
    ----------
    name : str
    data_dir : path, optional
        Looked at first; then ``CELLSTATE_DATA``, then the cache.
    verify : bool
        Compare checksums.

    Raises
    ------
    InputError
        No set has this name, or `data_dir` is no folder.
    DownloadError
        A file is missing, or is not what it should be.
    """
    found = list(paths(name, data_dir, verify=verify).values())
    return found[0] if len(found) == 1 else Path(os.path.commonpath(found))


def paths(
    name: str, data_dir: str | os.PathLike[str] | None = None, *, verify: bool = False
) -> dict[str, Path]:
    """Give where each file of a data set lies, by its path in the catalogue; see `path`."""
    entry = find(name)
    located = _locate(entry, data_dir)
    if located is None:
        raise DownloadError(_absent(entry))
    for file in entry.files if verify else ():
        found = located[file.path]
        if not file.is_intact(found):
            raise DownloadError(
                explain(
                    f"data {name}",
                    f"{found} must have the catalogue's checksum",
                    f"SHA-256 {digest(found)}",
                    "Delete it and get it again",
                )
            )
    return located


def get(
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    progress: Progress | None = None,
) -> Path:
    """Give where a data set lies, downloading into the cache what is not there yet.

    Parameters
    ----------
    name : str
    data_dir : path, optional
        Looked at first; nothing is written there.
    progress : callable, optional
        Called with the bytes received and the bytes to come (None if unknown).

    Raises
    ------
    InputError
        No set has this name, or `data_dir` is no folder.
    DownloadError
        A file has no address of its own, cannot be fetched, or is not what it should be.
    """
    from cellstate.data.download import download

    entry = find(name)
    if _locate(entry, data_dir) is None:
        folder = cache_folder()
        missing = [file for file in entry.files if file.find(folder) is None]
        if not all(file.url for file in missing):
            raise DownloadError(_absent(entry))
        for file in missing:
            target = folder / file.downloaded_path
            download(file.url, target, file.original_sha256 or file.sha256, progress=progress)
    return path(name, data_dir)


def cache_folder() -> Path:
    """Give the folder of downloads: the platform's cache folder, ``cellstate/data`` within."""
    if sys.platform == "win32":
        home = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        home = Path.home() / "Library" / "Caches"
    else:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "cellstate" / "data"


def digest(file: Path) -> str:
    """Give a file's SHA-256."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _locate(entry: DataSet, data_dir: str | os.PathLike[str] | None) -> dict[str, Path] | None:
    """Find the first folder that holds every file of a set."""
    folders = [cache_folder()]
    if os.environ.get("CELLSTATE_DATA"):
        folders.insert(0, Path(os.environ["CELLSTATE_DATA"]))
    if data_dir is not None:
        if not Path(data_dir).is_dir():
            raise InputError(
                explain("data", "the data folder must exist", str(data_dir), "Check the path")
            )
        folders.insert(0, Path(data_dir))
    for folder in folders:
        found = {file.path: file.find(folder) for file in entry.files}
        whole = {name: place for name, place in found.items() if place is not None}
        if len(whole) == len(found):
            return whole
    return None


def _absent(entry: DataSet) -> str:
    listed = ", ".join(file.path for file in entry.files[:3]) + (", …" * (len(entry.files) > 3))
    by_hand = [file.path for file in entry.files if not file.url]
    if not by_hand:
        advice = f"Download it with: cellstate data get {entry.name}"
    else:
        advice = (
            f"{by_hand[0]} is a part or a repackaging of what its project offers: see "
            f"{entry.homepage} (licence: {entry.licence}), store it under this path and name the "
            "folder with --data-dir or CELLSTATE_DATA"
        )
    must = f"{listed} must be on this machine"
    given = "not all of them in the data folder or the cache"
    return explain(f"data {entry.name}", must, given, advice)
