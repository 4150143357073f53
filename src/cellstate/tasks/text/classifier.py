"""Texts into classes or labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from cellstate.errors import InputError, did_you_mean, explain
from cellstate.extras import require
from cellstate.tasks.arguments import (
    check_choice,
    check_config,
    check_seed,
    check_together,
    check_whole,
)
from cellstate.tasks.estimator import AbstractEstimator
from cellstate.tasks.evaluation import Evaluation
from cellstate.tasks.text.classification import plan as plans
from cellstate.tasks.text.classification.baseline import Baseline, analyzers_of
from cellstate.tasks.text.classification.fitted import Fitted, restored
from cellstate.tasks.text.classification.fitting import Rows, Settings, fit_networks
from cellstate.tasks.text.classification.held import Held
from cellstate.tasks.text.classification.labels import (
    Labels,
    folds,
    hold_out,
    read_labels,
    read_texts,
)
from cellstate.tasks.text.classification.mixing import fit_linear, mixed
from cellstate.tasks.text.classification.scoring import compare, probabilities_of
from cellstate.train.config import TrainConfig

if TYPE_CHECKING:
    from cellstate.artifact import Manifest
    from cellstate.tasks.sections import Story
    from cellstate.tasks.text.classification.attributions import Explanation

TOKENIZERS = ("word", "whitespace", "bpe", "char")

Parts = tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]


class TextClassifier(AbstractEstimator):
    """Name the class of each text, or any number of labels.

    Bidirectional LSTMs over words, whose vectors are made of the words' pieces too, trained on
    adversarial vectors as well; or, with `pretrain`, a language model of the texts that is
    fine-tuned to name classes. Either is mixed with a linear model of words and pieces. Where
    `y` holds lists or sets, each text has any number of labels. Probabilities are calibrated, and
    thresholds of labels chosen, on rows that were not trained on: a tenth of 1,000 rows or more;
    with fewer, each network leaves out a part of its own.

    Parameters
    ----------
    size : {"small", "medium", "large"}
        Width and depth of the networks.
    tokenizer : {"word", "whitespace", "bpe", "char"}
        What a text is cut into: words and signs, what white space parts, pieces of words, or
        characters.
    pretrain : bool, optional
        Whether to learn the language of the texts before their labels. By default where `fit` is
        given further texts without labels.
    class_weight : "balanced" or dict, optional
        Weight of each class in training; "balanced" gives rare classes as much as frequent ones.
    networks : int
        Networks that are trained and averaged.
    longest : int, optional
        Tokens of a text that are read; the rest is cut off. All of them when not given.
    random_state : int, optional
        Seed; equal seeds give equal models. 0 when not given.
    train : TrainConfig, optional
        Settings of the training loop; what is left open is chosen from the data.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
        The classes or labels, sorted.
    is_multi_label_ : bool

    Examples
    --------
    >>> texts = ["what a lovely film", "a dull and lifeless film"] * 20
    >>> model = TextClassifier(networks=1, random_state=0).fit(texts, ["good", "bad"] * 20)
    >>> model.predict(["lovely", "lifeless"]).tolist()
    ['good', 'bad']
    """

    task: ClassVar[str] = "classify-text"
    reads: ClassVar[str] = "labelled text"

    def __init__(
        self,
        *,
        size: Literal["small", "medium", "large"] = "small",
        tokenizer: Literal["word", "whitespace", "bpe", "char"] = "word",
        pretrain: bool | None = None,
        class_weight: Literal["balanced"] | dict[Any, float] | None = None,
        networks: int = 5,
        longest: int | None = None,
        random_state: int | None = None,
        train: TrainConfig | None = None,
    ) -> None:
        self.size = size
        self.tokenizer = tokenizer
        self.pretrain = pretrain
        self.class_weight = class_weight
        self.networks = networks
        self.longest = longest
        self.random_state = random_state
        self.train = train

    def fit(
        self,
        X: Sequence[str],
        y: Sequence[Any],
        *,
        unlabelled: Sequence[str] | None = None,
        validation: tuple[Sequence[str], Sequence[Any]] | None = None,
    ) -> Self:
        """Train on texts and their labels.

        Parameters
        ----------
        X : list of str
            Texts; an empty one is allowed, and read as one that says nothing.
        y : list
            A label of each text, str or number; or a list or set of labels of each.
        unlabelled : list of str, optional
            Further texts to learn the language from.
        validation : tuple of texts and labels, optional
            Rows that choose when to stop and calibrate probabilities, instead of a part of X.

        Raises
        ------
        InputError
            An argument is out of range, there is one class only, a label is seen once, or X and y
            are not of the same length.
        TrainingError
            The loss stayed undefined.
        """
        where = "TextClassifier.fit"
        require("torch", extra="train")
        settings = self._settings(is_given_more=unlabelled is not None)
        texts = read_texts(where, X)
        given = read_labels(where, y, len(texts))
        labels = Labels.learn(where, given)
        targets = labels.targets(where, given)
        further = [] if unlabelled is None else read_texts(where, unlabelled, name="unlabelled")
        if not any(text.strip() for text in texts):
            must, do = "some text must hold a word", "Check which column was read"
            raise InputError(explain(where, must, f"{len(texts)} empty ones", do))
        if validation is None:
            held = _held_out(labels.groups(targets), settings)
        else:
            extra = read_texts(where, validation[0], name="validation")
            checks = labels.targets(where, read_labels(where, validation[1], len(extra)))
            held = np.zeros((settings.networks, len(texts) + len(extra)), dtype=bool)
            held[:, len(texts) :] = True
            texts, targets = texts + extra, np.concatenate([targets, checks])
        outputs = len(labels.names)
        rows = Rows(texts, targets, held)
        fitted, said = fit_networks(
            rows,
            outputs=outputs,
            class_weights=labels.weights(targets, self.class_weight, where),
            unlabelled=further,
            settings=settings,
        )
        (self.baseline_, baseline), (model, linear) = (
            fit_linear(rows, outputs, analyzer, settings.seed)
            for analyzer in analyzers_of(self.tokenizer)
        )
        self.labels_ = labels
        self.classes_ = np.array(labels.names)
        self.is_multi_label_ = labels.is_multi
        self.fitted_ = mixed(fitted, model, said, linear, rows)
        self.held_ = Held.of(self.fitted_, labels, rows, said, linear, baseline)
        return self

    def predict(self, X: Sequence[str]) -> Any:
        """Name the class of each text: (n,); or a list of the labels of each text.

        Words that training has not seen are read by their pieces.
        """
        named = self._fitted("predict").named(self._probabilities("predict", X))
        if not self.is_multi_label_:
            return self.classes_[named.argmax(1)]
        return [[self.labels_.names[k] for k in np.flatnonzero(row)] for row in named]

    def predict_proba(self, X: Sequence[str]) -> np.ndarray:
        """Give each class or label its probability: (n, K) float64, columns as in `classes_`."""
        return self._probabilities("predict_proba", X)

    def score(self, X: Sequence[str], y: Sequence[Any]) -> float:
        """Give the accuracy, or with several labels the micro F1."""
        evaluation = self.evaluate(X, y)
        return evaluation.metric(evaluation.decided_by)

    def evaluate(
        self, X: Sequence[str] | None = None, y: Sequence[Any] | None = None
    ) -> Evaluation:
        """Score answers against the truth, beside the baselines.

        The baselines are the most frequent class, TF-IDF of words and pairs of words with logistic
        regression, and the same with three words together and pieces of the text, which is also
        what the networks are mixed with. Penalties are chosen by cross-validation on the training
        rows.

        Parameters
        ----------
        X, y : optional
            Rows that were not trained on. When not given, the rows that `fit` left out.

        Returns
        -------
        Evaluation
            Shows itself as a table with definitions, protocol, winner and a report by class.
        """
        where = "TextClassifier.evaluate"
        fitted = self._fitted("evaluate")
        check_together(where, X, y, "the rows that fit left out")
        if X is None or y is None:
            return self.held_.evaluation(fitted, self.labels_, self.baseline_)
        texts = read_texts(where, X)
        targets = self.labels_.targets(where, read_labels(where, y, len(texts)))
        trained = fitted.record["data"]["rows"] - fitted.record["data"]["held_out"]
        return compare(
            fitted,
            self.labels_,
            self.baseline_,
            self.labels_.truth(targets),
            probabilities_of(
                fitted,
                self.baseline_,
                fitted.answers(texts),
                fitted.linear_answers(texts),
                self.baseline_.answers(texts),
            ),
            protocol=f"Protocol: {len(texts):,} texts that were given; {trained:,} learned from.",
        )

    def explain(self, X: Sequence[str], label: Any = None) -> list[Explanation]:
        """Tell what each word of each text adds to a label, by integrated gradients.

        Parameters
        ----------
        X : list of str
        label : optional
            The label to speak of; by default the most probable one of each text.

        Returns
        -------
        list of Explanation
            With the words, their places in the text, and values in nats of log odds.
        """
        from cellstate.tasks.text.classification.explaining import explain_texts

        fitted = self._fitted("explain")
        texts = read_texts("TextClassifier.explain", X)
        chosen = None
        if label is not None:
            if label not in self.labels_.names:
                must = f"label must be among the {len(self.labels_.names)} that fit has seen"
                do = did_you_mean(str(label), map(str, self.labels_.names))
                raise InputError(explain("TextClassifier.explain", must, repr(label), do))
            chosen = np.full(len(texts), self.labels_.names.index(label))
        return explain_texts(fitted, self.labels_, texts, chosen)

    def story(self, X: Sequence[str] | None = None, y: Sequence[Any] | None = None) -> Story:
        """Tell how the fit went, for the report; X and y are scored as by `evaluate`."""
        from cellstate.tasks.text.classification.story import tell

        self._fitted("story")
        return tell(self, self.evaluate(X, y), None if X is None else list(X))

    def _fitted(self, method: str) -> Fitted:
        self._require_fitted(method)
        return self.fitted_

    def _probabilities(self, method: str, X: Sequence[str]) -> np.ndarray:
        fitted = self._fitted(method)
        return fitted.probabilities(read_texts(f"TextClassifier.{method}", X))

    def _settings(self, *, is_given_more: bool) -> Settings:
        where = "TextClassifier"
        check_choice(where, "tokenizer", self.tokenizer, TOKENIZERS)
        check_whole(where, "networks", self.networks)
        if self.longest is not None:
            check_whole(where, "longest", self.longest)
        if self.pretrain not in (True, False, None):
            must, do = "pretrain must be True, False or None", "Leave it out to let fit decide"
            raise InputError(explain(where, must, repr(self.pretrain), do))
        return Settings(
            where=where,
            size=self.size,
            tokenizer=self.tokenizer,
            longest=self.longest,
            networks=self.networks,
            is_pretrained=is_given_more if self.pretrain is None else self.pretrain,
            seed=check_seed(where, self.random_state),
            config=check_config(where, self.train),
        )

    def _is_fitted(self) -> bool:
        return hasattr(self, "fitted_")

    def _fitted_parts(self) -> Parts:
        fitted = self.fitted_
        encoders = {"tokenizer": fitted.tokenizer.to_json(), "longest": fitted.longest}
        decoding = {"labels": self.labels_.as_dict(), "held": self.held_.as_dict()}
        tensors = fitted.tensors() | self.baseline_.tensors("baseline") | self.held_.tensors()
        return fitted.network(), encoders, decoding, fitted.record, tensors

    def _restore(self, manifest: Manifest, tensors: dict[str, np.ndarray]) -> None:
        require("torch", extra="train")
        from cellstate.data.text.tokenizer import Tokenizer

        tokenizer = Tokenizer.from_json(manifest.encoders["tokenizer"])
        longest = manifest.encoders["longest"]
        self.labels_ = Labels.from_dict(manifest.decoding["labels"])
        self.classes_ = np.array(self.labels_.names)
        self.is_multi_label_ = self.labels_.is_multi
        self.baseline_, linear = (
            Baseline.from_tensors(name, tensors, analyzer)
            for name, analyzer in zip(
                ("baseline", "linear"), analyzers_of(tokenizer.kind), strict=True
            )
        )
        self.fitted_ = restored(
            manifest.network, tokenizer, longest, linear, tensors, manifest.record
        )
        self.held_ = Held.from_parts(manifest.decoding["held"], tensors)


def _held_out(groups: np.ndarray, settings: Settings) -> np.ndarray:
    """Choose what each network leaves out: (networks, n) bool."""
    rng = np.random.default_rng(settings.seed)
    if len(groups) >= plans.FEWEST_TO_SPLIT:
        held = hold_out(groups, plans.HELD_OUT, plans.MOST_HELD_OUT, rng)
        return np.repeat(held[None], settings.networks, axis=0)
    # Parts that are no smaller with fewer networks: more rows to learn from count for more.
    numbers = folds(groups, max(plans.FOLDS, settings.networks), rng)
    return np.stack([numbers == place for place in range(settings.networks)])
