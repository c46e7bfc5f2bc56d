"""A comparison as text: its finding in one sentence, and the full answer for a terminal."""

from collections.abc import Mapping

import numpy as np

from ecgcore.evaluation.ranked_classes import ranked_text
from ecgcore.evaluation.test_access_log import access_text
from ecgcore.evaluation.text import (
    METRIC_LABELS,
    number,
    report_text,
    with_interval,
    with_range,
)

_COSTS = {
    "parameters": ("parameters", "{:,}"),
    "multiply_adds": ("multiply-adds", "{:,}"),
    "ms_per_ecg": ("ms per ECG", "{:.1f}"),
}


FEW_RECORDS = 30
"""Below so many common records a comparison opens with a warning."""


def few_records_warning(comparison: Mapping) -> str:
    """Return the warning of a comparison over very few records, empty where they suffice."""
    n = comparison["n_common"]
    if n >= FEW_RECORDS:
        return ""
    return (
        f"WARNING: only {n} common {'record' if n == 1 else 'records'}. Below {FEW_RECORDS}, "
        "intervals and tests are not reliable: conclude nothing from this comparison."
    )


def finding(comparison: Mapping) -> str:
    """Return the finding in one sentence, and a verdict on its certainty.

    A comparison over very few records begins with a warning.
    """
    name_a, name_b = display_names(comparison)
    differences = comparison["differences"]
    accuracy = with_interval(differences["accuracy"], digits=2, signed=True)
    f1, auc = (with_range(differences[m], digits=2, signed=True) for m in ("macro_f1", "macro_auc"))
    how_many = _more_or_fewer(comparison, name_a)
    start = f"{name_b} is right on {how_many} (accuracy {_without_brackets(accuracy)});"
    if how_many is None:
        start = f"{name_b} against {name_a}:"
    text = f"{start} macro-F1 {f1}, macro AUC {auc}. {_certainty(differences)}".strip()
    sentences = [few_records_warning(comparison), text, *_ranked_sentences(comparison)]
    return " ".join(filter(None, sentences))


def _ranked_sentences(comparison: Mapping) -> list[str]:
    """Return a sentence for each side on the classes that its network cannot call usefully."""
    texts = zip(
        display_names(comparison),
        (ranked_text(comparison["evaluations"][side]) for side in "ab"),
        strict=True,
    )
    return [f"{name}: {text[0].lower()}{text[1:]}" for name, text in texts if text]


def finding_over_seeds(comparison: Mapping) -> str:
    """Return the finding of several seeds a side, with intervals over seeds and patients."""
    name_a, name_b = display_names(comparison)
    seeds = comparison["seeds"]
    intervals = {metric: seeds["differences"][metric]["both"] for metric in METRIC_LABELS}
    changes = [
        f"{words} {with_range(intervals[metric], digits=3, signed=True)}"
        for metric, words in METRIC_LABELS.items()
    ]
    how_many = f"{len(seeds['a'])} seeds a side, seeds and patients resampled"
    warning, verdict = few_records_warning(comparison), _certainty(intervals)
    text = f"{name_b} minus {name_a}, {how_many}: {', '.join(changes)}. {verdict}"
    return f"{warning} {text}".strip()


def display_names(comparison: Mapping) -> tuple[str, str]:
    """Return names of both sides: their models, or their run ids where the models are equal."""
    models = comparison.get("models") or {}
    a, b = models.get("a"), models.get("b")
    if a and b and a != b:
        return a, b
    return comparison["a"] or "A", comparison["b"] or "B"


def comparison_text(comparison: Mapping) -> str:
    """Return both reports, then the differences, tests, disagreements and flags."""
    c, warning = comparison, few_records_warning(comparison)
    both = [report_text(c["evaluations"][side]) for side in "ab"]
    lines = [
        finding(c).removeprefix(f"{warning} "),
        "",
        f"A {c['a']}, B {c['b']}: {c['n_common']:,} common records of {c['patients']:,} patients",
        *(f"Note: {flag}" for flag in c["flags"]),
        "",
        *_difference_table(c),
        *_seed_lines(c),
        "",
        _mcnemar_line(c["mcnemar"]),
        *_class_lines(c),
        f"The runs disagree on {len(c['disagreements']):,} records.",
        *_configuration_lines(c),
        *_cost_lines(c),
        *filter(None, [access_text(c.get("looks"))]),
    ]
    head = [warning, ""] if warning else []
    return "\n".join([*head, f"A  {both[0]}", "", f"B  {both[1]}", "", *lines])


def _more_or_fewer(comparison: Mapping, name_a: str) -> str | None:
    """Return ``4 more of 66 records than alexnet``, None where no record has one class."""
    counts = {side: np.array(comparison["evaluations"][side]["confusion"]) for side in ("a", "b")}
    n = int(counts["a"].sum())
    if not n:
        return None
    more = int(np.trace(counts["b"]) - np.trace(counts["a"]))
    records = f"{n:,} records"
    if comparison["target_mode"] == "multilabel":
        records += " with exactly one stated class"
    if not more:
        return f"as many of {records} as {name_a}"
    return f"{abs(more):,} {'more' if more > 0 else 'fewer'} of {records} than {name_a}"


def _without_brackets(text: str) -> str:
    """Return a value and its interval in a form that can stand in brackets itself."""
    return text.replace(" (", ", ").replace(")", "")


