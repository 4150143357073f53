"""Words into tags: named entities, parts of speech, anything said of each word."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np

from cellstate.errors import ArgumentTypeError, InputError, explain
from cellstate.extras import require
from cellstate.tasks.arguments import (
    check_config,
    check_number,
    check_seed,
    check_together,
    check_whole,
)
from cellstate.tasks.estimator import AbstractEstimator
from cellstate.tasks.evaluation import NAME, Evaluation
from cellstate.tasks.text.tagging import reading, schemes
from cellstate.tasks.text.tagging.baselines import Baselines
from cellstate.tasks.text.tagging.evaluation import compared
from cellstate.tasks.text.tagging.fitted import Fitted, restored
from cellstate.tasks.text.tagging.fitting import Rows, Settings, fit_networks, replace_empty, split
from cellstate.tasks.text.tagging.plan import width_of
from cellstate.tasks.text.tagging.word_forms import FormEncoder
from cellstate.train.config import TrainConfig

if TYPE_CHECKING:
    from cellstate.artifact import Manifest
    from cellstate.tasks.sections import Story

MOST_KEPT = 2000
"""Held-out sentences that a model's file keeps to be scored on."""

Parts = tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]


class Entity(NamedTuple):
    """Something named in a sentence: words `start` to before `end`, and their text."""

    type: str
    start: int
    end: int
    text: str


