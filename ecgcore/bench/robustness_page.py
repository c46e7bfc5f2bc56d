"""The page docs/robustness.md: how far calls and probabilities move, by change and class."""

from collections.abc import Iterable
from typing import Any

from ecgcore.evaluation.markdown import table

DETAILED = ("starts 200 ms later", "gain × 1.05", "baseline wander", "muscle noise", "LA–LL")
"""Changes whose effect is shown class by class: the beginnings of their names."""

_HEAD = """
# Steadiness of answers

Made by `ecgcore bench robustness --to docs/robustness.md`: {records:,} records of PTB-XL's fold
{fold}, which no network here was trained on, and {pairs:,} that the source offers at both rates.
Research use only.

Each record is answered as it is and changed in a way that should not matter (its start, gain or
rate), that happens at the bedside (noise, a lead that comes off), or that is an error of the
recording (exchanged electrodes). The figure is the share of records of which the call of **any**
class changes, with a Wilson interval at 95 %. A steady answer may still be wrong: nothing here is
compared with labels.

Noise is added to each lead by itself, the wave with a phase of its own in each. A record that
starts later, or has 5 s, is filled with missing values, as any short record is. Limb electrodes are
exchanged as electrodes, so that Einthoven's law still holds. Mains noise needs 500 Hz.

The aim is that wander or muscle noise change calls in at most 5 % of records (`alexnet_m_se_gap`:
10 %), and a shift or 5 % of gain in at most 3 %. Where a network was released anew, the figure of
the one before it stands before the arrow.
"""
_GATE = """
## What the quality gate says

Share of the changed records that the gate does not pass; the networks answer a doubtful record all
the same.
"""
_CLASSES = """
## By class

Calls before → lost and gained after the change, for the changes that matter most.
"""


def with_figures_before(answer: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Return the answer with the share of calls changed by networks that were released before.

    ``before`` is an earlier answer; networks of the same run in both stay as they are.
    """
    for name, one in answer["networks"].items():
        earlier = before["networks"].get(name)
        if earlier is None or earlier["run"] == one["run"]:
            continue
        for change, figures in one["changes"].items():
            if change in earlier["changes"]:
                figures["before"] = earlier["changes"][change]["changed"]
    return answer


def document(answer: dict[str, Any]) -> str:
    """Return the page from the answer of ``bench_robustness``."""
    networks = answer["networks"]
    names = list(dict.fromkeys(n for one in networks.values() for n in one["changes"]))
    parts = [
        _HEAD.format(**answer),
        _runs_text(networks),
        "## Calls that change\n\n" + _table(names, networks, _changed),
        "## Probabilities that move\n\nMean |Δp| over classes and records; in brackets the 95th "
        "percentile of a record's largest.\n\n" + _table(names, networks, _moved),
        _GATE.strip() + "\n\n" + table(("change", "flagged"), _flagged(names, answer["flagged"])),
        _CLASSES.strip() + "\n\n" + _by_class(names, networks),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _runs_text(networks: dict[str, Any]) -> str:
    runs = [f"`{name}` is run `{one['run']}`" for name, one in networks.items()]
    text = f"{'; '.join(runs)}."
    for name, one in networks.items():
        if one.get("stands_for", one["run"]) != one["run"]:
            text += (
                f" `{name}` was released as run `{one['stands_for']}`, trained on these records, "
                "too: the run of the same recipe that was not answers in its place, at its "
                "temperature and thresholds."
            )
    return text


def _table(names: Iterable[str], networks: dict[str, Any], cell: Any) -> str:
    rows = [(name, *(cell(one["changes"][name]) for one in networks.values())) for name in names]
    return table(("change", *(f"`{network}`" for network in networks)), rows)


def _changed(change: dict[str, Any]) -> str:
    before = f"{100 * change['before']:.1f} → " if "before" in change else ""
    low, high = 100 * change["low"], 100 * change["high"]
    return f"{before}{100 * change['changed']:.1f} % ({low:.1f} to {high:.1f})"


def _moved(change: dict[str, Any]) -> str:
    return f"{change['moved']:.3f} ({change['moved_95']:.2f})"


def _flagged(names: Iterable[str], flagged: dict[str, float]) -> Iterable[tuple[str, str]]:
    return [(name, f"{100 * flagged[name]:.0f} %") for name in names]


def _by_class(names: Iterable[str], networks: dict[str, Any]) -> str:
    """Return a table for each network of few classes."""
    shown = [name for name in names if name.startswith(DETAILED)]
    text = ""
    for network, one in networks.items():
        changes = [one["changes"][name] for name in shown]
        classes = changes[0]["classes"] if changes else {}
        if not 0 < len(classes) <= 10:
            continue
        rows = [
            (code, counts["called"], *(_lost_and_gained(c["classes"][code]) for c in changes))
            for code, counts in classes.items()
        ]
        text += f"`{network}`\n\n" + table(("class", "called", *shown), rows) + "\n"
    return text


def _lost_and_gained(counts: dict[str, int]) -> str:
    return f"−{counts['lost']} +{counts['gained']}"
