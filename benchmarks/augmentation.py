"""Draw the effect of each augmentation on an example ECG: docs/augmentation.png.

Run from the checkout:  .venv/bin/python benchmarks/augmentation.py
"""

from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ecgcore.labels.classes import CODES
from ecgcore.measurement.rpeaks import r_peaks
from ecgcore.records.read import read_record
from ecgcore.records.record import LEADS
from ecgcore.records.resample import resample_record
from ecgcore.training.augmentation import Batch, BatchRng, Transform
from ecgcore.training.augmenter import MIXING, STANDARD

HERE = Path(__file__).resolve().parents[1] / "docs"
EXAMPLES = HERE.parent / "examples" / "ptb-xl" / "records100"
# A normal ECG, one with ST elevation, one with left ventricular hypertrophy (PTB-XL, CC BY 4.0).
NORMAL, STEMI, LVH = "01000/01509_lr", "07000/07835_lr", "12000/12325_lr"
FS_HZ = 500.0  # so that mains noise is visible
# name → leads, seconds, description; each tile is as high as its traces
TILES = {
    "time_shift": (("V5",), 10, "begins up to 0.5 s earlier or later"),
    "crop": (("V5",), 10, "80 to 100 % is kept, the rest stays empty; the rate stays"),
    "time_warp": (("V5",), 10, "up to 3 % faster, then slower; the mean rate stays"),
    "gain": (("V5",), 2.5, "0.9 to 1.1, all leads alike"),
    "baseline_wander": (("II",), 10, "0.05 to 0.5 Hz"),
    "mains_noise": (("II",), 2.5, "50 or 60 Hz"),
    "muscle_noise": (("II",), 2.5, "above 20 Hz, swelling and fading"),
    "lead_dropout": (("V2", "V5"), 5, "one lead is missing"),
    "st_mix": (("V2", "V3"), 2.5, "ST of another mixed in"),
    "voltage_mix": (("V2", "V5"), 2.5, "QRS of another mixed in"),
}
GAP_MV = 0.3  # between two traces
DRAWS = 20  # the one with the largest change is shown
BEFORE, AFTER = "#c4a46a", "#1d4ed8"


def recordings(*names: str) -> Batch:
    """Return example recordings with their beats; the second is of STEMI, the third of LVH."""
    records = [
        resample_record(read_record(EXAMPLES / f"{name}.hea"), FS_HZ, 10.0) for name in names
    ]
    targets = torch.zeros(len(records), len(CODES))
    for row, code in enumerate(("NSR", "STEMI", "LVH")[: len(records)]):
        targets[row, CODES.index(code)] = 1
    signals = np.stack([record.signal_mv for record in records])
    beats = [r_peaks(signal, FS_HZ) for signal in signals]
    return Batch(torch.from_numpy(signals), FS_HZ, targets, beats)


def tile(axes, name: str, before: Batch, after: Batch) -> None:
    """Draw the first recording before and after, its leads one above the other."""
    leads, shown_s, description = TILES[name]
    seconds = np.arange(before.signal_mv.shape[-1]) / FS_HZ
    shown = seconds < shown_s
    top_mv = 0.0
    for lead in leads:
        traces = [b.signal_mv[0, LEADS.index(lead)].numpy()[shown] for b in (before, after)]
        base_mv = top_mv - np.nanmax(traces)
        for trace, colour, width in zip(traces, (BEFORE, AFTER), (2.4, 0.8), strict=True):
            axes.plot(seconds[shown], base_mv + trace, colour, linewidth=width)
        axes.text(-0.015, base_mv, lead, transform=axes.get_yaxis_transform(), ha="right", size=8)
        top_mv = base_mv + np.nanmin(traces) - GAP_MV
    axes.plot([shown_s * 1.01] * 2, [-1, 0], "k", linewidth=1.5, clip_on=False)
    axes.text(shown_s * 1.016, -0.5, "1 mV", fontsize=7, va="center")
    axes.set_title(caption(name, after), fontsize=9.5, loc="left", weight="bold")
    axes.set_title(description, fontsize=8, loc="right", color="#374151")
    axes.set(xlim=(0, shown_s), ylim=(min(top_mv, -1.1), 0.1), yticks=[])
    axes.tick_params(labelsize=7)
    axes.spines[["left", "right", "top"]].set_visible(False)


def clearest_draw(name: str, kind: Transform, before: Batch) -> Batch:
    """Return the draw that changes the shown leads most."""
    leads = [LEADS.index(lead) for lead in TILES[name][0]]

    def change(after: Batch) -> float:
        apart = after.signal_mv[0, leads] - before.signal_mv[0, leads]
        return float(apart.nan_to_num(1.0).abs().mean())

    return max((kind(before, BatchRng(seed)) for seed in range(DRAWS)), key=change)


def caption(name: str, after: Batch) -> str:
    """Return the name, with the targets if classes are mixed."""
    targets = {code: float(v) for code, v in zip(CODES, after.targets[0], strict=True) if 0 < v}
    shares = ", ".join(f"{code} {share:.2f}" for code, share in targets.items())
    return name.replace("_", " ") + (f"   ({shares})" if name in MIXING else "")


def main() -> None:
    """Write the figure."""
    kinds = STANDARD | MIXING
    figure = Figure(figsize=(11, 13), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(5, 2).ravel()
    for axes, name in zip(grid, TILES, strict=True):
        partner = {"st_mix": [STEMI], "voltage_mix": [STEMI, LVH]}.get(name, [])
        before = recordings(NORMAL, *partner)
        tile(axes, name, before, clearest_draw(name, kinds[name][0], before))
    figure.supxlabel(
        f"Seconds. Wide, ochre: as recorded; thin, blue: as trained on (the clearest of {DRAWS} "
        "draws). PTB-XL 1509, mixed with 7835 and 12325 (CC BY 4.0).",
        fontsize=9,
    )
    figure.savefig(HERE / "augmentation.png")
    print(f"{HERE / 'augmentation.png'} written.")


if __name__ == "__main__":
    main()
