"""Model card: what a network is, how good it is, where it fails, and how it was trained.

The order is a reader's: records that a human validated first, then all; each class; other
hospitals; steadiness; then the whole evaluation and every setting.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ecgcore.atomic import read_json, write_atomic
from ecgcore.calibration.calibration import FITTED_ON, OUT_OF_FOLD, is_out_of_fold
from ecgcore.evaluation.card_figures import CardFigures
from ecgcore.evaluation.markdown import table
from ecgcore.evaluation.ranked_classes import ranked_text
from ecgcore.evaluation.referral_coverage import ALL_RECORDS
from ecgcore.evaluation.text import number, report_text, share_text, with_range
from ecgcore.inference.card_facts import EXTERNAL, STEADINESS, store_figures, stored_figures
from ecgcore.runs.config import ResolvedConfig, settings_in_words
from ecgcore.runs.run import Run
from ecgcore.version import RESEARCH_USE_ONLY

FILE = "README.md"
WHERE = {FITTED_ON: "on test records", OUT_OF_FOLD: "out of fold"}
"""How the records of the scores were answered, by the records of the calibration."""
MOST_CLASSES = 20
"""Classes up to which a card lists each; the evaluation below has all of them."""


def update_card(run: Run) -> None:
    """Rewrite a shipped model's card from its stored figures; a run without a card gets none."""
    file = run.folder / FILE
    if file.exists():
        write_card(run.folder, model_card(run, run.id, _attribution(file.read_text("utf-8"))))


def refresh_card(run: Run) -> None:
    """Compute a shipped model's figures again and rewrite its card; other runs have none."""
    if (run.folder / FILE).exists():
        store_figures(run)
        update_card(run)


def write_card(folder: Path, card: str) -> None:
    """Write the text of a card into a release."""
    write_atomic(folder / FILE, lambda path: path.write_text(card, encoding="utf-8"))


def _attribution(card: str) -> str:
    """Return the text between the first table and the next heading of a card."""
    above = card.partition("\n## ")[0]
    return above.rpartition("|\n")[2].strip()


def model_card(run: Run, name: str, attribution: str) -> str:
    """Return a model's card: network, figures, training data, settings."""
    where = WHERE.get(run.calibration["from"], WHERE[FITTED_ON])
    sections = [
        f"# {name}\n\n{RESEARCH_USE_ONLY}\n\n{_training_line(run)}",
        table(("", ""), _facts(run)),
        attribution,
        *_figures_sections(run, where),
        *_external_section(run.folder / EXTERNAL),
        *_steadiness_section(run.folder / STEADINESS),
        f"## Whole evaluation\n\n```text\n{report_text(run.evaluation or {}).strip()}\n```",
        f"## Settings\n\n{table(('', ''), settings_in_words(run.config).items())}",
    ]
    return "\n\n".join(section.rstrip() for section in sections if section) + "\n"


def _training_line(run: Run) -> str:
    minutes, device = run.history["seconds"].sum() / 60, run.status["device"]
    on = "a CPU" if device == "cpu" else device
    return f"Trained for {minutes:.0f} minutes on {on}. {_calibration_line(run.calibration)}"


def _facts(run: Run) -> list[tuple[str, str]]:
    """Return name and value of what a network is and was trained on."""
    meta, config, status = run.meta, run.config, run.status
    records = meta["split"]["records"]
    return [
        ("network", f"`{meta['model']}`, {meta['parameters']:,} parameters"),
        ("input", _input_line(meta["input"])),
        ("output", f"{', '.join(meta['classes'])}; {meta['target_mode']}"),
        ("labels", _labels_line(meta, config)),
        ("cohort", f"{meta['cohort']['name']}, hash `{meta['cohort']['hash']}`"),
        ("records", ", ".join(f"{n:,} {part}" for part, n in records.items())),
        ("best epoch", f"{status['best_epoch']} of {config.epochs}, in {status['precision']}"),
        ("run", f"`{meta['run']}`, {meta['created'][:10]}"),
        ("stored as", "float16; computed in float32"),
    ]


