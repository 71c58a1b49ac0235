"""Run one case of the fuzz again, in this process: `python tests/fuzz/replay.py nifti:123 [--keep FILE]`."""

import argparse
import sys
import tempfile
import traceback
from pathlib import Path

_ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(_ROOT), str(_ROOT / "tests")]  # the package first: tests/medseg must not hide it

from fuzz.campaign import case  # noqa: E402 - needs the lines above

from medseg.io import describe, read_image  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", help="format:number, as a failure names it")
    parser.add_argument("--keep", type=Path, help="where to leave the file")
    choice = parser.parse_args()
    format_name, _, number = choice.case.partition(":")
    name, content = case(format_name, int(number))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        if choice.keep is not None:
            choice.keep.write_bytes(content)
        for what in (describe, read_image):
            try:
                print(what(path))  # noqa: T201
            except Exception:  # noqa: BLE001 - whatever it is, it is shown
                traceback.print_exc()


if __name__ == "__main__":
    main()