def _certainty(differences: Mapping[str, Mapping]) -> str:
    """Return a sentence on the metrics whose interval excludes zero."""
    intervals = {
        words: differences[metric]
        for metric, words in METRIC_LABELS.items()
        if differences[metric]["low"] is not None
    }
    clear = [words for words, i in intervals.items() if i["low"] > 0 or i["high"] < 0]
    if not intervals:
        return ""
    if not clear:
        return "Every interval includes zero: no difference is shown."
    *others, last = clear
    names = f"{', '.join(others)} and {last}" if others else last
    return f"The interval excludes zero for {names}."


def _difference_table(c: Mapping) -> list[str]:
    """Return metric, A, B, B − A with its interval."""
    rows = [f"{'':<10} {'A':>7} {'B':>7}   B − A (95 % interval over patients)"]
    for metric, words in METRIC_LABELS.items():
        a, b = (c["evaluations"][side][metric] for side in "ab")
        values = [number(v["value"] if isinstance(v, Mapping) else v) for v in (a, b)]
        change = with_range(c["differences"][metric], signed=True)
        rows.append(f"{words:<10} {values[0]:>7} {values[1]:>7}   {change}")
    return rows


def _mcnemar_line(test: Mapping) -> str:
    return (
        f"McNemar ({test['form']}; {test['of']}): only A right {test['only_a_right']:,}, only B "
        f"right {test['only_b_right']:,}, p = {p_text(test['p'])}"
    )


def _class_lines(c: Mapping) -> list[str]:
    """Return each class's AUCs, their difference and DeLong's p."""
    rows = [f"{'AUC':<10} {'A':>7} {'B':>7}   {'B − A':<25} DeLong p (Holm)"]
    for code, test in c["delong"].items():
        a, b = (number(c["evaluations"][side]["classes"][code]["auc"]) for side in "ab")
        change = with_range(c["class_differences"][code]["auc"], signed=True)
        p = test["why"] or f"{p_text(test['p'])} ({p_text(test['p_holm'])})"
        rows.append(f"{code:<10} {a:>7} {b:>7}   {change:<25} {p}")
    return ["", *rows, ""]


def p_text(p: float | None) -> str:
    """Return a p value with three decimals, ``< 0.001`` below."""
    if p is None:
        return "n/a"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _configuration_lines(c: Mapping) -> list[str]:
    return [
        f"{name}: {pair['a']} → {pair['b']}"
        for name, pair in (c.get("config_differences") or {}).items()
    ]


def _cost_lines(c: Mapping) -> list[str]:
    """Return the costs that are known on both sides."""
    lines = []
    for name, (words, form) in _COSTS.items():
        pair = (c.get("cost") or {}).get(name) or {}
        if pair.get("a") and pair.get("b"):
            lines.append(f"{words}: {form.format(pair['a'])} → {form.format(pair['b'])}")
    return lines


def _seed_lines(c: Mapping) -> list[str]:
    """Return B − A over seeds with its three intervals."""
    if not c.get("seeds"):
        return []
    differences, n = c["seeds"]["differences"], len(c["seeds"]["a"])
    rows = [f"Over {n} seeds a side, B − A (95 % interval over …):", *c["seeds"]["notes"]]
    rows.append(f"{'':<10} {'patients':<26} {'seeds':<26} both")
    for metric, words in METRIC_LABELS.items():
        patients, seeds, both = (
            with_range(differences[metric][unit], signed=True)
            for unit in ("patients", "seeds", "both")
        )
        rows.append(f"{words:<10} {patients:<26} {seeds:<26} {both}")
    return ["", *rows]


def multi_text(comparison: Mapping) -> str:
    """Return the table of more than two runs."""
    c = comparison
    lines = [
        *filter(None, [few_records_warning(c)]),
        f"{c['n_common']:,} common records of {c['patients']:,} patients, part '{c['part']}'; "
        f"differences from {c['reference']}; intervals at 95 % over patients",
        *(f"Note: {flag}" for flag in c["flags"]),
    ]
    for metric, words in METRIC_LABELS.items():
        lines += ["", f"{words:<44} {'value':<26} difference"]
        for row in c["rows"]:
            differences = row["differences"]
            change = "—" if differences is None else with_range(differences[metric], signed=True)
            lines.append(f"{row['run']:<44} {with_range(row[metric]):<26} {change}")
        lines.append(f"{'naive baseline':<44} {number(c['baseline'][metric])}")
    lines += ["", f"{'':<44} {'p (Holm)':>16}" + "".join(f"{w:>15}" for w, _ in _COSTS.values())]
    lines += [_test_and_cost_line(row) for row in c["rows"]]
    lines += ["", f"p: exact McNemar against {c['reference']}; {c['mcnemar_of']}."]
    return "\n".join([*lines, *filter(None, [access_text(c.get("looks"))])])


def _test_and_cost_line(row: Mapping) -> str:
    test = row["mcnemar"]
    p = "—" if test is None else f"{p_text(test['p'])} ({p_text(test['p_holm'])})"
    costs = [
        "n/a" if row["cost"][name] is None else form.format(row["cost"][name])
        for name, (_, form) in _COSTS.items()
    ]
    return f"{row['run']:<44} {p:>16}" + "".join(f"{cost:>15}" for cost in costs)
