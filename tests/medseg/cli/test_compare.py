"""`medseg compare` from the command line."""

SMALL = (
    "data.options={size: 64, train_cases: 2, validation_cases: 1, test_cases: 0, mean_radius_voxel: 8}",
    "training={steps: 1, steps_per_epoch: 1, batch_size: 1, schedule: {warmup_steps: 0}}",
    "transforms.patch_size=[16, 16]",
)


def test_a_failed_network_is_named_and_the_exit_code_is_one(medseg_command, tmp_path):
    settings = [word for setting in SMALL for word in ("--set", setting)]
    outcome = medseg_command(
        *("compare", "compare_networks", "--models", "segnet", "--device", "cpu", "--data", tmp_path / "cells"),
        *("--output", tmp_path / "out", *settings),
    )
    assert outcome.code == 1
    assert "segnet (failed)" in outcome.out
    assert "all background" in outcome.out
    assert "[1/1] segnet  ETA unknown" in outcome.err
    assert "medseg: segnet failed: SegNet: an input of 16 x 16 voxels does not fit" in outcome.err


def test_a_wrong_name_ends_with_two(medseg_command, tmp_path):
    outcome = medseg_command("compare", "compare_networks", "--models", "segnett", "--output", tmp_path / "out")
    assert outcome.code == 2
    assert "unknown model 'segnett'. Did you mean 'segnet'?" in outcome.err