class SequenceTagger(AbstractEstimator):
    """Tag each word of a sentence, choosing the tags of a sentence together.

    A bidirectional LSTM reads words, their characters and their case; a conditional random field
    on top of it scores whole tag sequences. Entities are learned as BIOES whatever the scheme of
    the tags given, cannot come out malformed, and are answered in the scheme given. Nothing but
    the tagged sentences is needed.

    Parameters
    ----------
    scheme : {"auto", "BIO", "BIOES", "IO", "none"}
        How tags mark entities; "none" for plain tags such as parts of speech, "auto" to see from
        the tags.
    swapped : float
        Share of entities that are replaced by another of their type while training, in [0, 1],
        so that less is learned by heart where an entity could stand where another does.
    held_out : float
        Share of the sentences that only choose when training stops, in [0, 1), where there are 50
        or more and `fit` is given none to validate on.
    networks : int, optional
        Networks that are trained and answer together; by `size` when not given.
    size : {"small", "medium", "large"}
        Width of the network, and how many.
    random_state : int, optional
        Seed; equal seeds give equal models. 0 when not given.
    train : TrainConfig, optional
        Settings of the training loop; what is left open is chosen from the data.

    Attributes
    ----------
    scheme_ : str
        The scheme of the training tags.
    classes_ : tuple of str
        The tags that can be answered, and the columns of `predict_proba`.

    Examples
    --------
    >>> X = [["Ada", "sleeps"], ["Tom", "and", "Eve", "sleep"], ["They", "sleep"]] * 8
    >>> y = [["B-PER", "O"], ["B-PER", "O", "B-PER", "O"], ["O", "O"]] * 8
    >>> tagger = SequenceTagger(size="small", train=TrainConfig(epochs=12)).fit(X, y)
    >>> tagger.predict([["Eve", "and", "Tom", "sleep"]])
    [['B-PER', 'O', 'B-PER', 'O']]
    >>> tagger.entities([["Eve", "sleeps"]])
    [[Entity(type='PER', start=0, end=1, text='Eve')]]
    """

    task: ClassVar[str] = "tag"
    reads: ClassVar[str] = "tagged text"

    def __init__(
        self,
        *,
        scheme: Literal["auto", "BIO", "BIOES", "IO", "none"] = "auto",
        swapped: float = 0.0,
        held_out: float = 0.1,
        networks: int | None = None,
        size: Literal["small", "medium", "large"] = "medium",
        random_state: int | None = None,
        train: TrainConfig | None = None,
    ) -> None:
        self.scheme = scheme
        self.swapped = swapped
        self.held_out = held_out
        self.networks = networks
        self.size = size
        self.random_state = random_state
        self.train = train

    def fit(self, X: Any, y: Any, valid: tuple[Any, Any] | None = None) -> Self:
        """Train on tagged sentences.

        Parameters
        ----------
        X : list of list of str
            Words of each sentence; a sentence may be empty.
        y : list of list of str
            A tag for each word. I without a B before it begins an entity, as conlleval has it.
        valid : pair of X and y, optional
            Sentences that choose when training stops, in place of some that are held out.

        Raises
        ------
        InputError
            An argument is out of range, a sentence has more or fewer tags than words, tags are not
            of the scheme, or all tags are the same.
        TrainingError
            The loss stayed undefined.
        """
        where = "SequenceTagger.fit"
        settings = self._settings(where)
        share = check_number(where, "held_out", self.held_out, most=1.0, is_open=True)
        rows = Rows(*reading.read_pairs(where, X, y))
        scheme = reading.read_scheme(where, self.scheme, rows.tags)
        _check_tags_differ(where, rows.tags, scheme)
        rng = np.random.default_rng(settings.seed)
        if valid is None:
            learn, held = split(replace_empty(rows), share, rng)
            if scheme != "none" and not any(map(schemes.spans, learn.tags)):
                learn, held = rows, Rows([], [])  # the only entities were held out
        else:
            learn, held = rows, self._read_valid(where, valid, scheme)
        self.scheme_: str = scheme
        self.fitted_: Fitted = fit_networks(learn, held, scheme, settings)
        self.fitted_.record["data"]["stray"] = sum(map(schemes.stray, rows.tags))
        self.classes_: tuple[str, ...] = _answered(self.fitted_.tags, scheme)
        forms, tags = self.fitted_.forms, self.fitted_.tags
        self.baselines_: Baselines = Baselines.of(replace_empty(learn), forms, scheme, tags)
        self.mentions_: frozenset[str] = frozenset() if scheme == "none" else _mentions(learn)
        kept = np.sort(rng.permutation(len(held))[:MOST_KEPT])
        self.held_: Rows = held.take(kept)
        return self

    def predict(self, X: Any) -> list[list[str]]:
        """Tag each word: one list of tags a sentence, in the scheme of the training tags."""
        return self._tagged(self._read("predict", X))

    def predict_proba(self, X: Any) -> list[np.ndarray]:
        """Give each tag its probability at each word: (words, K) float64 a sentence.

        Columns are as in `classes_`; rows sum to 1. The best tags of a sentence, as `predict` has
        them, need not be the most probable tag of every word.
        """
        sentences = self._read("predict_proba", X)
        columns = np.zeros((len(self.fitted_.tags), len(self.classes_)))
        for row, tag in enumerate(self.fitted_.tags):
            columns[row, self.classes_.index(_plainer(tag, self.scheme_))] = 1.0
        return [shares @ columns for shares in self.fitted_.marginals(sentences)]

    def entities(self, X: Any) -> list[list[Entity]]:
        """Find the entities of each sentence.

        Raises
        ------
        InputError
            The tagger was trained on plain tags, which mark no entities.
        """
        sentences = self._read("entities", X)
        if self.scheme_ == "none":
            must = "tags must mark entities, such as 'B-Disease' and 'O'"
            given = ", ".join(map(repr, self.classes_[:3]))
            raise InputError(explain("SequenceTagger.entities", must, given, "Call predict"))
        return [
            [Entity(*span, text=" ".join(words[span.start : span.end])) for span in found]
            for words, found in zip(sentences, self.fitted_.spans(sentences), strict=True)
        ]

    def score(self, X: Any, y: Any) -> float:
        """Give the F1 of entities, or the accuracy of plain tags."""
        evaluation = self.evaluate(X, y)
        return evaluation.metric(evaluation.decided_by)

    def evaluate(self, X: Any = None, y: Any = None) -> Evaluation:
        """Score tags against the truth, beside the baselines.

        Parameters
        ----------
        X, y : optional
            Sentences that were not trained on; when not given, those that chose when training
            stopped.

        Returns
        -------
        Evaluation
            Shows itself as a table with definitions, protocol and winner.

        Raises
        ------
        InputError
            Nothing was given and nothing was held out, or X and y cannot be used.
        """
        where = "SequenceTagger.evaluate"
        self._require_fitted("evaluate")
        check_together(where, X, y, "the sentences that fit held out")
        data, notes = self.fitted_.record["data"], []
        learned = data["sentences"] - data["held_out"]
        if X is None:
            if not len(self.held_):
                must, do = "there must be sentences to score", "Give X and y"
                raise InputError(explain(where, must, "none, and fit held none out", do))
            rows = self.held_
            protocol = f"{len(rows)} sentences that were held out of training"
            notes = ["These sentences chose when training stopped: expect a little less elsewhere."]
        else:
            rows = Rows(*reading.read_pairs(where, X, y))
            if self.scheme_ != "none":
                reading.check_tags(where, rows.tags, "BIOES")
            protocol = f"{len(rows)} sentences that were given"
        if stray := sum(map(schemes.stray, rows.tags)) if self.scheme_ != "none" else 0:
            notes.append(f"{stray} true tags continue an entity that has not begun: read as begun.")
        if (seen := self.baselines_.learned_from) < data["words"] and seen >= 100_000:
            notes.append(f"The linear model learned from {seen:,} of the training words.")
        forms = self.fitted_.forms
        return compared(
            rows.words,
            rows.tags,
            {NAME: self._tagged(rows.words), **self.baselines_.answers(forms, rows.words)},
            [[not forms.knows(word) for word in words] for words in rows.words],
            has_spans=self.scheme_ != "none",
            protocol=f"Protocol: {protocol}; {learned} learned from.",
            notes=notes,
        )

    def story(self, X: Any = None, y: Any = None) -> Story:
        """Tell how the fit went, for the report; X and y are scored as by `evaluate`."""
        from cellstate.tasks.text.tagging.story import tell

        self._require_fitted("story")
        is_scored = X is not None or y is not None or len(self.held_) > 0
        return tell(self, self.evaluate(X, y) if is_scored else None)

    def _tagged(self, sentences: list[list[str]]) -> list[list[str]]:
        if self.scheme_ == "none":
            return self.fitted_.decode(sentences)
        found = self.fitted_.spans(sentences)
        return [
            schemes.tags_of(spans, len(words), self.scheme_)
            for words, spans in zip(sentences, found, strict=True)
        ]

    def _read(self, method: str, X: Any) -> list[list[str]]:
        self._require_fitted(method)
        return reading.read_sentences(f"SequenceTagger.{method}", X)

    def _read_valid(self, where: str, valid: Any, scheme: str) -> Rows:
        if not isinstance(valid, tuple | list) or len(valid) != 2:
            must, do = "valid must be a pair of X and y", "For example valid=(X_valid, y_valid)"
            raise ArgumentTypeError(explain(where, must, type(valid).__name__, do))
        rows = replace_empty(Rows(*reading.read_pairs(f"{where}, valid", *valid)))
        if scheme != "none":
            reading.check_tags(f"{where}, valid", rows.tags, "BIOES")
        return rows

    def _settings(self, where: str) -> Settings:
        width = width_of(where, self.size)
        networks = width.networks if self.networks is None else self.networks
        return Settings(
            width,
            check_whole(where, "networks", networks),
            check_number(where, "swapped", self.swapped, most=1.0),
            check_seed(where, self.random_state),
            check_config(where, self.train),
        )

    def _is_fitted(self) -> bool:
        return hasattr(self, "fitted_")

    def _fitted_parts(self) -> Parts:
        fitted = self.fitted_
        encoders = {
            "forms": fitted.forms.as_dict(),
            "scheme": self.scheme_,
            "tags": list(fitted.tags),
            "baselines": self.baselines_.as_dict(),
            "mentions": sorted(self.mentions_),
        }
        held = json.dumps([self.held_.words, self.held_.tags]).encode()
        tensors = {
            **fitted.tensors(),
            **self.baselines_.tensors(),
            "held_out": np.frombuffer(held, np.uint8),
        }
        return fitted.network(), encoders, {}, fitted.record, tensors

    def _restore(self, manifest: Manifest, tensors: dict[str, np.ndarray]) -> None:
        require("torch", extra="train")
        encoders, record = manifest.encoders, manifest.record
        self.scheme_ = str(encoders["scheme"])
        forms = FormEncoder.from_dict(encoders["forms"])
        has_spans, tags = self.scheme_ != "none", tuple(encoders["tags"])
        self.fitted_ = restored(manifest.network, forms, tags, tensors, record, has_spans=has_spans)
        self.classes_ = _answered(tags, self.scheme_)
        self.baselines_ = Baselines.restored(encoders["baselines"], tensors)
        self.mentions_ = frozenset(encoders["mentions"])
        self.held_ = Rows(*json.loads(tensors["held_out"].tobytes()))


