import pytest
import torch

from cellstate.nn.records import CodesHead, RecordsNetwork, RiskHead, ValuesHead

NODES, FEATURES, SIZES = 6, 9, {"width": 4, "hidden": 5}
LINEAGE = torch.tensor([[0, 6, 6], [1, 6, 6], [2, 1, 6], [3, 2, 1], [4, 6, 6], [5, 4, 6]])
RNG = torch.Generator().manual_seed(0)


def heads():
    start = torch.randn(3, 4, generator=RNG)
    return {
        "codes": CodesHead(torch.tensor([2, 3, 4, 5]), start, **SIZES),
        "risk": RiskHead(features=FEATURES, **SIZES),
        "values": ValuesHead(variables=2, hidden=5),
    }


def network(kind, **options):
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        made = RecordsNetwork(
            LINEAGE, features=FEATURES, head=heads()[kind], layers=1, **SIZES, **options
        )
        for parameter in made.head.parameters():  # heads begin at zero, where nothing shows
            torch.nn.init.normal_(parameter, std=0.3)
    return made.double().eval()


def histories(lengths):
    steps = max(lengths)
    codes = (torch.rand(len(lengths), steps, NODES, generator=RNG) < 0.4).double()
    features = torch.randn(len(lengths), steps, FEATURES, generator=RNG).double()
    return codes, features, torch.tensor(lengths)


@pytest.mark.parametrize(("kind", "outputs"), [("codes", 4), ("risk", 1), ("values", 6)])
def test_every_visit_gets_an_answer(kind, outputs):
    assert network(kind)(*histories([3, 1, 5])).shape == (3, 5, outputs)


@pytest.mark.parametrize("kind", ["codes", "risk", "values"])
def test_later_visits_and_other_patients_change_nothing(kind):
    made, (codes, features, lengths) = network(kind), histories([4, 2, 3])
    whole = made(codes, features, lengths)
    for row, length in enumerate(lengths.tolist()):
        for steps in range(1, length + 1):
            alone = made(
                codes[row : row + 1, :steps], features[row : row + 1, :steps], torch.tensor([steps])
            )
            torch.testing.assert_close(whole[row, :steps], alone[0], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kind", ["codes", "risk", "values"])
def test_every_parameter_has_a_gradient(kind):
    made = network(kind)
    made(*histories([4, 2, 3])).square().sum().backward()
    assert all(bool(p.grad.abs().sum() > 0) for p in made.parameters())


def test_a_code_has_its_own_vector_and_those_of_its_ancestors():
    made = network("codes")
    table = made.table.weight
    torch.testing.assert_close(made.vectors()[3], table[3] + table[2] + table[1])
    torch.testing.assert_close(made.vectors()[4], table[4])
    assert bool((table[NODES] == 0).all())


def test_codes_start_from_what_was_counted():
    start = torch.tensor([[-4.0] * 4, [-2.0] * 4, [1.0] * 4])
    head = CodesHead(torch.tensor([2, 3, 4, 5]), start, **SIZES)
    codes = torch.zeros(1, 3, NODES)
    codes[0, 0, 2] = codes[0, 1, 3] = 1.0
    y = head(torch.randn(NODES, 4), codes, torch.zeros(1, 3, FEATURES), torch.randn(1, 3, 5))
    assert y[0, :, 0].tolist() == [1.0, -2.0, -2.0]
    assert y[0, :, 1].tolist() == [-4.0, 1.0, -2.0]
    assert y[0, :, 2].tolist() == [-4.0, -4.0, -4.0]


def test_quantiles_do_not_cross():
    low, middle, high = network("values")(*histories([5, 5])).chunk(3, dim=2)
    assert bool((low < middle).all())
    assert bool((middle < high).all())


def test_codes_are_left_out_in_training_alone():
    made = network("risk", code_dropout=0.5)
    history = histories([4, 4])
    assert torch.equal(made(*history), made(*history))
    made.train()
    assert not torch.equal(made(*history), made(*history))
