"""The tagging network: what its scores depend on, and what not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cellstate.nn.tagging import Forms, TaggingNetwork, VariationalDropout

TAGS, FORMS = 5, 6
AT = torch.tensor([[0, 1, 2, 3], [4, 5, 0, 0], [1, 0, 0, 0]])
LENGTHS = torch.tensor([4, 2, 0])


def make(dropout: float = 0.5) -> TaggingNetwork:
    torch.manual_seed(0)
    return TaggingNetwork(
        words=20,
        cases=4,
        chars=9,
        grams=30,
        tags=TAGS,
        word_width=8,
        char_width=4,
        gram_width=4,
        char_hidden=3,
        hidden=6,
        layers=1,
        dropout=dropout,
    ).eval()


def forms() -> Forms:
    draw = torch.Generator().manual_seed(1)

    def numbers(high: int, *shape: int) -> Tensor:
        return torch.randint(1, high, shape, generator=draw)

    lengths = torch.tensor([3, 1, 5, 2, 4, 1])
    chars = numbers(9, FORMS, 5) * (torch.arange(5) < lengths[:, None])
    return Forms(numbers(20, FORMS), numbers(4, FORMS), chars, lengths, numbers(30, FORMS, 3))


def test_each_word_has_a_score_for_each_tag() -> None:
    assert make()(forms(), AT, LENGTHS).shape == (3, 4, TAGS)


def test_scores_do_not_depend_on_companions_or_padding() -> None:
    net, given = make().double(), forms()
    together = net(given, AT, LENGTHS)
    soiled = AT.clone()
    soiled[1, 2:] = 3
    torch.testing.assert_close(net(given, soiled, LENGTHS)[1, :2], together[1, :2])
    for row, length in enumerate(LENGTHS.tolist()):
        alone = net(given, AT[row : row + 1, :length], LENGTHS[row : row + 1])
        torch.testing.assert_close(alone[0], together[row, :length])


def test_a_forms_vector_does_not_depend_on_longer_forms() -> None:
    net, given = make().double(), forms()
    short = Forms(
        given.words[3:4],
        given.cases[3:4],
        given.chars[3:4, :2],
        given.char_lengths[3:4],
        given.grams[3:4],
    )
    torch.testing.assert_close(net.vectors(short)[0], net.vectors(given)[3])


@pytest.mark.parametrize("part", ["words", "cases", "chars", "grams"])
def test_every_part_of_a_form_counts_and_is_trained(part: str) -> None:
    net = make(0.0).train()
    net.crf(net(forms(), AT, LENGTHS), torch.zeros_like(AT), LENGTHS).sum().backward()
    gradient = net.get_parameter(f"{part}.weight").grad
    assert gradient is not None
    assert gradient.abs().sum() > 0


def test_padding_has_no_vector_and_is_not_trained() -> None:
    net = make(0.0).train()
    net(forms(), AT, LENGTHS).sum().backward()
    for part in (net.chars, net.grams):
        assert part.weight.grad is not None
        assert not part.weight[0].any()
        assert not part.weight.grad[0].any()


def test_dropout_is_for_training_alone() -> None:
    drop, x = VariationalDropout(0.5), torch.ones(2, 3, 8)
    assert torch.equal(drop.eval()(x), x)
    assert torch.equal(VariationalDropout(0.0).train()(x), x)
    torch.manual_seed(0)
    dropped = drop.train()(torch.ones(500, 2, 20))
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.05)
    assert torch.equal(dropped[:, 0], dropped[:, 1])
