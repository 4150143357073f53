"""The peers of the language model do what they are named for."""

from __future__ import annotations

import gzip

import numpy as np
import torch

from benchmarks.peers import nano_gpt, torch_language
from benchmarks.text_shakespeare import read
from benchmarks.text_speed import CellstateTrainer
from cellstate.nn.language import LanguageNetwork

TEXT = np.tile(np.arange(7), 400)


def test_the_gpt_sees_the_past_alone_and_has_the_size_of_nanogpts_small_form():
    torch.manual_seed(0)
    model = nano_gpt.GPT(65).eval()
    # nanoGPT prints 0.80 M for this setting; it leaves the places out.
    count = sum(p.numel() for p in model.parameters()) - model.places.weight.numel()
    assert round(count / 1e6, 2) == 0.80
    x = torch.randint(65, (1, 20))
    with torch.no_grad():
        whole = model(x)
        torch.testing.assert_close(model(x[:, :9]), whole[:, :9])
    assert model.write(x[:, :1], 70).shape == (1, 71)


def test_its_rate_rises_and_falls_as_nanogpts_does():
    rates = [nano_gpt.rate(step) for step in (0, 50, 100, 1050, 2000, 3000)]
    assert rates[0] < rates[1] < rates[2] == nano_gpt.RATE
    np.testing.assert_allclose(rates[3:], [5.5e-4, 1e-4, 1e-4])


def test_every_trainer_learns():
    torch.manual_seed(0)
    text = torch.from_numpy(TEXT)
    plain = torch_language.CharacterLSTM(7, 8, 16, 0.0)
    network = LanguageNetwork(7, embedding_size=8, hidden_size=16)
    windows = text[: 4 * 33].view(4, 33)
    trainers = {
        "gpt": (nano_gpt.Trainer(7, text, 0), lambda t: t.logits(windows[:, :-1])),
        "torch": (
            torch_language.Trainer(plain, text, 4, 16),
            lambda t: t.model(windows[:, :-1].t())[0].transpose(0, 1),
        ),
        "ours": (CellstateTrainer(network, TEXT, rate=4e-3), lambda t: t.logits(windows[:, :-1])),
    }
    for name, (trainer, logits) in trainers.items():
        losses = []
        for _ in range(2):
            with torch.no_grad():
                odds = logits(trainer).flatten(0, 1)
            wanted = windows[:, 1:].flatten()
            losses.append(float(torch.nn.functional.cross_entropy(odds, wanted)))
            for _ in range(20):
                trainer.step()
        assert losses[1] < 0.95 * losses[0], name
    assert len(plain.write(0, 5)) == 5


def test_the_text_is_split_by_characters(tmp_path):
    path = tmp_path / "plays.txt.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("ä" * 90 + "b" * 10)
    assert read(path) == ("ä" * 90, "b" * 10)
