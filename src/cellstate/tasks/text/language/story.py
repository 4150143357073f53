"""What a fitted language model has to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellstate.tasks import chapters, sections
from cellstate.tasks.evaluation import Evaluation
from cellstate.tasks.text.language.errors import by_length, by_sort
from cellstate.tasks.text.language.fitting import FittedLanguage

if TYPE_CHECKING:
    from cellstate.tasks.text.language_model import LanguageModel

TEMPERATURES = (0.5, 0.8, 1.0)
SAMPLE_TOKENS = {"char": 300, "byte": 300}
OTHER_SAMPLE_TOKENS = 80
PROMPT_TOKENS = {"char": 80, "byte": 80}
OTHER_PROMPT_TOKENS = 20
BLOCKS = 60
"""Places along the text at which its loss is drawn."""
GATE_STEPS = 60


def tell(model: LanguageModel, evaluation: Evaluation | None) -> sections.Story:
    """Tell how the fit went: verdict, table, losses, samples, errors, gates, facts."""
    fitted = model.fitted_
    data, record = fitted.record["data"], fitted.record
    shown: list[sections.Section] = []
    if evaluation is None:
        body = "Nothing was held out of the text, so there is nothing to score here."
        shown.append(sections.Text("Verdict", body, tone="warning"))
        protocol = ""
    else:
        shown += [chapters.verdict(evaluation), chapters.comparison(evaluation)]
        protocol = evaluation.protocol
    note = "The training loss is with dropout."
    shown += [
        chapters.losses(record, unit="nats per token", note=note),
        *chapters.warnings(record),
    ]
    shown += _samples(model)
    if evaluation is not None:
        shown += [
            _along(evaluation),
            by_sort(fitted.tokenizer, evaluation),
            by_length(fitted.tokenizer, evaluation),
        ]
    shown += [_gates(fitted), _data(data), _reproduction(model)]
    kinds = {"char": "characters", "byte": "bytes", "word": "words", "whitespace": "words"}
    what = kinds.get(fitted.tokenizer.kind, "pieces of words")
    return sections.Story(
        title=f"Language, in {what}",
        summary=f"{data['tokens']:,} tokens, {data['vocabulary']:,} different. {protocol}".strip(),
        sections=tuple(shown),
    )


def _samples(model: LanguageModel) -> list[sections.Section]:
    fitted = model.fitted_
    kind = fitted.tokenizer.kind
    source = fitted.held if len(fitted.held) else fitted.train
    count = PROMPT_TOKENS.get(kind, OTHER_PROMPT_TOKENS)
    # What was unknown in the text cannot be said in a prompt.
    prompt = fitted.tokenizer.decode(source[source > 3][-count:])
    tokens = SAMPLE_TOKENS.get(kind, OTHER_SAMPLE_TOKENS)
    return [
        sections.Text(
            f"A sample at temperature {temperature:g}",
            f"{prompt} ▸ "
            + model.generate(prompt, tokens=tokens, temperature=temperature, unknown="replace"),
        )
        for temperature in TEMPERATURES
    ]


def _along(evaluation: Evaluation) -> sections.Lines:
    nats = -evaluation.answers
    blocks = np.array_split(nats, min(BLOCKS, len(nats)))
    ends = np.cumsum([len(block) for block in blocks])
    return sections.Lines(
        "Loss along the text",
        ends.astype(np.float64),
        {"mean of a stretch": np.array([block.mean() for block in blocks])},
        x_label="tokens read",
        y_label="nats per token",
        note="A level that falls at first shows how much of the past the memory uses.",
    )


def _gates(fitted: FittedLanguage) -> sections.Gates:
    """Watch the last layer read a short stretch of text."""
    import torch

    source = fitted.held if len(fitted.held) else fitted.train
    tokens = source[:GATE_STEPS].astype(np.int64)
    network: Any = fitted.network()
    x = torch.nn.functional.embedding(torch.from_numpy(tokens)[:, None], network.embedding.weight)
    trace: Any = None
    with torch.inference_mode():
        for k in range(fitted.plan.num_layers):
            x, _, trace = network.get_submodule(f"memory_{k}")(x, trace=True)
    gates = {name: getattr(trace, name)[0, 0, :, 0].numpy() for name in "ifgoc"}
    labels = tuple(_visible(fitted.tokenizer.vocabulary[token]) for token in tokens)
    return sections.Gates("What the gates do while reading", labels, gates)


def _visible(token: str) -> str:
    return {"\n": "⏎", " ": "␣", "\t": "⇥"}.get(token, token)


def _data(data: dict[str, Any]) -> sections.Facts:
    rows = (
        ("Tokens", f"{data['tokens']:,}"),
        ("Kind", data["kind"]),
        ("Vocabulary", f"{data['vocabulary']:,}, four for beginnings, ends and the unknown"),
        ("Held out at the end", f"{data['held_out']:,} tokens"),
        ("Fingerprint", data["fingerprint"]),
    )
    return sections.Facts("Data", rows)


def _reproduction(model: LanguageModel) -> sections.Facts:
    plan, record = model.fitted_.plan, model.fitted_.record
    given = record["regularization"]
    network = (
        f"{plan.embedding_size} features of a token, {plan.num_layers} × {plan.hidden_size} units"
        + (", tied weights" if plan.tie else "")
        + (f", adaptive softmax at {plan.cutoffs}" if plan.cutoffs else "")
    )
    return chapters.reproduction(
        model,
        record,
        ("Network", network),
        ("Regularisation", ", ".join(f"{n} {v}" for n, v in given.items() if v) or "none"),
        ("Batches", f"{record['streams']} streams of {record['context']} tokens"),
    )
