import pytest
import torch
from torch import nn

from medseg.training.ema import WeightAverage, effective_decay, weights_applied


def one_weight(value):
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, value)
    return network


def test_decay_grows_from_a_tenth_to_the_wanted_value():
    assert effective_decay(0, decay=0.9) == pytest.approx(1 / 10)
    assert effective_decay(10, decay=0.9) == pytest.approx(11 / 20)
    assert effective_decay(10_000, decay=0.9) == 0.9


def test_average_of_1_then_2_then_4_by_hand():
    network = one_weight(1.0)
    average = WeightAverage(network, decay=0.5)
    nn.init.constant_(network.weight, 2.0)
    average.update(network, step=0)
    first = 0.1 * 1.0 + 0.9 * 2.0
    assert average.state["weight"].item() == pytest.approx(first)
    nn.init.constant_(network.weight, 4.0)
    average.update(network, step=100)
    assert average.state["weight"].item() == pytest.approx(0.5 * first + 0.5 * 4.0)


def test_counters_of_batch_norm_are_copied_and_its_means_averaged():
    network = nn.BatchNorm1d(1)
    average = WeightAverage(network, decay=0.5)
    network(torch.tensor([[0.0], [2.0]]))
    average.update(network, step=100)
    assert average.state["num_batches_tracked"].item() == 1
    # Momentum 0.1 makes the running mean 0.1 * 1; half of that goes into the average, which began at 0.
    assert average.state["running_mean"].item() == pytest.approx(0.05)


def test_own_weights_come_back_bit_for_bit_even_after_an_error():
    network = one_weight(0.1)
    before = network.weight.detach().clone()
    average = {"weight": torch.full((1, 1), 7.0)}

    def fail_inside():
        with weights_applied(network, average):
            assert network.weight.item() == 7.0
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    assert torch.equal(network.weight, before)


def test_updating_the_network_does_not_move_the_average():
    network = one_weight(3.0)
    average = WeightAverage(network, decay=0.9)
    nn.init.constant_(network.weight, 5.0)
    assert average.state["weight"].item() == 3.0
