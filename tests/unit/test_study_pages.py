"""Pages of the studies: their comparisons, records and verdicts."""

import shutil
from dataclasses import asdict, replace
from math import log2

import pytest

from ecgcore.atomic import sha256_file
from ecgcore.runs.run import list_runs
from ecgcore.studies import ablation, finetune, scale
from ecgcore.studies.claims import Claim, claims_text, with_holm
from ecgcore.studies.overview import STUDIES_FOLDER
from ecgcore.studies.study import train_missing
from ecgcore.studies.trial import TrialResult, store_trial


def no_progress(run, status):
    """Ignore progress."""


def test_fine_tuning_starts_from_a_parent_without_tested_patients(
    examples_home, tmp_path, monkeypatch
):
    tiny = {"depth": 4, "width": 4, "epochs": 1, "augmentation": "none", "device": "cpu"}
    target = finetune.Target(
        "records of a middle axis", "heart_axis=MID", ("30",),
        "heart_axis!=MID,source=ptb-xl", "heart_axis!=MID",
    )  # fmt: skip
    monkeypatch.setattr(finetune, "TARGETS", {"t": target})
    monkeypatch.setattr(finetune, "SEEDS", (1, 2))
    monkeypatch.setattr(finetune, "PARENT", replace(finetune.PARENT, **tiny))
    monkeypatch.setattr(finetune, "CHILD", replace(finetune.CHILD, **tiny))
    before = {run.id for run in list_runs(examples_home)}
    study = finetune.STUDY
    done = list(train_missing(study, "examples", examples_home, tmp_path, "*", no_progress))
    assert len(done) == 8  # four arms, two draws
    parents = [run for run in list_runs(examples_home) if run.id not in before]
    assert len(parents) == 2  # kept in the workspace, as other trials start from them

    by_name = {trial.name: trial for trial in study.finished(tmp_path)}
    started = by_name["t-30-several-s1"].content
    assert started["parent"]["records"] == parents[0].meta["split"]["records"]["train"]
    [parent] = [run for run in parents if run.id == started["parent"]["run"]]
    assert started["parent"]["split"] == parent.meta["split"]["hash"]
    assert started["parent"]["weights"] == sha256_file(parent.weights)
    assert any(
        "no patient that it was trained on is tested" in n for n in started["split"]["notes"]
    )
    assert by_name["t-30-scratch-s1"].content["parent"] is None
    arms = [by_name[f"t-30-{arm}-s1"].content["split"] for arm in finetune.ARMS]
    assert len({split["hash"] for split in arms}) == 1  # the same draw and test for all
    assert study.missing("examples", tmp_path) == []  # trials with a parent are recognised

    page = study.write_page(tmp_path).read_text("utf-8")
    assert "## records of a middle axis: 30 records requested" in page
    assert "**fine-tuned from several − from scratch**" in page
    assert "Spearman's ρ" in page


def _trial_of_shape(of, shape, seed, auc):
    config = scale._config("examples", of, *shape, seed).resolve()
    return TrialResult(
        None,
        {
            "cell": f"{of}-{shape}-{seed}",
            "config": asdict(config),
            "history": [
                {"val_macro_auc": 0.5, "seconds": 2.0},
                {"val_macro_auc": auc, "seconds": 4},
            ],
            "cohort": {"name": "examples"},
            "split": {"records": {"train": 3000, "validation": 1000}},
        },
    )


def test_the_scale_page_shows_the_effect_of_twice_the_width():
    def auc(shape, seed):  # width is worth 0.01 a doubling, nothing else anything
        return 0.80 + 0.01 * log2(shape[1] / 8) + 0.0002 * seed

    trials = [
        _trial_of_shape("paper10", s, seed, auc(s, seed)) for s in scale.SHAPES for seed in (1, 2)
    ]
    page = scale.page(trials)
    assert "Two seeds of one shape differ by 0.0002" in page
    assert "| twice the width | +0.0100 (0." in page
    assert "| twice the depth | +0.0000 (" in page or "| twice the depth | −0.0000 (" in page
    assert "| 4 | 64 | 3 |" in page
    assert "**0.8303**" in page
    assert "## `ptbxl5`" not in page


def test_shapes_are_trained_in_order_of_cost():
    costs = [scale._multiply_adds(shape) for shape in scale.SHAPES]
    assert costs == sorted(set(costs))