def _plainer(tag: str, scheme: str) -> str:
    """Name what a BIOES tag is in another scheme."""
    if scheme in ("none", "BIOES") or tag == schemes.OUTSIDE:
        return tag
    begins = tag[0] in "BS" and scheme == "BIO"
    return ("B" if begins else "I") + tag[1:]


def _answered(tags: tuple[str, ...], scheme: str) -> tuple[str, ...]:
    """List the tags that can be answered, in the order of the networks' own."""
    return tuple(dict.fromkeys(_plainer(tag, scheme) for tag in tags))


def _mentions(rows: Rows) -> frozenset[str]:
    """Collect the entities of the training sentences, to tell seen ones from unseen."""
    pairs = zip(rows.words, rows.tags, strict=True)
    return frozenset(
        " ".join(words[start:end]).lower()
        for words, tags in pairs
        for _, start, end in schemes.spans(tags)
    )


def _check_tags_differ(where: str, tags: list[list[str]], scheme: str) -> None:
    different = {tag for labels in tags for tag in labels}
    if len(different) == 1 and (scheme == "none" or schemes.OUTSIDE in different):
        must = "there must be at least two different tags"
        given = f"{next(iter(different))!r} everywhere"
        raise InputError(explain(where, must, given, "Tag some words with what is to be found"))
