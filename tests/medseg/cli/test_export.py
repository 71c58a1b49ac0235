"""`medseg export`."""

import onnx


def test_an_installed_model_becomes_an_onnx_file(medseg_command, tmp_path):
    outcome = medseg_command("export", "em-membranes", "--output", tmp_path / "em.onnx")
    assert outcome.code == 0, outcome.err
    assert "em.onnx  (one tile of 256 x 256 voxels)" in outcome.out
    graph = onnx.load(tmp_path / "em.onnx").graph
    assert [entry.name for entry in (*graph.input, *graph.output)] == ["image", "logits"]
    assert [side.dim_value for side in graph.input[0].type.tensor_type.shape.dim] == [1, 1, 256, 256]


def test_a_wrong_ending_is_one_line(medseg_command, tmp_path):
    outcome = medseg_command("export", "em-membranes", "--output", tmp_path / "em.pth")
    assert outcome.code == 2
    assert outcome.err == f"medseg: {tmp_path / 'em.pth'}: expected a file name that ends in .onnx.\n"
