"""Text in, the odds of what comes next out."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from cellstate.data.text.tokenizer import EOS, KINDS, Tokenizer
from cellstate.errors import ArgumentTypeError, InputError, did_you_mean, explain, quoted
from cellstate.tasks.arguments import (
    check_choice,
    check_config,
    check_number,
    check_seed,
    check_whole,
)
from cellstate.tasks.estimator import AbstractEstimator
from cellstate.tasks.evaluation import Evaluation
from cellstate.tasks.text.language import fitting
from cellstate.tasks.text.language.continuation import Continuation
from cellstate.tasks.text.language.dynamic import DynamicEvaluation
from cellstate.tasks.text.language.evaluation import evaluate_language
from cellstate.tasks.text.language.fitting import FittedLanguage
from cellstate.tasks.text.language.generate import Allowed, Generation, read_prompt
from cellstate.tasks.text.language.plan import (
    FINE,
    LanguagePlan,
    Regularization,
    default_regularization,
    make_plan,
)
from cellstate.tasks.text.language.sampling import Sampling
from cellstate.tasks.text.language.stream_score import NeuralCache, score_stream
from cellstate.train.config import TrainConfig

if TYPE_CHECKING:
    from cellstate.artifact import Manifest
    from cellstate.tasks.sections import Story

Parts = tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]
FINE_CONTEXT, COARSE_CONTEXT = 64, 70


class LanguageModel(AbstractEstimator):
    """Learn what comes next in a text, score texts, and write new ones.

    Characters, bytes, words or pieces of words; an LSTM reads the text as parallel streams whose
    memory is carried along. The end of the text is held out to choose the weights.

    Parameters
    ----------
    tokenizer : {"char", "byte", "word", "whitespace", "bpe", "unigram"}
        What a token is. A `TokenFile` brings its own.
    vocabulary : int, optional
        Most tokens that are told apart; the others are one, <unk>. None takes all, of words those
        that come twice.
    size : {"small", "medium", "large"}
        Width and depth of the network, and how long it is trained.
    hidden : int, optional
        Units of an LSTM layer; wins over `size`.
    layers : int, optional
        LSTM layers on top of each other; wins over `size`.
    tie : bool, optional
        Whether the output layer shares the embedding's weights; None shares those of words.
    softmax : {"auto", "full", "adaptive"}
        "adaptive" spends less on rare tokens; "auto" takes it from 20,000 tokens on. Such a model
        needs torch to be used.
    context : int, optional
        Tokens that gradients reach back; memory itself reaches further.
    regularization : Regularization, optional
        Dropout and its relatives; by default the recipe of AWD-LSTM for words, and dropout of
        outputs for characters.
    random_state : int, optional
        Seed; equal seeds give equal models. 0 when not given.
    train : TrainConfig, optional
        Settings of the training loop; what is left open is chosen from the text.

    Attributes
    ----------
    tokenizer_ : Tokenizer
    fitted_ : FittedLanguage

    Examples
    --------
    >>> text = "the cat sat on the mat. " * 60
    >>> train = TrainConfig(epochs=12)
    >>> model = LanguageModel(size="small", hidden=32, random_state=0, train=train).fit(text)
    >>> model.generate("the c", tokens=6, temperature=0)
    'at sat'
    """

    task: ClassVar[str] = "language"
    reads: ClassVar[str] = "text"

    def __init__(
        self,
        *,
        tokenizer: Literal["char", "byte", "word", "whitespace", "bpe", "unigram"] = "char",
        vocabulary: int | None = None,
        size: Literal["small", "medium", "large"] = "medium",
        hidden: int | None = None,
        layers: int | None = None,
        tie: bool | None = None,
        softmax: Literal["auto", "full", "adaptive"] = "auto",
        context: int | None = None,
        regularization: Regularization | None = None,
        random_state: int | None = None,
        train: TrainConfig | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.vocabulary = vocabulary
        self.size = size
        self.hidden = hidden
        self.layers = layers
        self.tie = tie
        self.softmax = softmax
        self.context = context
        self.regularization = regularization
        self.random_state = random_state
        self.train = train

    def fit(self, X: Any, *, held_out: float = fitting.HELD_OUT) -> Self:
        """Train on a text.

        Parameters
        ----------
        X : str, list of str, or TokenFile
            One running text; documents, each of which begins and ends; or tokens on disk, for a
            text that memory does not hold.
        held_out : float
            Share at the end of the text, at least 0 and below 1, that is not learned from but
            chooses the weights; 200,000 tokens at most. With 0 the last weights are kept, and the
            text that comes next may be told better for having read up to it.

        Raises
        ------
        InputError
            An argument is out of range, or the text is empty or too short.
        TrainingError
            The loss stayed undefined.
        """
        where = "LanguageModel.fit"
        seed, config = self._check(where)
        check_number(where, "held_out", held_out, most=1.0, is_open=True)
        tokenizer = fitting.learn_tokens(where, X, kind=self.tokenizer, size=self.vocabulary)
        corpus = fitting.read_corpus(where, X, tokenizer)
        plan = make_plan(
            vocabulary=tokenizer.size,
            kind=tokenizer.kind,
            size=self.size,
            hidden=self.hidden,
            layers=self.layers,
            tie=self.tie,
            softmax=self.softmax,
        )
        default = default_regularization(tokenizer.kind, self.size, len(corpus.tokens))
        context = FINE_CONTEXT if tokenizer.kind in FINE else COARSE_CONTEXT
        self.fitted_: FittedLanguage = fitting.fit_language(
            where,
            corpus,
            tokenizer,
            plan,
            regularization=(self.regularization or default).filled(default),
            context=self.context or context,
            size=self.size,
            seed=seed,
            config=config,
            held_out=held_out,
        )
        self.tokenizer_: Tokenizer = tokenizer
        return self

    def predict(self, X: Any, *, tokens: int = 100) -> list[str]:
        """Continue each text with its likeliest tokens, one after the other.

        Parameters
        ----------
        X : str or list of str
            Prompts.
        tokens : int
            Most tokens to add.

        Returns
        -------
        list of str
            What was added to each prompt.
        """
        self._require_fitted("predict")
        sampling = Sampling(tokens=tokens, temperature=0.0)
        prompts = [X] if isinstance(X, str) else list(X)
        for place, prompt in enumerate(prompts):
            if not isinstance(prompt, str) or not (prompt or not self.fitted_.is_running):
                given = f"{quoted(prompt)} at place {place}"
                must = "each prompt must be a text with something to go on from"
                raise InputError(explain("LanguageModel.predict", must, given, "Leave it out"))
        return [self._generation(prompt, sampling).finish() for prompt in prompts]

    def generate(self, prompt: str = "", **settings: Any) -> str:
        """Write on from a prompt; takes what `stream` takes, and gives the whole text.

        Examples
        --------
        See `LanguageModel`.
        """
        return self.stream(prompt, **settings).finish()

    def stream(
        self,
        prompt: str = "",
        sampling: Sampling | None = None,
        *,
        seed: int = 0,
        state: Continuation | None = None,
        allowed: Allowed | None = None,
        unknown: Literal["error", "replace"] = "error",
        **settings: Any,
    ) -> Generation:
        """Write on from a prompt, one token at a time.

        Parameters
        ----------
        prompt : str
            Of any length; may be empty where the model was trained on documents, or goes on from
            a state.
        sampling : Sampling, optional
            How tokens are chosen.
        seed : int
            Of the draws, at least 0.
        state : Continuation, optional
            Where an earlier text stopped: ``stream(…).state``, or one that was saved.
        allowed : callable, optional
            Tokens written so far -> the only ones that may come next, or None for all.
        unknown : {"error", "replace"}
            What to do with pieces of the prompt that the vocabulary lacks.
        **settings
            Fields of `Sampling`, instead of the whole.

        Returns
        -------
        Generation
            Iterate for pieces of text; `state` says where it stands.

        Raises
        ------
        InputError
            A setting is out of range, or the prompt is empty or has unknown characters.
        """
        self._require_fitted("stream")
        names = list(Sampling.__dataclass_fields__)
        for name in settings:
            if name not in names:
                must = "settings must be fields of Sampling"
                do = did_you_mean(name, names)
                raise InputError(explain("LanguageModel.stream", must, repr(name), do))
        chosen = replace(sampling or Sampling(), **settings)
        check_whole("LanguageModel.stream", "seed", seed, least=0)
        return self._generation(prompt, chosen, int(seed), state, allowed, unknown)

    def evaluate(
        self,
        X: Any = None,
        *,
        cache: NeuralCache | None = None,
        dynamic: DynamicEvaluation | None = None,
    ) -> Evaluation:
        """Score a text as one stream, beside counts of short sequences.

        Parameters
        ----------
        X : str, list of str, or TokenFile, optional
            A text that was not trained on; by default the end that `fit` held out.
        cache : NeuralCache, optional
            Also score with a memory of what followed.
        dynamic : DynamicEvaluation, optional
            Also score while learning on. Needs torch.

        Returns
        -------
        Evaluation
            Shows itself as a table with definitions, protocol and winner.
        """
        self._require_fitted("evaluate")
        where = "LanguageModel.evaluate"
        if X is not None:
            tokens = fitting.read_corpus(where, X, self.tokenizer_).tokens
        else:
            tokens = None
        scored = self.fitted_.held if tokens is None else tokens
        if len(scored) < 2:
            must = "there must be a text of at least 2 tokens to score"
            given = f"{len(scored)}" if tokens is not None else "none, for fit held nothing out"
            do = "Give a text that was not trained on"
            raise InputError(explain(where, must, given, do))
        return evaluate_language(self.fitted_, tokens, cache=cache, dynamic=dynamic)

    def score(self, X: Any) -> float:
        """Give the mean log probability of a token, in nats: higher is better."""
        self._require_fitted("score")
        log_p = [self._log_p(text) for text in fitting.check_documents("LanguageModel.score", X)]
        return float(np.concatenate(log_p).mean())

    def score_samples(self, X: Any) -> np.ndarray:
        """Give log p of each text, in nats: (n,).

        A text of one token in a model of running text has nothing to be judged by, and gives 0.
        """
        self._require_fitted("score_samples")
        texts = fitting.check_documents("LanguageModel.score_samples", X)
        return np.array([self._log_p(text).sum() for text in texts])

    def story(self, X: Any = None) -> Story:
        """Tell how the fit went, for the report; X is scored as by `evaluate`."""
        from cellstate.tasks.text.language.story import tell

        self._require_fitted("story")
        has_text = X is not None or len(self.fitted_.held) > 1
        return tell(self, self.evaluate(X) if has_text else None)

    def _log_p(self, text: str) -> np.ndarray:
        """Give log p of each token; a document also begins and ends."""
        tokens = self.tokenizer_.encode(text)
        if not self.fitted_.is_running:
            tokens = np.concatenate([[EOS], tokens, [EOS]])
        return score_stream(self.fitted_.reader, tokens)

    def _generation(
        self,
        prompt: str,
        sampling: Sampling,
        seed: int = 0,
        state: Continuation | None = None,
        allowed: Allowed | None = None,
        unknown: str = "error",
    ) -> Generation:
        start = read_prompt(self.fitted_, prompt, after=state, unknown=unknown)
        return Generation(self.fitted_, start, sampling, seed, allowed)

    def _check(self, where: str) -> tuple[int, TrainConfig]:
        check_choice(where, "tokenizer", self.tokenizer, KINDS)
        if not isinstance(self.regularization, Regularization | None):
            must = "regularization must be a Regularization or None"
            given = type(self.regularization).__name__
            do = "For example regularization=Regularization()"
            raise ArgumentTypeError(explain(where, must, given, do))
        if self.context is not None:
            check_whole(where, "context", self.context)
        return check_seed(where, self.random_state), check_config(where, self.train)

    def _is_fitted(self) -> bool:
        return hasattr(self, "fitted_")

    def _fitted_parts(self) -> Parts:
        from cellstate import network
        from cellstate.tasks.text.language.reader import layers_of

        fitted = self.fitted_
        described: dict[str, Any] = {"kind": "language", "plan": asdict(fitted.plan)}
        if not fitted.plan.cutoffs:
            described["layers"] = network.to_json(layers_of(fitted.plan))
        encoders = {"tokenizer": fitted.tokenizer.to_json(), "is_running": fitted.is_running}
        tensors = {f"network.{name}": value for name, value in fitted.tensors.items()}
        tensors |= {"reference.train": fitted.train, "reference.held": fitted.held}
        return described, encoders, {}, fitted.record, tensors

    def _restore(self, manifest: Manifest, tensors: dict[str, np.ndarray]) -> None:
        plan = dict(manifest.network["plan"])
        prefix = "network."
        self.fitted_ = FittedLanguage(
            LanguagePlan(**{**plan, "cutoffs": tuple(plan["cutoffs"])}),
            Tokenizer.from_json(manifest.encoders["tokenizer"]),
            {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)},
            bool(manifest.encoders["is_running"]),
            np.array(tensors["reference.train"]),
            np.array(tensors["reference.held"]),
            manifest.record,
        )
        self.tokenizer_ = self.fitted_.tokenizer
        _ = self.fitted_.reader  # weights that do not fit are refused now
