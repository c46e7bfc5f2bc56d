"""An evaluation as text, in the manner of scikit-learn's classification_report."""

from collections.abc import Mapping

from ecgcore.calibration.calibration import is_out_of_fold
from ecgcore.evaluation.ranked_classes import ranked_text

METRIC_LABELS = {"accuracy": "accuracy", "macro_f1": "macro-F1", "macro_auc": "macro AUC"}
"""Headline metric → its name in a sentence."""
METRIC_TITLES = {m: words[0].upper() + words[1:] for m, words in METRIC_LABELS.items()}
"""Headline metric → its name in a heading."""
_COLUMNS = ("precision", "recall", "f1", "auc", "average_precision")
_HEADS = ("precision", "recall", "F1", "AUC", "AP", "support")


def report_text(evaluation: Mapping) -> str:
    """Return the report: classes, averages, accuracy with macro-F1, baseline, confusion."""
    e = evaluation
    lines = [
        f"{e['run'] or 'Predictions'}, {_records(e)}: {e['n']:,} records of "
        f"{e['patients']:,} patients, {e['target_mode']}",
        *_external_lines(e),
        "",
        _row("", _HEADS),
        *(_class_row(code, metrics) for code, metrics in e["classes"].items()),
        "",
        *(_average_row(e, kind) for kind in ("micro", "macro", "weighted")),
        "",
        *_summary(e),
        *filter(None, [ranked_text(e)]),
        *_random_init_lines(e),
        *calibration_text(e),
        "",
        *_utility_lines(e),
        f"{e['confusion_title']}:",
        *_confusion(list(e["classes"]), e["confusion"]),
    ]
    notes = [f"{code}: {why}" for code, why in e["not_available"].items()] + list(e["notes"])
    return "\n".join(lines + (["", *notes] if notes else []))


def _records(e: Mapping) -> str:
    if e.get("cohort"):
        return f"cohort '{e['cohort']['name']}'"
    return "out of fold" if is_out_of_fold(e.get("calibration")) else f"part '{e['part']}'"


def _external_lines(e: Mapping) -> list[str]:
    """Return lines on the conversion of another cohort's records, and on those left out."""
    if not e.get("cohort"):
        return []
    return [
        *e["brought_to"],
        *(f"Excluded, {why}: {n:,} records." for why, n in e["excluded"].items()),
        *(f"Left out, {why}: {n:,} records." for why, n in e["left_out"].items()),
    ]


def _random_init_lines(e: Mapping) -> list[str]:
    if not (baseline := e.get("untrained")):
        return []
    return [
        f"The same network untrained (seed {baseline['seed']}): macro AUC "
        f"{with_range(baseline['macro_auc'])}, accuracy {with_range(baseline['accuracy'])}."
    ]


def calibration_text(evaluation: Mapping) -> list[str]:
    """Return lines on calibration before and after the temperature, and on referral."""
    calibration, refer = evaluation.get("calibration"), evaluation.get("refer")
    lines = []
    if calibration:
        before, after = calibration["before"], calibration["after"]
        fitted = "none fitted"
        if calibration["temperature"] is not None:
            fitted = f"{calibration['temperature']:.3f}, fitted on {calibration['from']}"
        pairs = (("ECE", "ece"), ("pooled", "ece_pooled"), ("Brier", "brier"))
        changes = ", ".join(f"{name} {before[key]:.4f} → {after[key]:.4f}" for name, key in pairs)
        lines.append(f"calibration  temperature {fitted}; {changes} ({calibration['binning']})")
    if refer:
        lines += _referral_lines(refer)
    return lines


def _referral_lines(refer: Mapping) -> list[str]:
    """Return lines on referral: what it reaches on all records, then by age and validation."""
    lines = [
        f"refer      {1 - refer['answered']:.1%} of records; every class right in "
        f"{number(refer['right_answered'])} of those answered, {number(refer['right'])} of "
        f"all; no certain class wrong in {number(refer['covered'])} (aim: {1 - refer['alpha']:g})"
    ]
    if "groups" not in refer:  # evaluations of earlier versions
        return lines
    fitted = f", fitted on {refer['fitted_on']}, cross-fitted by patient:"
    lines.append(f"coverage   no certain class wrong{fitted if refer['cross_fitted'] else ':'}")
    for trait in ("records", "validated", "age"):
        for name, group in refer["groups"].get(trait, {}).items():
            label = name if trait == "records" else f"{trait} {name}"
            few = ", too few to tell" if group["few"] else ""
            text = share_text(group["covered"])
            lines.append(f"  {label:<26} {group['n']:>6,} records: {text}{few}")
    return lines


