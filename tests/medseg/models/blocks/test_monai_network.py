"""Drawing MONAI's weights from a generator of one's own."""

import torch

from medseg.models.blocks.monai_network import drawing_from


def test_what_is_drawn_inside_comes_from_the_generator_and_moves_it_on():
    generator, twin = (torch.Generator().manual_seed(5) for _ in range(2))
    with drawing_from(generator):
        first = torch.rand(3)
    second = torch.rand(3, generator=generator)
    assert torch.equal(torch.cat([first, second]), torch.rand(6, generator=twin))


def test_the_global_generator_stays_as_it_was():
    before = torch.get_rng_state()
    with drawing_from(torch.Generator().manual_seed(5)):
        torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)


def test_without_a_generator_the_global_one_is_used():
    with torch.random.fork_rng(devices=[]):
        before = torch.get_rng_state()
        with drawing_from(None):
            torch.rand(3)
        assert not torch.equal(torch.get_rng_state(), before)
