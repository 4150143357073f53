"""Text to token numbers and back, by Hugging Face's `tokenizers`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from cellstate.errors import ArgumentTypeError, InputError, did_you_mean, explain
from cellstate.extras import require

PAD, UNK, BOS, EOS = 0, 1, 2, 3
SPECIALS = ("<pad>", "<unk>", "<bos>", "<eos>")
KINDS = ("char", "byte", "word", "whitespace", "bpe", "unigram")
SUBWORDS = ("bpe", "unigram")
SUBWORD_SIZE = 8000
"""Tokens of a sub-word vocabulary whose size is left open."""
LONG = 100_000
"""Characters beyond which a text is encoded in parts, on all cores."""
NORMAL_FORMS = ("NFC", "NFD", "NFKC", "NFKD")

# A word keeps the apostrophes and hyphens inside it; any other sign stands alone.
_WORD = r"\w+(?:['’\-]\w+)*|[^\w\s]"
_REACH = 8  # tokens within which a character that is cut between them is complete
_LINE_END = re.compile(r"(?<=\S)\n(?=\S)")


class Tokenizer:
    """Cuts text into tokens and numbers them.

    The numbers 0 to 3 are kept for padding, the unknown, the beginning and the end (`PAD`, `UNK`,
    `BOS`, `EOS`); of these, text itself gives `UNK` alone. Make one with `train` or `from_json`.

    Parameters
    ----------
    engine : tokenizers.Tokenizer
        Its vocabulary starts with `SPECIALS`.

    Examples
    --------
    >>> tokenizer = Tokenizer.train(["the cat sat", "the mat"], kind="word")
    >>> tokenizer.vocabulary[4:]
    ('the', 'cat', 'mat', 'sat')
    >>> tokenizer.encode("the dog sat").tolist()
    [4, 1, 7]
    >>> tokenizer.decode([4, 5, 7])
    'the cat sat'
    >>> tokenizer.unknown("the dog sat")
    ['dog']
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        *,
        kind: str = "word",
        size: int | None = None,
        min_count: int = 1,
        lowercase: bool = False,
        normal_form: str | None = "NFC",
    ) -> Tokenizer:
        """Learn a vocabulary.

        Parameters
        ----------
        texts : iterable of str
            Read once; a generator of lines is enough for a corpus larger than memory.
        kind : {"char", "byte", "word", "whitespace", "bpe", "unigram"}
            What a token is: a character, a byte of UTF-8, a word (signs stand alone), what stands
            between white space, or a piece of a word, learned by merging pairs (Sennrich et al.
            2016) or by pruning (Kudo 2018). Bytes and "bpe", which is built on bytes, know no
            unknown. Learning "unigram" twice may give a few other pieces, the rest always gives
            the same.
        size : int, optional
            Most tokens, `SPECIALS` included; the rarest are left out. None takes all, or 8,000
            pieces of words.
        min_count : int
            Rarer characters and words are unknown; rarer pairs are not merged.
        lowercase : bool
            Whether case is dropped.
        normal_form : {"NFC", "NFD", "NFKC", "NFKD"}, optional
            Unicode's normal form that text is brought into; None leaves it as it is.

        Raises
        ------
        InputError
            An option is unknown, or there is nothing to learn from.
        MissingExtraError
            The package `tokenizers` is not installed.

        References
        ----------
        R. Sennrich et al., "Neural machine translation of rare words with subword units", ACL 2016.

        T. Kudo, "Subword regularization", ACL 2018.
        """
        _check(kind, size, min_count, normal_form)
        require("tokenizers", extra="text")
        from tokenizers import Tokenizer as Engine

        counted = _Counted(texts)
        engine, trainer = _untrained(kind, size, min_count)
        engine.normalizer = _normalizer(kind, lowercase, normal_form)
        if trainer is not None:
            engine.train_from_iterator(counted, trainer)
        described = json.loads(engine.to_str())
        # Text that looks like a special token is text: none of them is searched for in it.
        described["added_tokens"] = []
        if kind == "unigram":
            described["model"]["vocab"] = _repeatable(described["model"]["vocab"])
        tokenizer = cls(Engine.from_str(json.dumps(described)))
        if trainer is not None and tokenizer.size <= len(SPECIALS):
            do = "Give it some text" if not counted.count else "Lower min_count"
            must = "there must be text to learn tokens from"
            raise InputError(
                explain("Tokenizer.train", must, f"{counted.count:,} texts without any", do)
            )
        return tokenizer

    @classmethod
    def from_json(cls, text: str) -> Tokenizer:
        """Read what `to_json` wrote, which is the file format of `tokenizers`.

        Raises
        ------
        InputError
            It is something else, or its vocabulary does not start with `SPECIALS`.
        """
        tokenizers = require("tokenizers", extra="text")
        must = "the tokenizer must be JSON as Tokenizer.to_json writes it"
        try:
            tokenizer = cls(tokenizers.Tokenizer.from_str(text))
        except Exception as problem:  # it raises nothing more particular
            do = "Train one with Tokenizer.train"
            raise InputError(explain("Tokenizer.from_json", must, str(problem), do)) from problem
        if tokenizer.vocabulary[: len(SPECIALS)] != SPECIALS:
            given = f"a vocabulary that starts with {tokenizer.vocabulary[:4]}"
            do = "Train it with Tokenizer.train, which keeps their places"
            raise InputError(explain("Tokenizer.from_json", must, given, do))
        return tokenizer

    def to_json(self) -> str:
        """Write the tokenizer in the file format of `tokenizers`."""
        return self._engine.to_str()

    @property
    def size(self) -> int:
        """Tokens of the vocabulary, `SPECIALS` included."""
        return self._engine.get_vocab_size()

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """The tokens by number; those of bytes in the signs that stand for them."""
        numbered = self._engine.get_vocab()
        return tuple(sorted(numbered, key=numbered.__getitem__))

    @cached_property
    def kind(self) -> str:
        """What a token is, one of `KINDS`."""
        described = json.loads(self._engine.to_str())
        model, cut = described["model"], described["pre_tokenizer"]
        if model["type"] == "Unigram":
            return "unigram"
        if model["type"] == "BPE":
            return "bpe" if model["merges"] else "byte"
        if cut["type"] == "WhitespaceSplit":
            return "whitespace"
        return "word" if cut["pattern"]["Regex"] == _WORD else "char"

    def encode(self, text: str) -> np.ndarray:
        """Number the tokens of a text: (N,) int32."""
        if len(_text(text)) <= LONG or self.kind in SUBWORDS:  # these mark beginnings
            return _numbers(self._engine.encode(text))
        return np.concatenate(self.encode_all(_parts(text)))

    def encode_all(self, texts: Iterable[str]) -> list[np.ndarray]:
        """Number the tokens of several texts, on all cores."""
        batch = [_text(text) for text in texts]
        return [_numbers(encoding) for encoding in self._engine.encode_batch_fast(batch)]

    def spans(self, text: str) -> np.ndarray:
        """Give where each token of `encode` begins and ends in the text: (N, 2) characters."""
        offsets = self._engine.encode(_text(text)).offsets
        return np.array(offsets, dtype=np.int64).reshape(-1, 2)

    def unknown(self, text: str) -> list[str]:
        """List the pieces of a text that the vocabulary lacks, each once, in order."""
        numbers, spans = self.encode(text), self.spans(text)
        pieces = [text[a:b] for n, (a, b) in zip(numbers, spans, strict=True) if n == UNK]
        return list(dict.fromkeys(pieces))

    def decode(self, numbers: Iterable[int]) -> str:
        """Give the text of tokens; padding, beginnings and ends give nothing."""
        text: str = self._engine.decode([int(n) for n in numbers if n not in (PAD, BOS, EOS)])
        return text.removeprefix(" ") if self.kind == "bpe" else text

    def decoder(self, after: Iterable[int] = ()) -> TokenStream:
        """Start to give the text of tokens that come one by one, behind those of `after`."""
        return TokenStream(self, after)

    def __getstate__(self) -> str:
        return self.to_json()

    def __setstate__(self, state: str) -> None:
        self._engine = Tokenizer.from_json(state)._engine

    def __repr__(self) -> str:
        return f"<Tokenizer of {self.size:,} tokens, kind {self.kind!r}>"