def share_text(share: Mapping) -> str:
    """Return a share with its interval in two decimals: ``0.79 (0.78 to 0.81)``."""
    return with_range(share, digits=2)


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with fixed decimals, ``n/a`` for None."""
    return "n/a" if value is None else _minus(f"{value:.{digits}f}")


def with_interval(metric: Mapping, digits: int = 3, signed: bool = False) -> str:
    """Return a value with its interval: ``0.923 (95 % interval 0.901 to 0.944 over patients)``."""
    text = with_range(metric, digits, signed)
    if metric["value"] is None or metric["low"] is None or metric["low"] == metric["high"]:
        return text
    level = f"{100 * metric['level']:g} % interval"
    return text.replace("(", f"({level} ").replace(")", f" over {metric['unit']})")


def with_range(metric: Mapping, digits: int = 3, signed: bool = False) -> str:
    """Return a value with the ends of its interval: ``0.923 (0.901 to 0.944)``."""
    if metric["value"] is None:
        return "n/a"
    value = _minus(f"{metric['value']:{'+' if signed else ''}.{digits}f}")
    if metric["low"] is None:
        return f"{value} (no interval)"
    if metric["low"] == metric["high"]:  # not certainty: the resamples do not vary
        return f"{value} (no interval: all resamples alike)"
    low, high = (_minus(f"{metric[end]:.{digits}f}") for end in ("low", "high"))
    return f"{value} ({low} to {high})"


def _minus(text: str) -> str:
    """Return the number with a true minus sign."""
    return text.replace("-", "−")


def _row(name: str, cells: tuple[str, ...] | list[str]) -> str:
    return f"{name:<18}" + "".join(f"{c:>12}" for c in cells)


def _class_row(code: str, metrics: Mapping) -> str:
    return _row(code, [*(number(metrics[c]) for c in _COLUMNS), f"{metrics['n']:,}"])


def _average_row(e: Mapping, kind: str) -> str:
    means = e["averages"]
    over = len(means["over"]["f1"])
    if kind not in means:  # evaluations of earlier versions
        means = means | {kind: dict.fromkeys(_COLUMNS)}
    support = sum(metrics["n"] for metrics in e["classes"].values())
    return _row(
        f"{kind} ({over} cl.)", [*(number(means[kind][c]) for c in _COLUMNS), f"{support:,}"]
    )


def _summary(e: Mapping) -> list[str]:
    """Return the lines of accuracy, macro-F1 and AUC, each with the baseline."""
    base, intervals = e["baseline"], e["intervals"]
    return [
        f"macro-F1   {with_interval(intervals['macro_f1'])}; baseline {number(base['macro_f1'])}",
        f"accuracy   {with_interval(intervals['accuracy'])}; baseline {number(base['accuracy'])}",
        f"macro AUC  {with_interval(e['macro_auc'])}; baseline {number(base['macro_auc'])}",
        f"micro AUC  {number(e['micro_auc'])}",
        f"Accuracy is over {e['accuracy_of']}. The baseline answers {base['form']}.",
    ]


def _utility_lines(e: Mapping) -> list[str]:
    """Return the tables of operating points and subgroups, where these were computed."""
    lines = []
    if points := e.get("operating"):
        heads = ("sensitivity", "specificity", "PPV", "NPV", "prevalence", "sens@.90", "sens@.95")
        lines += [_row("", heads), *(_operating_row(c, point) for c, point in points.items()), ""]
        if any(point["prevalence_of"] == "given" for point in points.values()):
            lines += [
                "PPV and NPV are at the prevalence shown: given, or that of these records.",
                "",
            ]
    for trait, groups in (e.get("subgroups") or {}).items():
        lines += [f"{trait}:", *(_group_line(name, group) for name, group in groups.items()), ""]
    return lines


def _operating_row(code: str, point: Mapping) -> str:
    values = [point[name]["value"] for name in ("sensitivity", "specificity", "ppv", "npv")]
    at = [metric["value"] for metric in point["sensitivity_at"].values()]
    return _row(code, [number(v) for v in (*values, point["prevalence"], *at)])


def _group_line(name: str, group: Mapping) -> str:
    few = ", too few to tell" if group["few"] else ""
    return (
        f"  {name:<16} {group['n']:>6,} records of {group['patients']:,} patients{few}: "
        f"macro-F1 {with_range(group['macro_f1'])}, macro AUC {with_range(group['macro_auc'])} "
        f"over {len(group['over'])} classes"
    )


def _confusion(codes: list[str], matrix: list[list[int]]) -> list[str]:
    """Return the matrix, one row a stated class."""
    width = max(len(c) for c in codes) + 1
    head = " " * width + "".join(f"{c:>7}" for c in codes)
    return [head] + [
        f"{code:<{width}}" + "".join(f"{n:>7}" for n in row)
        for code, row in zip(codes, matrix, strict=True)
    ]
