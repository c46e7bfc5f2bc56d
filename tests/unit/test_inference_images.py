"""A network image that ecgcore wrote is classified and explained like its record."""

import json

import numpy as np
import pytest
from PIL import Image

from ecgcore import cli
from ecgcore.cohort.store import Cohort
from ecgcore.errors import UnreadableRecord
from ecgcore.explanation.api import explain
from ecgcore.explanation.map_to_leads import assign_ink
from ecgcore.imaging import draw
from ecgcore.imaging.convert import convert
from ecgcore.imaging.drawing import strip_ink
from ecgcore.imaging.geometry import make_geometry
from ecgcore.imaging.png import read_png
from ecgcore.inference.classify import classify_paths, classify_records
from ecgcore.inference.inputs import read_input
from ecgcore.inference.model import load_model
from ecgcore.records.record import LEADS
from ecgcore.workspace import Workspace

RUN = "alexnet_m_se_gap"


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    return load_model(RUN, Workspace(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def folders(examples_home, tmp_path_factory, classifier):
    """Return (cohort, folder) of the example ECGs as the shipped network sees them."""
    cohort = Cohort.open("examples", examples_home)
    out = tmp_path_factory.mktemp("out")
    convert(cohort, out, run_input=classifier.input, workers=1)
    return cohort, out


def test_a_png_round_trip_changes_no_probability_by_more_than_a_hundredth(folders, classifier):
    cohort, out = folders
    files = sorted(out.rglob("*.png"))[::4]
    assert len(files) == 40
    images = [read_input(file, classifier) for file in files]
    of_records = classifier.predict_proba([cohort.record(file.stem) for file in files])
    of_images = classifier.predict_proba(images)
    assert np.abs(of_images - of_records).max() <= 0.01
    mixed = classifier.predict_proba([images[0], cohort.record(files[1].stem)])
    np.testing.assert_allclose(mixed, [of_images[0], of_records[1]], atol=1e-5)


def test_an_image_is_answered_in_the_promised_form(folders, classifier):
    _, out = folders
    file = out / "LBBB" / "01500_lr.png"
    (answer,) = classify_paths([file], classifier)
    assert (answer["path"], answer["record"], answer["run"]) == (str(file), "01500_lr", RUN)
    assert answer["error"] is None
    assert answer["quality"] == []
    assert answer["notes"] == ["classified as drawn: an image that ecgcore wrote"]
    (of_csv,) = classify_paths([file.with_suffix(".csv")], classifier)
    assert answer["top"] == of_csv["top"]


def test_a_converted_folder_gives_one_answer_a_record(folders, classifier, tmp_path):
    _, out = folders
    some = tmp_path / "some"
    some.mkdir()
    for file in sorted((out / "LBBB").iterdir())[:4]:
        (some / file.name).write_bytes(file.read_bytes())
    answers = list(classify_paths([some], classifier))
    assert [a["path"].rpartition(".")[2] for a in answers] == ["csv", "csv"]
    for file in some.glob("*.csv"):
        file.unlink()
    answers = list(classify_paths([some], classifier))
    assert [a["path"].rpartition(".")[2] for a in answers] == ["png", "png"]
    assert all(a["error"] is None for a in answers)


def test_an_image_drawn_differently_is_refused_with_both_forms(folders, classifier, tmp_path):
    cohort, _ = folders
    convert(cohort, tmp_path, size=64, workers=1)
    file = (tmp_path / "LBBB" / "01500_lr.png").rename(tmp_path / "alone.png")
    with pytest.raises(UnreadableRecord) as refused:
        read_input(file, classifier)
    assert str(refused.value) == (
        "The image of record 01500_lr is drawn as stacked, 64x64 px, 10 s at 100 Hz, stroke "
        "version 2; alexnet_m_se_gap was trained on stacked, 224x224 px, 10 s at 100 Hz, stroke "
        "version 2. Give the recording, or draw it for this run: "
        "ecgcore convert --run alexnet_m_se_gap …"
    )
    with pytest.raises(UnreadableRecord, match="is drawn as stacked, 64x64 px"):
        classifier.images([read_png(file)])


def test_the_csv_file_replaces_an_image_that_is_drawn_differently(folders, classifier, tmp_path):
    cohort, _ = folders
    convert(cohort, tmp_path, layout="clinical", size=64, workers=1)
    file = tmp_path / "LBBB" / "01500_lr.png"
    (answer,) = classify_paths([file], classifier)
    (expected,) = classify_records([cohort.record("01500_lr")], classifier)
    assert answer["probabilities"] == expected["probabilities"]
    assert (answer["path"], answer["record"]) == (str(file), "01500_lr")
    assert "read from the CSV file that the image was drawn from" in answer["notes"][-1]
    csv = file.with_suffix(".csv")
    csv.write_text(csv.read_text().replace("0.0", "0.1", 1))
    (answer,) = classify_paths([file], classifier)
    assert "is drawn as clinical with rhythm II, 64x64 px" in answer["error"]


def test_foreign_images_are_refused_by_name_next_to_good_ones(folders, classifier, tmp_path):
    _, out = folders
    good = out / "LBBB" / "01500_lr.png"
    (tmp_path / "a.png").write_bytes(good.read_bytes())
    Image.new("RGB", (224, 224), "white").save(tmp_path / "b.png")
    Image.new("RGB", (224, 224), "white").save(tmp_path / "c.jpg")
    (tmp_path / "d.png").write_bytes(good.read_bytes()[:3000])
    answers = list(classify_paths([tmp_path], classifier))
    assert [a["error"] is None for a in answers] == [True, False, False, False]
    for answer, name in zip(answers[1:3], ("b.png", "c.jpg"), strict=True):
        assert f"{name} is a picture of an ECG that this program did not draw" in answer["error"]
        assert answer["probabilities"] is None
    assert "d.png is not a complete PNG image" in answers[3]["error"]


def test_the_command_classifies_and_explains_an_image(folders, monkeypatch, capsys):
    _, out = folders
    file = out / "LBBB" / "01500_lr.png"

    for command, key in (("classify", "probabilities"), ("explain", "lead_relevance")):
        monkeypatch.setattr("sys.argv", ["ecgcore", command, str(file), "--run", RUN, "--json"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code in (0, None)
        assert json.loads(capsys.readouterr().out.splitlines()[-1])[key]


def test_lead_relevance_of_an_image_is_that_of_its_record(folders, classifier):
    cohort, out = folders
    picture = read_png(out / "LBBB" / "01500_lr.png")
    found = explain(classifier, picture, "LBBB").lead_relevance
    there = explain(classifier, cohort.record("01500_lr"), "LBBB").lead_relevance
    assert sum(found.values()) == pytest.approx(1)
    assert max(abs(found[lead] - there[lead]) for lead in LEADS) < 0.02
    assert classify_records([picture], classifier)[0]["record"] == "01500_lr"


@pytest.mark.parametrize("layout", ["stacked", "clinical", "panels"])
def test_ink_of_low_voltages_belongs_to_its_own_strip(layout):
    import torch

    torch.manual_seed(0)
    signal_mv = 0.3 * torch.randn(1, 12, 1000).cumsum(2).sin()
    beats = [np.arange(1, 9.0)]
    measures = make_geometry(layout, 224)
    image = draw(signal_mv, 100, layout, 224, beats=beats)[0].numpy()
    own = strip_ink(signal_mv, 100, measures, beats)[0].numpy()
    np.testing.assert_allclose(assign_ink(image, measures), own, atol=1e-5)