def test_shapes_of_one_depth_give_no_effect_of_depth():
    shallow = [shape for shape in scale.SHAPES if shape[0] == 4]
    trials = [_trial_of_shape("paper10", shape, 1, 0.8 + shape[1] / 1000) for shape in shallow]
    assert scale.claims(trials) == []
    page = scale.page(trials)
    assert "twice the depth" not in page
    assert "nan" not in page


def test_the_summary_of_scale_compares_the_best_shapes_of_both_targets():
    alike = [
        _trial_of_shape(of, shape, 1, 0.8 + shape[1] / 1000)
        for of in scale.LABEL_SETS
        for shape in scale.SHAPES
    ]
    text = scale.summary(alike)
    assert "on `ptbxl5` depth 4, width 64, kernel 3 (AUC 0.8640)" in text
    assert "Spearman's ρ 1.00" in text


def test_the_ablation_page_compares_each_part_with_the_plain_network(
    small_pair, tmp_path, monkeypatch
):
    workspace, *runs = small_pair
    for name, run in zip((ablation.PLAIN, ablation.BOTH), runs, strict=True):
        trial = ablation._trial("examples", name, "stacked", 1)
        store_trial(trial, run, tmp_path / "ablation" / "cells", workspace, scored=True)
    page = ablation.STUDY.write_page(tmp_path).read_text("utf-8")
    assert "| with both: M-SE | macro AUC |" in page
    assert "macro AUC, difference from plain (local response normalisation)" in page
    assert "| with BatchNorm" not in page  # none of its trials is finished
    assert "## The layouts" not in page  # nor those of other layouts
    assert "| with both: M-SE | 0." in page.partition("## Validation by epoch")[2]


def claim(value, p, **options):
    interval = {"value": value, "low": value - 0.1, "high": value + 0.1, "p": p}
    return Claim(f"It works by {value:g}", interval, "AUC", **options)


def test_a_claim_holds_only_after_holms_correction():
    claims = with_holm([claim(0.2, 0.001), claim(-0.3, 0.01), claim(0.1, 0.03), claim(0.1, None)])
    assert [c.p_holm for c in claims] == [pytest.approx(0.003), pytest.approx(0.02), 0.03, None]
    crowded = with_holm([claim(0.2, 0.03), claim(0.1, 0.6)])
    assert [c.verdict for c in claims] == ["holds", "does not hold", "holds", "is not shown"]
    assert [c.verdict for c in crowded] == ["is not shown", "is not shown"]
    assert "do not survive Holm's correction: It works by 0.2." in claims_text(crowded)


def test_a_withdrawn_claim_takes_no_part_and_states_its_reason():
    claims = with_holm([claim(0.2, 0.04), claim(-0.3, 0.001, withdrawn="An artefact.")])
    assert [c.p_holm for c in claims] == [0.04, None]
    text = claims_text(claims)
    assert text.endswith("Withdrawn: It works by -0.3. An artefact.\n")
    assert "does not hold" not in text


def test_the_results_name_each_study_and_its_verdicts(tmp_path, run):
    for pattern in ("rates/cells/*", "levels/cells/*_gap-204-s*"):
        for file in STUDIES_FOLDER.glob(pattern):
            copy = tmp_path / "studies" / file.relative_to(STUDIES_FOLDER)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    (tmp_path / "studies" / "levels" / "README.md").touch()
    code, *_ = run("results", "--studies", tmp_path / "studies", "--to", tmp_path / "RESULTS.md")
    assert code == 0
    text = (tmp_path / "RESULTS.md").read_text("utf-8")
    assert "## AlexNet against AlexNet-M-SE at the paper's levels (paper 001)" in text
    assert "| `alexnet_m_se_gap` reads better than `alexnet_gap` at level 204 | **holds** |" in text
    assert "The paper's own data are Chapman–Ningbo." in text
    assert "The levels compare speed of learning, not converged networks." in text
    assert "studies/levels/README.md)" in text


@pytest.mark.parametrize(
    ("study", "least"), [(ablation.STUDY, 12), (finetune.STUDY, 160), (scale.STUDY, 48)]
)
def test_a_study_requests_each_training_once(study, least):
    names = [trial.name for trial in study.trials("ptbxl", [])]
    assert len(names) == len(set(names)) >= least
    for trial in study.trials("ptbxl", []):
        assert trial.resolved.cohort in ("ptbxl", "others")
