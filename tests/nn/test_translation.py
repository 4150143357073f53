import pytest
import torch
from torch.nn.functional import cross_entropy

from cellstate.nn.decoder import RowDropout
from cellstate.nn.translation import TranslationNetwork

FEEDING = [False, True]


def network(input_feeding=False, **changed):
    torch.manual_seed(0)
    sizes = {
        "is_shared": True,
        "width": 8,
        "hidden": 12,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "attention": "general",
        "input_feeding": input_feeding,
        "dropout": 0.0,
        "recurrent_dropout": 0.0,
    }
    return TranslationNetwork(17, 17, **(sizes | changed)).eval()


def sentences():
    torch.manual_seed(3)
    source = torch.randint(4, 17, (3, 6))
    lengths = torch.tensor([6, 2, 4])
    target = torch.randint(4, 17, (3, 5))
    return source, lengths, target


@pytest.mark.parametrize("input_feeding", FEEDING)
@pytest.mark.parametrize("attention", ["dot", "general", "additive"])
def test_step_by_step_equals_all_steps_at_once(input_feeding, attention):
    model = network(input_feeding, attention=attention).double()
    source, lengths, target = sentences()
    memory, start = model.encode(source, lengths)
    whole = model.decode(target, memory, start)
    state = start
    for t in range(target.shape[1]):
        step = model.decode(target[:, t : t + 1], memory, state)
        state = step.state
        torch.testing.assert_close(step.features[:, 0], whole.features[:, t])
        torch.testing.assert_close(step.weights[:, 0], whole.weights[:, t])
        torch.testing.assert_close(state.weights, whole.weights[:, t])


@pytest.mark.parametrize("input_feeding", FEEDING)
def test_padding_of_the_source_does_not_matter(input_feeding):
    model = network(input_feeding)
    source, lengths, target = sentences()
    whole = model.decode(target, *model.encode(source, lengths))
    for row, length in enumerate(lengths.tolist()):
        alone = model.encode(source[row : row + 1, :length], lengths[row : row + 1])
        decoded = model.decode(target[row : row + 1], *alone)
        torch.testing.assert_close(decoded.features[0], whole.features[row])
        assert bool((whole.weights[row, :, length:] == 0).all())


@pytest.mark.parametrize("input_feeding", FEEDING)
def test_hypotheses_of_a_sentence_share_its_memory(input_feeding):
    model = network(input_feeding)
    source, lengths, target = sentences()
    memory, start = model.encode(source, lengths)
    rows = torch.arange(3).repeat_interleave(2)
    shared = model.decode(target[rows], memory, start.rows(rows))
    copied = model.decode(target[rows], memory.rows(rows), start.rows(rows))
    torch.testing.assert_close(shared.features, copied.features)
    torch.testing.assert_close(shared.weights, copied.weights)


@pytest.mark.parametrize("input_feeding", FEEDING)
def test_no_step_sees_what_follows(input_feeding):
    model = network(input_feeding)
    source, lengths, target = sentences()
    start = model.encode(source, lengths)
    before = model.decode(target, *start).features
    target[:, 3] = 4
    after = model.decode(target, *start).features
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3], after[:, 3])


def test_the_loss_counts_only_what_the_mask_shows():
    model = network()
    source, lengths, target = sentences()
    answer = target.roll(-1, 1)
    mask = torch.arange(5) < torch.tensor([[5], [3], [1]])
    loss = model.loss(source, lengths, target, answer, mask, smoothing=0.1)
    logits = model.logits(model.decode(target, *model.encode(source, lengths)).features)
    expected = cross_entropy(logits[mask], answer[mask], label_smoothing=0.1)
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("input_feeding", FEEDING)
def test_every_parameter_learns(input_feeding):
    model = network(input_feeding, dropout=0.2, recurrent_dropout=0.2, is_shared=False).train()
    source, lengths, target = sentences()
    mask = torch.ones(3, 5, dtype=torch.bool)
    model.loss(source, lengths, target, target.roll(-1, 1), mask, sampled=0.5).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert bool((parameter.grad != 0).any()), name


def test_sampling_replaces_the_given_share_and_never_the_first():
    model = network()
    source, lengths, target = sentences()
    start = model.encode(source, lengths)
    said = model.logits(model.decode(target[:, :-1], *start).features).argmax(2)
    whole = model._sampled(target, *start, 1.0)
    assert torch.equal(whole[:, 1:], said)
    assert torch.equal(whole[:, 0], target[:, 0])
    assert torch.equal(model._sampled(target, *start, 0.0), target)


def test_a_shared_vocabulary_has_one_embedding():
    shared = sum(p.numel() for p in network().parameters())
    apart = sum(p.numel() for p in network(is_shared=False).parameters())
    assert apart - shared == 17 * 8


def test_dropout_drops_the_same_features_at_every_step_of_a_row():
    torch.manual_seed(0)
    drop = RowDropout(0.5).train()
    y = drop(torch.ones(4, 6, 50))
    assert torch.equal(y, y[:, :1].expand_as(y))
    assert set(y.unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(y[0], y[1])
    x = torch.ones(1, 2, 3)
    assert drop.eval()(x) is x
