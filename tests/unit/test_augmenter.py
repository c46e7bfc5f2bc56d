"""The augmenter in a training: only training records are changed."""

from dataclasses import replace

import numpy as np
import torch

from ecgcore.cohort.store import Cohort
from ecgcore.imaging import draw_with_geometry
from ecgcore.inference.model import load_model
from ecgcore.records.record import Record
from ecgcore.runs.config import TrainConfig
from ecgcore.training.augmenter import Augmenter
from ecgcore.training.trainer import train


def test_only_training_records_are_changed(examples_home, monkeypatch):
    augmented = []

    def blank(self, batch):
        augmented.append(batch.signal_mv)
        return replace(batch, signal_mv=torch.full_like(batch.signal_mv, torch.nan))

    monkeypatch.setattr(Augmenter, "__call__", blank)
    config = TrainConfig(
        cohort="examples", model="alexnet_m_se_gap", level="60", size=67, epochs=1, device="cpu",
        augmentation="standard",
    )  # fmt: skip
    run = train(config, examples_home)
    changed = {signal_mv.tobytes() for signal_mv in torch.cat(augmented).numpy()}
    cohort, predictions = (
        Cohort.open("examples", examples_home),
        run.predictions.set_index("record"),
    )
    rows = np.flatnonzero(cohort.index["record"].isin(predictions.index))
    signals_mv = cohort.signals(rows)
    assert {"validation", "test"} <= set(predictions["part"])
    assert not changed & {signal_mv.tobytes() for signal_mv in signals_mv}
    # Stored predictions and new answers come from images drawn without augmentation.
    classifier = load_model(run.id, examples_home)
    drawn = draw_with_geometry(torch.from_numpy(signals_mv), cohort.fs_hz, classifier.geometry)
    with torch.inference_mode():
        expected = classifier.calibrated(classifier.model(drawn).numpy())
    columns = [f"p_{code}" for code in classifier.classes]
    scored = predictions.loc[cohort.index["record"].iloc[rows], columns]
    np.testing.assert_allclose(scored, expected, atol=1e-4)
    new = [Record(signal_mv, cohort.fs_hz, "new") for signal_mv in signals_mv[:4]]
    np.testing.assert_allclose(classifier.predict_proba(new), expected[:4], atol=1e-4)