class TokenStream:
    """The text of tokens that come one by one.

    Examples
    --------
    >>> tokenizer = Tokenizer.train([], kind="byte")
    >>> stream = tokenizer.decoder()
    >>> [stream.push(number) for number in tokenizer.encode("né")]
    ['n', '', 'é']
    """

    def __init__(self, tokenizer: Tokenizer, after: Iterable[int] = ()) -> None:
        self._tokenizer = tokenizer
        # The tokens before decide on the space between two; none means the beginning.
        self._given = [int(n) for n in after if n not in (PAD, BOS, EOS)][-_REACH:]
        self._waiting: list[int] = []

    def push(self, number: int) -> str:
        """Give the text that became certain with this token; a part of a character waits."""
        if number in (PAD, BOS, EOS):
            return ""
        self._waiting.append(int(number))
        text = self._since()
        if text.endswith("\ufffd") and len(self._waiting) < _REACH:
            return ""
        self._settle()
        return text

    def flush(self) -> str:
        """Give what still waits; a character that was cut off shows as a replacement mark."""
        text = self._since() if self._waiting else ""
        self._settle()
        return text

    def _since(self) -> str:
        decode = self._tokenizer.decode
        return decode(self._given + self._waiting)[len(decode(self._given)) :]

    def _settle(self) -> None:
        self._given, self._waiting = self._waiting or self._given, []


