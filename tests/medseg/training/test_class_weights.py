"""A recipe that asks for class weights by the name of a rule."""

import torch

from medseg.losses import ClassWeighting, class_weights_from_counts
from medseg.training import tasks
from medseg.training.data_module import count_classes
from medseg.training.fit import fit


def test_each_case_is_counted_apart():
    cases = [{"label": torch.tensor([[[0, 1], [1, 0]]], dtype=torch.uint8)}, {"label": torch.tensor([[[0, 0, 2]]])}]
    assert count_classes(cases, num_classes=3).tolist() == [[2, 2, 0], [2, 0, 1]]


def test_a_run_takes_the_weights_from_its_training_cases(monkeypatch, tmp_path, cells_dir, tiny_recipe):
    seen = []

    def remember(*arguments, **options):
        seen.append(options["class_counts"]())
        loss = built(*arguments, **options)
        seen.append(loss.class_weights)
        return loss

    built = tasks.build_loss
    monkeypatch.setattr(tasks, "build_loss", remember)
    recipe = tiny_recipe()
    loss = recipe.loss.replace(name="cross_entropy", options={"class_weights": "median_frequency"})
    recipe = recipe.model_copy(update={"loss": loss})
    fit(recipe, data_dir=cells_dir, run_dir=tmp_path / "run", device="cpu", quiet=True)
    counts, weights = seen[-2:]
    assert len(counts) == 3
    expected = class_weights_from_counts(counts, weighting=ClassWeighting.MEDIAN_FREQUENCY)
    torch.testing.assert_close(weights, torch.tensor(expected))
    assert expected[0] < expected[1]
