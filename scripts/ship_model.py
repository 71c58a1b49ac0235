"""Put the model of a run into medseg/packages, under the name and with the card that users see.

.venv/bin/python scripts/ship_model.py em-membranes runs/em-all --scores runs/em
"""

import argparse
import tempfile
from pathlib import Path

from PIL import Image

from medseg.files import write_text_atomically
from medseg.inference import load_network, read_manifest, write_package

PACKAGES = Path(__file__).parents[1] / "medseg" / "packages"

TEXTS = {
    "em-membranes": {
        "description": "Neuron membranes in serial-section electron micrographs (ssTEM, 4 x 4 nm pixels).",
        "limits": (
            "Trained on 24 slices of one volume of one animal (Drosophila ventral nerve cord, ISBI 2012 challenge). "
            "Cite Arganda-Carreras et al. 2015, doi 10.3389/fnana.2015.00142.",
            "The scores are those of the same recipe trained on slices 0-19 and scored on slices 20-23 of that volume. "
            "The weights here were trained on slices 0-23, so no labelled slice is left to score them on.",
            "Slices 20-23 lie beside the slices trained on, and the checkpoint and the depth of the closed boundaries "
            "were chosen on them: expect less on another volume.",
        ),
    },
    "nuclei": {
        "description": "Single nuclei in fluorescence microscopy (2-D, one channel), touching ones parted.",
        "limits": (
            "Trained on 200 fluorescence pictures of the Data Science Bowl 2018. Cite Caicedo et al. 2019, "
            "doi 10.1038/s41592-019-0612-7. Histology and bright field were left out.",
            "The scores are of 50 pictures of the same collection, which chose the checkpoint and the way objects are "
            "parted; the collection names no plates, so pictures of one experiment may stand on both sides.",
            "Nuclei in dense clumps are often merged. Nineteen of twenty training nuclei are 9 pixels long or longer, "
            "and as many at most 55.",
        ),
    },
    "ct-phantom-lesions": {
        "description": "Small lesions in generated CT of chest and belly. It has never seen a patient.",
        "limits": (
            "Trained on generated CT only: it shows how medseg works on CT and must not be used on patients' images "
            "for any decision.",
            "The scores are of generated volumes that were not trained on.",
        ),
    },
}
LICENCE = "Apache-2.0"
PICTURE_WIDTH_PIXEL = 1000


def _smaller(picture: Path, folder: Path) -> Path:
    """The picture in fewer pixels and colours: the wheel stays small."""
    with Image.open(picture) as image:
        scale = PICTURE_WIDTH_PIXEL / image.width
        size = (PICTURE_WIDTH_PIXEL, round(image.height * scale))
        image.convert("RGB").resize(size, Image.Resampling.LANCZOS).quantize(96).save(
            folder / picture.name, optimize=True
        )
    return folder / picture.name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=TEXTS)
    parser.add_argument("run", type=Path, help="run whose weights are shipped")
    parser.add_argument("--scores", type=Path, help="run whose scores and pictures the card shows, if another")
    arguments = parser.parse_args()
    scored = arguments.scores or arguments.run
    package = arguments.run / "best"
    texts = TEXTS[arguments.name]
    manifest = read_manifest(package).replace(
        name=arguments.name,
        description=texts["description"],
        limits=texts["limits"],
        licence=LICENCE,
        scores=read_manifest(scored / "best").scores,
    )
    pictures = sorted((scored / "best" / "docs").glob("*.png"))[:1]
    target = PACKAGES / arguments.name
    with tempfile.TemporaryDirectory() as folder:
        small = [_smaller(picture, Path(folder)) for picture in pictures]
        write_package(target, network=load_network(package), manifest=manifest, pictures=small)
    recipe = (arguments.run / "config.yaml").read_text()
    write_text_atomically(target / "docs" / "recipe.yaml", recipe)


if __name__ == "__main__":
    main()