def _parts(text: str) -> list[str]:
    """Cut a long text before single line ends, where no kind of token reaches across."""
    cuts = [0]
    for place in _LINE_END.finditer(text):
        if place.start() - cuts[-1] >= LONG // 10:
            cuts.append(place.start())
    return [text[a:b] for a, b in pairwise([*cuts, len(text)])]


class _Counted:
    """Texts as they pass, checked and counted."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = iter([texts] if isinstance(texts, str) else texts)
        self.count = 0

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> str:
        text = _text(next(self._texts))
        self.count += 1
        return text


def _text(text: object) -> str:
    if not isinstance(text, str):
        must = "a text must be a str"
        given = f"{type(text).__name__} {text!r:.40}"
        do = "Decode bytes, and replace missing values by ''"
        raise ArgumentTypeError(explain("Tokenizer", must, given, do))
    return text


def _numbers(encoding: Any) -> np.ndarray:
    numbers = np.array(encoding.ids, dtype=np.int32)
    # A word of the text may look like a special token.
    numbers[(numbers == PAD) | (numbers == BOS) | (numbers == EOS)] = UNK
    return numbers


def _untrained(kind: str, size: int | None, min_count: int) -> tuple[Any, Any]:
    """Make the parts for a kind of token: an engine, and its trainer where it has to learn."""
    from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
    from tokenizers import Tokenizer as Engine

    specials = list(SPECIALS)
    common = {"special_tokens": specials, "show_progress": False, "min_frequency": min_count}
    if kind in ("char", "word", "whitespace"):
        engine = Engine(models.WordLevel({}, unk_token=SPECIALS[UNK]))
        if kind == "char":
            engine.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
            engine.decoder = decoders.Fuse()
        elif kind == "word":
            engine.pre_tokenizer = pre_tokenizers.Split(Regex(_WORD), "removed", invert=True)
        else:
            engine.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        return engine, trainers.WordLevelTrainer(vocab_size=size or 2**31, **common)
    if kind == "unigram":
        engine = Engine(models.Unigram())
        engine.pre_tokenizer, engine.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
        common.pop("min_frequency")
        wanted = size or SUBWORD_SIZE
        return engine, trainers.UnigramTrainer(vocab_size=wanted, unk_token=SPECIALS[UNK], **common)
    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    if kind == "byte":
        numbered = {sign: number for number, sign in enumerate([*specials, *signs])}
        engine = Engine(models.BPE(numbered, []))
        engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        engine.decoder = decoders.ByteLevel()
        return engine, None
    engine = Engine(models.BPE())
    engine.pre_tokenizer, engine.decoder = pre_tokenizers.ByteLevel(), decoders.ByteLevel()
    wanted = size or SUBWORD_SIZE
    return engine, trainers.BpeTrainer(vocab_size=wanted, initial_alphabet=signs, **common)


def _repeatable(scored: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Undo what threads and hashing vary from one training to the next: last digits and order.

    Signs that are kept only so that all text can be written have scores in the order of a hash
    table, below those of all longer pieces.
    """
    specials, pieces = scored[: len(SPECIALS)], scored[len(SPECIALS) :]
    longer = min((score for piece, score in pieces if len(piece) > 1), default=0.0)
    lowest = min((score for _, score in pieces), default=0.0)
    settled = [
        (piece, round(lowest if len(piece) == 1 and score < longer else score, 6))
        for piece, score in pieces
    ]
    return [*specials, *sorted(settled, key=lambda one: (-one[1], one[0]))]


def _normalizer(kind: str, lowercase: bool, normal_form: str | None) -> Any:
    from tokenizers import normalizers

    parts: list[Any] = []
    if normal_form is not None and kind != "byte":
        parts.append(getattr(normalizers, normal_form)())
    if lowercase:
        parts.append(normalizers.Lowercase())
    return normalizers.Sequence(parts) if parts else None


def _check(kind: str, size: int | None, min_count: int, normal_form: str | None) -> None:
    where = "Tokenizer.train"
    if kind not in KINDS:
        must = f"kind must be one of {', '.join(KINDS)}"
        raise InputError(explain(where, must, repr(kind), did_you_mean(str(kind), KINDS)))
    fewest = len(SPECIALS) + (256 if kind in ("bpe", "byte") else 1)
    if size is not None and (not isinstance(size, int) or size < fewest):
        must = f"size must be a whole number of at least {fewest} tokens of kind {kind!r}"
        raise InputError(explain(where, must, repr(size), "Give more, or None"))
    if not isinstance(min_count, int) or min_count < 1:
        must = "min_count must be a whole number of at least 1"
        raise InputError(explain(where, must, repr(min_count), "Give 1 to keep all"))
    if normal_form is not None and normal_form not in NORMAL_FORMS:
        must = f"normal_form must be one of {', '.join(NORMAL_FORMS)} or None"
        do = did_you_mean(str(normal_form), NORMAL_FORMS)
        raise InputError(explain(where, must, repr(normal_form), do))