def _figures_sections(run: Run, where: str) -> list[str]:
    """Return the headline figures, and each class's over the first set of records."""
    figures = stored_figures(run)
    judged = "cross-fitted" if is_out_of_fold(run.calibration) else "chosen on validation"
    heads = ("", "n", "macro AUC", "without rare classes", f"macro-F1, {judged}")
    rows = [
        (
            one.records,
            f"{one.n:,}",
            with_range(one.macro_auc),
            with_range(one.macro_auc_common) if one.macro_auc_common else "",
            with_range(one.macro_f1),
        )
        for one in figures
    ]
    text = f"## How good, {where}\n\nIntervals are at 95 %, over patients.\n\n"
    text += table(heads, rows).rstrip()
    if rare := figures[-1].rare:
        text += f"\n\nRare classes, in fewer than 1 % of the records: {', '.join(rare)}."
    if ranked := ranked_text(run.evaluation):
        text += f"\n\n{ranked}"
    return [text, *_classes_section(figures)]


def _classes_section(figures: Sequence[CardFigures]) -> list[str]:
    first = figures[0].classes
    if len(first) > MOST_CLASSES:
        return []
    heads = ("class", "n", "AUC", "F1", "precision", "sensitivity")
    rows = [
        (
            code,
            f"{of_class['n']:,}",
            with_range(of_class["auc"]),
            *(number(of_class[name]) for name in ("f1", "precision", "recall")),
        )
        for code, of_class in first.items()
    ]
    return [f"## Each class: {figures[0].records}\n\n{table(heads, rows)}"]


def _external_section(file: Path) -> list[str]:
    """Return the figures on other hospitals' records, where these were scored."""
    if not file.exists():
        return []
    rows = [
        (
            f"{', '.join(one['sources'])}",
            f"{one['n']:,}",
            with_range(one["macro_auc"]),
            ", ".join(f"{code} {number(auc)}" for code, auc in one["classes"].items()),
            _coverage(one["refer"]),
        )
        for one in read_json(file)["evaluations"]
    ]
    heads = ("sources", "n", "macro AUC", "AUC of each class with positives", "refer")
    return [f"## Other hospitals\n\n{table(heads, rows)}"]


def _coverage(refer: dict | None) -> str:
    if refer is None:
        return "n/a"
    return (
        f"{1 - refer['answered']:.0%} referred; no certain class wrong in "
        f"{share_text(refer['groups']['records']['all']['covered'])}; aim {1 - refer['alpha']:g}"
    )


def _steadiness_section(file: Path) -> list[str]:
    """Return how often calls change when a recording does, where this was measured."""
    if not file.exists():
        return []
    content = read_json(file)
    rows = [
        (name, f"{100 * c['changed']:.1f} % ({100 * c['low']:.1f} to {100 * c['high']:.1f})")
        for name, c in content["changes"].items()
    ]
    return [
        f"## Steadiness\n\nShare of {content['records']:,} records of fold {content['fold']} of "
        "which any call changes when the recording does, with a Wilson interval at 95 % "
        f"(`ecgcore bench robustness`).\n\n{table(('change', 'calls changed'), rows)}"
    ]


def _labels_line(meta: dict[str, Any], config: ResolvedConfig) -> str:
    source = "expert statements"
    if meta["labels"]["policy"] == "criteria":
        source = f"criteria ({meta['labels']['thresholds']}) applied to measurements"
    return f"{config.label_set} from {source}, {config.label_tier} tier"


def _calibration_line(fitted: dict[str, Any]) -> str:
    if fitted["temperature"] is None:
        return "Its probabilities are not calibrated."
    refer = fitted["refer"]
    parts = [f"temperature {fitted['temperature']:.3f}", "decision thresholds"]
    if refer is not None:
        of = refer.get("of", ALL_RECORDS)
        parts.append(f"a referral band (alpha {refer['alpha']:g}, fitted on {of})")
    return f"Calibrated on {fitted['from']} records: {', '.join(parts)}."


def _input_line(settings: dict[str, Any]) -> str:
    signal = f"12 leads, {settings['duration_s']:g} s at {settings['fs_hz']:g} Hz"
    if cutoff_hz := settings.get("highpass_hz"):
        signal += f" above {cutoff_hz:g} Hz"
    if "layout" not in settings:
        return f"{signal}, as signals in mV"
    height, width = settings["size"]
    return f"{signal}, drawn as `{settings['layout']}` images of {width}×{height} pixels"
