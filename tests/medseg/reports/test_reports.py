import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import yaml
from PIL import Image as PillowImage

from medseg.errors import InputError
from medseg.evaluation import aggregate, score_pair
from medseg.geometry import Affine, WorldFrame
from medseg.images import LabelMap, LabelTable
from medseg.reports import write_evaluation_report, write_run_report
from medseg.reports.curves import Series, line_chart, smoothed
from medseg.reports.document import DISCLAIMER, data_uri

VOID = {"meta", "img", "br", "path", "use", "rect", "input", "link"}


class Page(HTMLParser):
    """Collects what a test asks about and checks that tags close in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.links, self.words = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in {"src", "href", "xlink:href", "data", "action"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in {"src", "href", "xlink:href"}]

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def read_page(path):
    content = path.read_text(encoding="utf-8")
    page = Page(content)
    assert all(link.startswith(("data:image/", "#")) for link in page.links)
    assert not {"script", "link", "iframe", "object", "embed"} & set(page.tags)
    assert "url(http" not in content
    assert "@import" not in content
    assert DISCLAIMER in page.text
    return page


def evaluation_of(*case_ids):
    labels = LabelTable.from_names(("cell", "membrane"))
    affine = Affine(np.eye(3), frame=WorldFrame.RAS)
    reference = np.zeros((12, 12), np.uint8)
    reference[:, 6] = 1
    scores = []
    for number, case_id in enumerate(case_ids):
        prediction = reference.copy()
        prediction[:number, 6] = 0
        maps = [LabelMap(array, affine, "YX", labels) for array in (reference, prediction)]
        scores.append(score_pair(reference=maps[0], prediction=maps[1], task="isbi2012", case_id=case_id))
    return aggregate(scores)


def write_picture(path, colour=(200, 30, 30), size=(40, 20)):
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.new("RGB", size, colour).save(path)


@pytest.fixture
def run_dir(tmp_path):
    run = tmp_path / "run"
    for case_id in ("a", "b"):
        write_picture(run / "validation" / f"{case_id}.png")
    for epoch in (2, 4):
        write_picture(run / "previews" / f"epoch_{epoch:03d}_a.png")
    (run / "metrics.json").write_text(evaluation_of("a", "b").to_json())
    rows = [f"{50 * n},{n},0.00{9 - n},{0.5 / n},{1 - 0.3 / n},{1 - 0.2 / n}" for n in range(1, 6)]
    (run / "log.csv").write_text("\n".join(["step,epoch,lr,train_loss,val/mean_dice,val/v_rand", *rows]))
    recipe = {"name": "cells", "description": "A test.", "training": {"steps": 500, "monitor": "v_rand", "seed": 3}}
    (run / "config.yaml").write_text(yaml.safe_dump(recipe))
    return run


def test_a_run_report_is_one_self_contained_page(run_dir):
    report = write_run_report(run_dir)
    assert report == run_dir / "report.html"
    page = read_page(report)
    assert page.tags.count("img") == 4
    assert page.tags.count("svg") == 3
    for words in ("cells", "A test.", "250", "of 500 planned", "Epoch 4", "What the scores mean", "monitor: v_rand"):
        assert words in page.text


def test_the_worst_case_stands_first(run_dir):
    content = write_run_report(run_dir).read_text()
    assert content.index("errors of b") < content.index("errors of a")


def test_the_page_suits_light_and_dark(run_dir):
    content = write_run_report(run_dir).read_text()
    assert "prefers-color-scheme:dark" in content
    svg = re.search(r"<svg.*?</svg>", content, re.DOTALL).group()
    assert "var(--series-1)" in svg
    assert not re.search(r"#0102\d\d", svg)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("log.csv", "No curves: log.csv: cannot be read"),
        ("metrics.json", "metrics.json is missing or cannot be read"),
        ("config.yaml", "The recipe is left out: config.yaml: no such file"),
    ],
)
def test_a_missing_part_is_named_and_the_rest_is_there(run_dir, missing, words):
    (run_dir / missing).unlink()
    page = read_page(write_run_report(run_dir))
    assert words in page.text
    assert str(run_dir.parent) not in page.text


def test_a_run_that_has_just_begun_gives_a_page(tmp_path):
    (tmp_path / "config.yaml").write_text("name: begun\n")
    page = read_page(write_run_report(tmp_path))
    assert "The run folder holds no preview pictures" in page.text


def test_a_folder_that_holds_no_run_is_refused_and_left_alone(tmp_path):
    with pytest.raises(InputError, match=r"holds no training run \(config.yaml, log.csv, metrics.json are all missing"):
        write_run_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_part_is_named(run_dir):
    (run_dir / "metrics.json").write_text("{")
    (run_dir / "log.csv").write_text("nonsense\n1")
    page = read_page(write_run_report(run_dir))
    assert "expected JSON from medseg evaluate" in page.text
    assert "with a column 'step', got nonsense" in page.text


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected the folder of a training run"):
        write_run_report(tmp_path / "nowhere")


def test_a_report_written_twice_has_the_same_bytes(run_dir):
    first = write_run_report(run_dir).read_bytes()
    assert write_run_report(run_dir).read_bytes() == first


def test_names_are_never_read_as_markup(tmp_path):
    evaluation = evaluation_of("<b>bold</b>&", "plain")
    page = read_page(write_evaluation_report(evaluation, tmp_path / "page.html", pictures={}))
    assert "<b>bold</b>&" in page.text
    assert "b" not in page.tags


def test_an_evaluation_report_shows_pictures_and_names_cases_without(tmp_path):
    write_picture(tmp_path / "a.png")
    pictures = {"a": tmp_path / "a.png"}
    page = read_page(write_evaluation_report(evaluation_of("a", "b"), tmp_path / "page.html", pictures=pictures))
    assert page.tags.count("img") == 1
    assert "No picture of: b." in page.text
    assert "doi 10.3389/fnana.2015.00142" in page.text


def test_more_cases_than_fit_are_counted(tmp_path):
    write_picture(tmp_path / "a.png")
    names = [f"case{number:02d}" for number in range(12)] + ["case12"]
    evaluation = evaluation_of(*names)
    pictures = dict.fromkeys(names, tmp_path / "a.png")
    page = read_page(write_evaluation_report(evaluation, tmp_path / "page.html", pictures=pictures))
    assert page.tags.count("img") == 12
    assert "The 12 worst cases are shown; 1 more" in page.text


def test_a_file_that_is_no_picture_is_refused(tmp_path):
    (tmp_path / "a.png").write_text("text")
    with pytest.raises(InputError, match=r"a\.png: expected a picture"):
        write_evaluation_report(evaluation_of("a"), tmp_path / "page.html", pictures={"a": tmp_path / "a.png"})
    assert not (tmp_path / "page.html").exists()


def test_large_pictures_are_packed_and_small_ones_kept(tmp_path):
    write_picture(tmp_path / "small.png")
    kept = data_uri(tmp_path / "small.png")
    assert base64.b64decode(kept.partition(",")[2]) == (tmp_path / "small.png").read_bytes()
    noise = np.random.default_rng(0).integers(0, 255, (300, 900, 3), dtype=np.uint8)
    PillowImage.fromarray(noise).save(tmp_path / "large.png")
    packed = data_uri(tmp_path / "large.png", width=450)
    assert packed.startswith("data:image/webp")
    with PillowImage.open(io.BytesIO(base64.b64decode(packed.partition(",")[2]))) as picture:
        assert picture.size == (450, 150)


def test_a_chart_has_no_foreign_colours_or_documents():
    svg = line_chart([Series("a & b", [0, 1], [1.0, 0.1]), Series("c", [0, 1], [0.5, np.nan])], x_label="step")
    assert svg.startswith("<svg")
    assert "a &amp; b" in svg
    assert "var(--series-2)" in svg
    assert not re.search(r"(src|href)=\"http", svg)


def test_a_running_mean_of_a_constant_is_the_constant():
    assert smoothed([3.0] * 5) == pytest.approx([3.0] * 5)
    assert smoothed([0.0, 1.0], weight=0.5) == pytest.approx([0, 2 / 3])
