"""A corpus as one array of tokens in a file, for texts that memory does not hold."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np

from cellstate.data.text.tokenizer import EOS, Tokenizer
from cellstate.errors import FrameError, InputError, explain

TOKENS, TOKENIZER = "tokens.npy", "tokenizer.json"
TEXTS_AT_ONCE = 10_000
_HEADER = 128  # bytes; the number of tokens is written into it at the end


class TokenFile:
    """Tokens on disk, mapped into memory, with the tokenizer that made them.

    Parameters
    ----------
    folder : path
        What `write` made.

    Attributes
    ----------
    tokens : numpy.ndarray
        (N,) uint16 or int32, mapped: only what is read is loaded.
    tokenizer : Tokenizer

    Raises
    ------
    FrameError
        The folder is missing, damaged or something else.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        try:
            self.tokenizer = Tokenizer.from_json((self.folder / TOKENIZER).read_text("utf-8"))
            self.tokens = np.load(self.folder / TOKENS, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as problem:
            must = f"a corpus must be a folder of {TOKENS} and {TOKENIZER}"
            reason = str(problem).splitlines()[0].rstrip(".")
            do = "Write it again with TokenFile.write"
            raise FrameError(explain(str(self.folder), must, reason, do)) from problem

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def is_one(cls, folder: str | os.PathLike[str]) -> bool:
        """Tell whether a path looks like a corpus."""
        return (Path(folder) / TOKENS).is_file()

    @classmethod
    def check_target(cls, folder: str | os.PathLike[str]) -> Path:
        """Check that a corpus may be written there, before any work is done for it.

        Raises
        ------
        InputError
            The folder exists.
        """
        target = Path(folder)
        if target.exists():
            must = "the corpus must go to a new folder"
            raise InputError(explain(str(target), must, "one that exists", "Choose another name"))
        return target

    @classmethod
    def write(
        cls, folder: str | os.PathLike[str], texts: Iterable[str], tokenizer: Tokenizer
    ) -> TokenFile:
        """Write the tokens of texts, each closed by `EOS`, all of them or nothing.

        Parameters
        ----------
        folder : path
            Must not exist.
        texts : iterable of str
            Documents or lines; a generator is read some thousands at a time.
        tokenizer : Tokenizer

        Raises
        ------
        InputError
            The folder exists, or there are no texts.
        FrameError
            It cannot be written.
        """
        target = cls.check_target(folder)
        partial = Path()
        try:
            partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
            (partial / TOKENIZER).write_text(tokenizer.to_json(), "utf-8")
            count = _write_tokens(partial / TOKENS, texts, tokenizer)
            if not count:
                must, do = "there must be texts to write", "Check where they come from"
                raise InputError(explain("TokenFile.write", must, "none", do))
            partial.chmod(0o755)
            partial.rename(target)
        except OSError as failure:
            must, do = "must be writable", "Free space or choose another folder"
            reason = failure.strerror or str(failure)
            raise FrameError(explain(str(target), must, reason, do)) from failure
        finally:
            if partial != Path():
                shutil.rmtree(partial, ignore_errors=True)
        return cls(target)


def _write_tokens(path: Path, texts: Iterable[str], tokenizer: Tokenizer) -> int:
    dtype = np.dtype(np.uint16 if tokenizer.size <= 2**16 else np.int32)
    source, count = iter(texts), 0
    with path.open("wb") as file:
        file.write(b"\0" * _HEADER)
        while some := list(islice(source, TEXTS_AT_ONCE)):
            for numbers in tokenizer.encode_all(some):
                file.write(np.append(numbers, EOS).astype(dtype).tobytes())
                count += len(numbers) + 1
        file.seek(0)
        file.write(_header(dtype, count))
        file.flush()
        os.fsync(file.fileno())
    return count


def _header(dtype: np.dtype[np.generic], count: int) -> bytes:
    """Write NumPy's file header, format 1.0, in a length that does not depend on `count`."""
    described = f"{{'descr': '{dtype.str}', 'fortran_order': False, 'shape': ({count},), }}"
    text = described.encode("latin-1").ljust(_HEADER - 11) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
