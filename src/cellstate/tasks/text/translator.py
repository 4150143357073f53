"""Sentences into another language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from cellstate.data.text.tokenizer import Tokenizer
from cellstate.errors import InputError, explain
from cellstate.extras import require
from cellstate.tasks.arguments import (
    check_choice,
    check_config,
    check_number,
    check_seed,
    check_together,
    check_whole,
)
from cellstate.tasks.estimator import AbstractEstimator
from cellstate.tasks.evaluation import Evaluation
from cellstate.tasks.text.translation import plan as plans
from cellstate.tasks.text.translation.evaluation import compare
from cellstate.tasks.text.translation.fitted import Alignment, FittedTranslation, Search
from cellstate.tasks.text.translation.fitting import Settings, fit_network, hold_out
from cellstate.tasks.text.translation.lexicon import learn_lexicon
from cellstate.tasks.text.translation.reading import read_pairs, read_sentences, without_gaps
from cellstate.train.config import TrainConfig

if TYPE_CHECKING:
    from cellstate.artifact import Manifest
    from cellstate.tasks.sections import Story

KEPT = 300
"""Pairs held out that a model keeps, to be evaluated and shown on."""


class Translator(AbstractEstimator):
    """Translate sentences, after learning from pairs of them.

    A bidirectional LSTM reads the sentence, a second one writes its translation and looks back by
    attention; beam search finds the likeliest. With 200 pairs or more, some are held out to choose
    when training stops, unless `fit` is given others for it. Pairs with an empty side are left out
    of the training.

    Parameters
    ----------
    size : {"small", "medium", "large"}
        Width and depth of the network.
    vocabulary : {"bpe", "unigram", "word", "whitespace", "char"}
        What a token is. With words, those that are too rare to learn are copied from where the
        decoder looks; pieces of words ("bpe", "unigram") know no unknown.
    vocabulary_size : int, optional
        Most tokens of a vocabulary; chosen from the amount of text when not given.
    shared : bool
        Whether both languages share one vocabulary and its embedding. Apart suits languages that
        have no words or no script in common.
    attention : {"general", "dot", "additive"}
        How the decoder compares where it stands with the words of the source.
    input_feeding : bool
        Whether each step of the decoder sees what the step before found. Training then goes step
        by step, which takes longer.
    dropout : float
        Share of the features zeroed between all parts in training, in [0, 1).
    scheduled_sampling : float
        Share of the decoder's inputs in training that are what the network itself would have
        written, in [0, 1].
    beam : int
        Hypotheses that the search keeps; 1 is greedy.
    random_state : int, optional
        Seed; equal seeds give equal models. 0 when not given.
    train : TrainConfig, optional
        Settings of the training loop; what is left open is chosen from the data.

    Attributes
    ----------
    fitted_ : FittedTranslation
        Network, vocabularies and the record of the training.

    Examples
    --------
    >>> numbers = ["eins", "zwei", "drei", "vier"]
    >>> english = ["one", "two", "three", "four"]
    >>> X = [f"{a} {b}" for a in numbers for b in numbers] * 6
    >>> y = [f"{a} {b}" for a in english for b in english] * 6
    >>> model = Translator(vocabulary="word", dropout=0.0, train=TrainConfig(epochs=12))
    >>> model.fit(X, y).predict(["vier eins", ""])
    ['four one', '']
    """

    task: ClassVar[str] = "translate"
    reads: ClassVar[str] = "parallel text"

    def __init__(
        self,
        *,
        size: Literal["small", "medium", "large"] = "small",
        vocabulary: str = "bpe",
        vocabulary_size: int | None = None,
        shared: bool = True,
        attention: Literal["general", "dot", "additive"] = "general",
        input_feeding: bool = False,
        dropout: float = plans.DROPOUT,
        scheduled_sampling: float = 0.0,
        beam: int = 5,
        random_state: int | None = None,
        train: TrainConfig | None = None,
    ) -> None:
        self.size = size
        self.vocabulary = vocabulary
        self.vocabulary_size = vocabulary_size
        self.shared = shared
        self.attention = attention
        self.input_feeding = input_feeding
        self.dropout = dropout
        self.scheduled_sampling = scheduled_sampling
        self.beam = beam
        self.random_state = random_state
        self.train = train

    def fit(
        self,
        X: Sequence[str],
        y: Sequence[str],
        validation: tuple[Sequence[str], Sequence[str]] | None = None,
    ) -> Self:
        """Learn vocabularies and a network from pairs of sentences.

        Parameters
        ----------
        X : sequence of str
            Sentences.
        y : sequence of str
            The translation of each.
        validation : pair of sequence of str, optional
            Further sentences and translations, to choose when to stop; some of X and y when not
            given.

        Raises
        ------
        InputError
            An argument is out of range, or the sentences cannot be used.
        TrainingError
            The loss stayed undefined.
        """
        settings = self._settings()
        where = settings.where
        sources, targets = read_pairs(f"{where}.fit", X, y)
        sources, targets, empty = without_gaps(f"{where}.fit", sources, targets)
        if validation is None:
            rng = np.random.default_rng(settings.seed)
            learn, held = hold_out((sources, targets), rng)
        else:
            learn = (sources, targets)
            others = read_pairs(f"{where}.fit, validation", *validation)
            held = without_gaps(f"{where}.fit, validation", *others)[:2]
        self.fitted_: FittedTranslation = fit_network(learn, held, settings)
        self.fitted_.record["data"]["left_out"] = empty
        self.lexicon_: dict[str, str] = learn_lexicon(*learn)
        kept = held if held[0] else learn
        self.kept_: tuple[list[str], list[str]] = (kept[0][:KEPT], kept[1][:KEPT])
        return self

    def predict(
        self,
        X: Sequence[str],
        *,
        beam: int | None = None,
        length_penalty: float = 1.0,
        coverage_penalty: float = 0.0,
    ) -> list[str]:
        """Translate sentences; an empty one stays empty.

        Parameters
        ----------
        X : sequence of str
            Sentences of any length, though long ones unlike all of training come out badly.
        beam : int, optional
            Hypotheses that the search keeps; as constructed when not given.
        length_penalty, coverage_penalty : float
            α and β of equation (1) in `cellstate.tasks.text.beam.BeamSearch`: more of the one
            gives longer translations, of the other such that leave nothing out.
        """
        sentences = self._read("predict", X)
        return self.fitted_.translate(
            sentences, self._search("predict", beam, length_penalty, coverage_penalty)
        )

    def alignments(self, X: Sequence[str]) -> list[Alignment]:
        """Translate sentences and say which words the decoder looked at for each word."""
        sentences = self._read("alignments", X)
        return self.fitted_.align(sentences, self._search("alignments"))

    def evaluate(
        self, X: Sequence[str] | None = None, y: Sequence[str] | None = None
    ) -> Evaluation:
        """Score translations against references, beside the baselines.

        Parameters
        ----------
        X, y : optional
            Sentences and translations that were not trained on. When not given, those that `fit`
            set aside, at most 300; where it had too few for that, training sentences.

        Returns
        -------
        Evaluation
            BLEU and chrF of the network, of a word-by-word translation and of the source itself,
            with sacrebleu's signatures.
        """
        self._require_fitted("evaluate")
        where = "Translator.evaluate"
        check_together(where, X, y, "the pairs that fit set aside")
        notes = [f"Beam {self.beam}, length penalty 1; the references are as they were given."]
        if X is None or y is None:
            pairs = self.kept_
            if self.fitted_.record["data"]["held_out"]:
                protocol = f"Protocol: {len(pairs[0]):,} pairs that fit set aside."
                notes.append("They chose when training stopped: expect a little less on new text.")
            else:
                protocol = "Protocol: training pairs themselves, too few to set any aside."
        else:
            pairs = read_pairs(where, X, y)
            if not pairs[0]:
                do = "Give the sentences of a test set"
                raise InputError(explain(where, "there must be pairs to score", "none", do))
            protocol = f"Protocol: {len(pairs[0]):,} pairs that were given."
        said = self.fitted_.translate(pairs[0], self._search("evaluate"))
        return compare(*pairs, said, self.lexicon_, protocol=protocol, notes=notes)

    def story(self, X: Sequence[str] | None = None, y: Sequence[str] | None = None) -> Story:
        """Tell how the fit went, for the report; X and y are scored as by `evaluate`."""
        from cellstate.tasks.text.translation.story import tell

        self._require_fitted("story")
        return tell(self, self.evaluate(X, y))

    def _settings(self) -> Settings:
        where = type(self).__name__
        check_choice(where, "size", self.size, plans.SIZES)
        check_choice(where, "vocabulary", self.vocabulary, plans.VOCABULARIES)
        check_choice(where, "attention", self.attention, plans.ATTENTIONS)
        check_number(where, "dropout", self.dropout, most=1.0, is_open=True)
        check_number(where, "scheduled_sampling", self.scheduled_sampling, most=1.0)
        check_whole(where, "beam", self.beam)
        return Settings(
            where=where,
            size=self.size,
            vocabulary=self.vocabulary,
            vocabulary_size=self.vocabulary_size,
            is_shared=bool(self.shared),
            attention=self.attention,
            input_feeding=bool(self.input_feeding),
            dropout=float(self.dropout),
            sampled=float(self.scheduled_sampling),
            seed=check_seed(where, self.random_state),
            config=check_config(where, self.train),
        )

    def _search(
        self,
        method: str,
        beam: int | None = None,
        length_penalty: float = 1.0,
        coverage_penalty: float = 0.0,
    ) -> Search:
        where = f"Translator.{method}"
        width = self.beam if beam is None else beam
        check_whole(where, "beam", width)
        check_number(where, "length_penalty", length_penalty, most=10.0)
        check_number(where, "coverage_penalty", coverage_penalty, most=10.0)
        return Search(int(width), float(length_penalty), float(coverage_penalty))

    def _read(self, method: str, X: Any) -> list[str]:
        self._require_fitted(method)
        return read_sentences(f"Translator.{method}", "X", X)

    def _is_fitted(self) -> bool:
        return hasattr(self, "fitted_")

    def _fitted_parts(
        self,
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]:
        fitted, (source, target) = self.fitted_, self.fitted_.tokenizers
        encoders = {
            "tokenizer": source.to_json(),
            "target_tokenizer": None if target is source else target.to_json(),
        }
        decoding = {"lexicon": self.lexicon_, "kept": list(self.kept_)}
        return fitted.network(), encoders, decoding, fitted.record, fitted.tensors()

    def _restore(self, manifest: Manifest, tensors: dict[str, np.ndarray]) -> None:
        require("torch", extra="train")
        source = Tokenizer.from_json(manifest.encoders["tokenizer"])
        other = manifest.encoders["target_tokenizer"]
        tokenizers = (source, source if other is None else Tokenizer.from_json(other))
        self.lexicon_ = dict(manifest.decoding["lexicon"])
        self.kept_ = tuple(list(side) for side in manifest.decoding["kept"])  # type: ignore[assignment]
        self.fitted_ = FittedTranslation.restored(
            manifest.network, tokenizers, tensors, manifest.record
        )
