"""Write docs/trust.md and the shipped networks' limits: how often maps of each method are trusted.

    .venv/bin/python benchmarks/trust.py --cohort ptbxl --folds 8 --records 120

For each network and method: true positives that the network calls, maps of absent classes, and the
same network with shuffled weights or none learnt. Statistics are kept in docs/trust.csv, a row a
record, with a hash of the weights: an interrupted run resumes, and rows of other weights are
dropped. Limits are written to ``checkpoints/NAME/trust.json``; ``--page`` writes page and limits
from the rows that there are.

Records that the network was trained on are left out. Where fewer than --records remain, name the
network of the same recipe that was trained without them: ``alexnet_gap=RUN``; its maps are then
measured, and its limits written for the shipped network, which the page says.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
import torch

from ecgcore.atomic import write_json
from ecgcore.cohort.store import Cohort
from ecgcore.errors import RequestError
from ecgcore.explanation.map_statistics import MapStatistics, answer
from ecgcore.explanation.methods import METHODS
from ecgcore.explanation.randomization import shuffle_weights
from ecgcore.explanation.references import References
from ecgcore.explanation.trust import PASSES, judge, load_checks, verdict
from ecgcore.explanation.trust_limits import FILE, TrustLimits
from ecgcore.inference.model import Classifier, load_model
from ecgcore.models import create_model
from ecgcore.runs.run import SHIPPED
from ecgcore.runs.split import read_lineage
from ecgcore.workspace import Workspace

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, ROWS = DOCS / "trust.md", DOCS / "trust.csv"
NETWORKS = ("resnet1d_scaled", "alexnet_gap", "alexnet_m_se_gap", "resnet1d_ptbxl71")
CHECKED = [name for name, method in METHODS.items() if method.warning is None]
COPIES, PER_COPY = 4, 30
"""Shuffled and untrained networks, and the records that each of them is tried on."""
WORTH = 1.0
"""Controls with a smaller response fail whatever their maps, which are then not computed."""
HIDDEN = 50
"""Records of each class from which the tried ones are drawn, at most."""
TRUE, ABSENT, FALSE_CALL, SHUFFLED, UNTRAINED = (
    "true positive",
    "absent class",
    "false call",
    "shuffled",
    "untrained",
)
MAPS = {
    "weights": MapStatistics.weights,
    "class": MapStatistics.other_class,
    "record": MapStatistics.other_records,
    "mean": MapStatistics.mean_map,
}
CAPS = {"weights": 0.7, "class": 0.9, "record": 0.9, "mean": 0.9}
FLOOR = 0.4
"""Limits of likeness lie between these: below 0.4 is chance, beyond the cap a map is the same."""
FALSE_ALARMS = 0.03
"""Share of true positives that each limit may fail."""
MIN_RECORDS = 50
"""True positives that a method's limits need; with fewer, it has the general ones."""
OF_MEDIAN, MIN_TRUE = 0.7, 4
"""Share of a class's median response that an answer must reach, and the records it needs. Of 0.5 to
0.8, tried on one network (resnet1d_scaled): the least that untrained networks seldom reach."""


def main() -> None:
    """Compute missing rows, and write limits and page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS, metavar="NAME[=RUN]")
    parser.add_argument("--cohort", default="ptbxl")
    parser.add_argument("--folds", type=int, nargs="+", default=[8])
    parser.add_argument("--records", type=int, default=120, help="true positives of each network")
    parser.add_argument("--methods", nargs="+", choices=CHECKED, default=CHECKED)
    parser.add_argument("--page", action="store_true", help="compute nothing anew")
    parser.add_argument("--home", type=Path, dest="workspace")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    workspace = Workspace.find(arguments.workspace)
    if not arguments.page:
        cohort = Cohort.open(arguments.cohort, workspace)
        for name in arguments.networks:
            shipped, _, run = name.partition("=")
            measure_network(shipped, run or shipped, cohort, workspace, arguments)
    rows = read_rows()
    for name, of in rows.groupby("network", sort=False):
        write_limits(str(name), of)
    PAGE.write_text(page(rows), encoding="utf-8")


def read_rows() -> pd.DataFrame:
    """Return the kept rows."""
    return pd.read_csv(ROWS, dtype={"record": str}) if ROWS.exists() else pd.DataFrame()


# --- measuring -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A map to judge: kind, network, record and class."""

    kind: str
    seed: int
    classifier: Classifier
    row: int
    code: str


def measure_network(
    shipped: str, run: str, cohort: Cohort, workspace: Workspace, arguments
) -> None:
    """Append the rows of a network that are not there yet."""
    classifier = load_model(run, workspace)
    rows = read_rows()
    key = {"network": shipped, "measured": run, "weights": classifier.run.weights_hash}
    if len(rows):
        other = (rows["network"] == shipped) & (rows["weights"] != key["weights"])
        rows = rows[~other]
        rows.to_csv(ROWS, index=False)
    names = ["network", "method", "kind", "seed", "record", "class"]
    done = set(rows[names].itertuples(index=False, name=None)) if len(rows) else set()
    places = f"{arguments.cohort}, folds {' '.join(map(str, arguments.folds))}"
    cases = all_cases(classifier, cohort, arguments)
    for method in arguments.methods:
        for case in cases:
            record = cohort.record(case.row)
            if (shipped, method, case.kind, case.seed, record.name, case.code) in done:
                continue
            row = key | {"records_from": places, "method": method, "kind": case.kind}
            row |= {"seed": case.seed, "record": record.name, "class": case.code}
            row |= statistics(case, record, method)
            append(row)


def append(row: dict) -> None:
    """Append a row to the table."""
    pd.DataFrame([row]).to_csv(
        ROWS, mode="a", header=not ROWS.exists(), index=False, float_format="%.4f"
    )


def statistics(case: Case, record, method: str) -> dict:
    """Return the answer and the statistics of a map; the map's are empty where it fails anyway."""
    references = References.of_examples(case.classifier.classes)
    given = answer(case.classifier, record, case.code, references)
    response = None if isinstance(given.response, str) else given.response
    values = {"called": given.called, "response": response, "no_map": False}
    values |= dict.fromkeys(map(column, MAPS))
    if case.kind == TRUE or (given.called and (response is None or response >= WORTH)):
        maps = MapStatistics(case.classifier, record, case.code, method, references)
        found = {column(name): statistic(maps) for name, statistic in MAPS.items()}
        values |= {k: None if isinstance(v, str) else v for k, v in found.items()}
        values["no_map"] = not bool((maps.map > 0).any())
    return values


def column(check: str) -> str:
    """Return the name of a likeness in the table."""
    return f"likeness_{check}"


def all_cases(classifier: Classifier, cohort: Cohort, arguments: argparse.Namespace) -> list[Case]:
    """Return true positives, absent classes, and the controls on the first true positives."""
    rng = np.random.default_rng(8)
    states = cohort.states("core", label_set=classifier.run.config.label_set)
    candidates = draw(held_out(classifier, cohort, arguments.folds), states, arguments.records, rng)
    called = np.concatenate(
        [
            classifier.predicted_labels(classifier.predict_proba([cohort.record(int(row))]))
            for row in candidates
        ]
    )
    true = pick_classes(called & (states[candidates] == 1), arguments.records)
    if len(true) < arguments.records:
        print(f"{classifier.run_id}: {len(true)} true positives of {arguments.records}")
    cases = [Case(TRUE, 0, classifier, int(candidates[i]), classifier.classes[k]) for i, k in true]
    for i, _ in true:
        absent = np.flatnonzero(states[candidates[i]] == 0)
        code = classifier.classes[int(rng.choice(absent))]
        cases.append(Case(ABSENT, 0, classifier, int(candidates[i]), code))
    false = pick_classes(called & (states[candidates] == 0), arguments.records // 4)
    cases += [
        Case(FALSE_CALL, 0, classifier, int(candidates[i]), classifier.classes[k]) for i, k in false
    ]
    return cases + controls(classifier, [case for case in cases if case.kind == TRUE], rng)


def controls(classifier: Classifier, true: list[Case], rng: np.random.Generator) -> list[Case]:
    """Return the cases of shuffled and untrained networks, each on other true positives."""
    cases = []
    for seed in range(100, 100 + COPIES):
        torch.manual_seed(seed)
        untrained = create_model(
            classifier.run.meta["model"],
            len(classifier.classes),
            **classifier.run.config.model_options,
        )
        for kind, model in (
            (SHUFFLED, shuffle_weights(classifier.model, seed)),
            (UNTRAINED, untrained),
        ):
            control = replace(classifier, model=model.eval())
            chosen = rng.permutation(len(true))[:PER_COPY]
            cases += [Case(kind, seed, control, true[i].row, true[i].code) for i in chosen]
    return cases


def held_out(classifier: Classifier, cohort: Cohort, folds: list[int]) -> np.ndarray:
    """Return the cohort's rows of some folds whose patients the network was not trained on."""
    lineage = read_lineage(classifier.run)
    if lineage is None:
        raise RequestError(
            f"What {classifier.run_id} was trained on is not known, so no record is held out."
        )
    index, learnt = cohort.index, lineage.records
    seen = index["signal_hash"].isin(learnt["signal_hash"])
    seen |= index["record"].isin(learnt["record"]) & index["source"].isin(learnt["source"])
    rows = np.flatnonzero(index["fold"].isin(folds) & ~seen)
    if not len(rows):
        raise RequestError(
            f"{classifier.run_id} was trained on every record of these folds. Name another cohort "
            f"or fold, or a network trained without them: {classifier.run_id}=RUN."
        )
    return rows


def draw(
    rows: np.ndarray, states: np.ndarray, records: int, rng: np.random.Generator
) -> np.ndarray:
    """Return rows such that each class occurs, twice as many as are asked for."""
    rows = rng.permutation(rows)
    per_class = min(HIDDEN, max(2, 2 * records // states.shape[1]))
    chosen = [rows[states[rows, k] == 1][:per_class] for k in range(states.shape[1])]
    return np.unique(np.concatenate(chosen))


def pick_classes(allowed: np.ndarray, at_most: int) -> list[tuple[int, int]]:
    """Return a class of each row, the one that was chosen least, for at most so many rows."""
    chosen = np.zeros(allowed.shape[1], int)
    picked = {}
    while len(picked) < at_most:
        free = [
            (chosen[k], k, i) for i, k in zip(*np.nonzero(allowed), strict=True) if i not in picked
        ]
        if not free:
            break
        _, k, i = min(free)
        picked[int(i)] = int(k)
        chosen[k] += 1
    return list(picked.items())


# --- judging ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fitted:
    """Limits of a network and method: of the response, also by class, and of likenesses."""

    response: float
    by_class: dict[str, float]
    likenesses: dict[str, float]

    def of(self, code: str) -> dict[str, float]:
        """Return the limits of a class by check."""
        return {"response": self.by_class.get(code, self.response)} | self.likenesses


def fit(rows: pd.DataFrame) -> Fitted:
    """Return the limits from a method's true positives.

    A likeness's is what all but FALSE_ALARMS of them stay below. A class's response must reach
    OF_MEDIAN of their median, where there are MIN_TRUE of the class; otherwise what all but
    FALSE_ALARMS of all classes reach.
    """
    true = rows[rows["kind"] == TRUE]
    by_class = true.groupby("class")["response"].agg(["median", "size"])
    medians = by_class["median"][by_class["size"] >= MIN_TRUE]
    likenesses = {
        name: float(
            np.clip(true[column(name)].quantile(1 - FALSE_ALARMS), FLOOR, CAPS[name]).round(2)
        )
        for name in MAPS
        if true[column(name)].notna().any()
    }
    return Fitted(
        round(float(true["response"].quantile(FALSE_ALARMS)), 2),
        {str(code): round(OF_MEDIAN * median, 2) for code, median in medians.items()},
        likenesses,
    )


def passes(rows: pd.DataFrame, limits: Fitted) -> np.ndarray:
    """Return which maps pass, (N,) bool; maps not computed fail by their response."""
    result = []
    for row in rows.to_dict("records"):
        values = {"response": row["response"]} | {name: row[column(name)] for name in MAPS}
        known = {name: float(value) for name, value in values.items() if not pd.isna(value)}
        checks = judge(known, TrustLimits(limits.of(row["class"])))
        result.append(
            bool(row["called"]) and not row["no_map"] and verdict(checks)["verdict"] == PASSES
        )
    return np.array(result, bool)


def cross_fitted(rows: pd.DataFrame) -> np.ndarray:
    """Return which maps pass by limits from the other half of the records."""
    half = rows["record"].map(lambda name: crc32(name.encode()) % 2).to_numpy()
    result = np.zeros(len(rows), bool)
    for part in (0, 1):
        result[half == part] = passes(rows[half == part], fit(rows[half != part]))
    return result


def write_limits(name: str, rows: pd.DataFrame) -> None:
    """Write a shipped network's limits beside its weights, unless its rows are of other weights."""
    weights, of_itself = load_model(name).run.weights_hash, rows["measured"].iloc[0] == name
    if of_itself and rows["weights"].iloc[0] != weights:
        return
    of_answers = fit(rows.drop_duplicates(["record", "class", "kind", "seed"]))
    methods = {
        method: {"records": int((of["kind"] == TRUE).sum()), "limits": fit(of).likenesses}
        for method, of in rows.groupby("method", sort=False)
        if (of["kind"] == TRUE).sum() >= MIN_RECORDS
    }
    write_json(
        SHIPPED / name / FILE,
        {
            "weights": weights,
            "records_from": rows["records_from"].iloc[0],
            "response": of_answers.response,
            "response_by_class": of_answers.by_class,
            "methods": methods,
        },
    )


# --- page ------------------------------------------------------------------------------------

HEAD = """# How often maps are trusted

Made by `benchmarks/trust.py`; all rows are in `docs/trust.csv`. `ecgcore explain --trust` and the
page Saliency check a map before anybody relies on it:

| check | statistic | general limit |
|---|---|---|
{checks}

**An absent class has no verdict.** Where the network judges the class absent, nothing speaks for
it, and no map is called trustworthy. The *response* is signed, and its references are {references}
of the shipped ECGs without the class, not an empty drawing. Deletion and insertion are no longer
checks: a map of a shuffled network describes that network faithfully, so that nearly all of them
passed.

Limits hold for a network's weights (`checkpoints/NAME/trust.json`): a likeness may not exceed that
of {likely:.0%} of the method's true positives (between {floor} and {caps}); the response must reach
{of_median} of the median of the class's true positives, or, where there are fewer than {min_true},
what all but {alarms:.0%} of the network's true positives reach. Other networks have the general
limits, which is said.

Below, limits are cross-fitted: those of one half of the records judge the other half.

"""
LEGEND = """
*True positives*: classes stated in a held-out record that the network calls. *Absent*: a class at
random that the record lacks. *False calls*: classes called that the record lacks; such a map may
rightly show what the network was misled by, so that passing is no fault of the check. *Shuffled*,
*untrained*: {copies} networks each, on true positives of the network itself. *By response alone*:
maps of absent classes whose response reaches the limit, called or not. *No map*: true positives
for which the method finds no positive evidence; that is said in place of a verdict, and they are
not among those that could pass. Guided Grad-CAM never passes.

## Limits

"""


def page(rows: pd.DataFrame) -> str:
    """Return the page of all rows."""
    checks = "\n".join(
        f"| {c.check} | {c.statistic} | {c.relation} {c.threshold:g} |"
        for c in load_checks().values()
    )
    head = HEAD.format(
        checks=checks,
        references=len(References.of_examples(load_model(NETWORKS[0]).classes).answered),
        likely=1 - FALSE_ALARMS,
        alarms=FALSE_ALARMS,
        of_median=OF_MEDIAN,
        min_true=MIN_TRUE,
        floor=FLOOR,
        caps=" or ".join(f"{cap:g}" for cap in sorted(set(CAPS.values()))),
    )
    return head + rates(rows) + LEGEND.format(copies=COPIES) + limits(rows) + sources(rows)


def rates(rows: pd.DataFrame) -> str:
    """Return the table of the shares that pass."""
    kinds = (TRUE, ABSENT, FALSE_CALL, SHUFFLED, UNTRAINED)
    titles = ("true positives", "absent", "false calls", "shuffled", "untrained")
    text = f"| network | method | {' | '.join(titles)} | absent, by response alone | no map |\n"
    text += "|---|---|" + "--:|" * (len(kinds) + 2) + "\n"
    for (network, method), of in rows.groupby(["network", "method"], sort=False):
        kind, no_map = of["kind"].to_numpy(), of["no_map"].to_numpy(bool)
        passed = cross_fitted(of)
        cells = [
            share(passed[(kind == name) & ~(no_map & np.isin(kind, (TRUE, FALSE_CALL)))])
            for name in kinds
        ]
        limit = of["class"].map(fit(of).by_class).fillna(fit(of).response)
        cells.append(share((of["response"] >= limit).to_numpy()[kind == ABSENT]))
        cells.append(f"{(no_map & (kind == TRUE)).sum()} of {(kind == TRUE).sum()}")
        text += f"| {network} | {method} | {' | '.join(cells)} |\n"
    return text


def share(passed: np.ndarray) -> str:
    """Return a share as passed of all."""
    n = len(passed)
    return f"{passed.mean():.2f} ({passed.sum()} of {n})" if n else "–"


def limits(rows: pd.DataFrame) -> str:
    """Return the table of the limits, with the true positives' median in brackets."""
    text = f"| network | method | response | {' | '.join(MAPS)} |\n"
    text += "|---|---|" + "--:|" * (1 + len(MAPS)) + "\n"
    for (network, method), of in rows.groupby(["network", "method"], sort=False):
        fitted, true = fit(of), of[of["kind"] == TRUE]
        responses = [fitted.response, *fitted.by_class.values()]
        cells = [f"≥ {min(responses):.1f} to {max(responses):.1f}"]
        cells[0] += f" ({true['response'].median():.1f})"
        for name in MAPS:
            limit, median = fitted.likenesses.get(name), true[column(name)].median()
            cells.append("–" if limit is None else f"≤ {limit:.2f} ({median:.2f})")
        text += f"| {network} | {method} | {' | '.join(cells)} |\n"
    return text + "\nThe response's is by class. In brackets: the true positives' median.\n"


def sources(rows: pd.DataFrame) -> str:
    """Return where the records are from, and which weights were measured."""
    text = "\n## Records\n\n"
    for network, of in rows.groupby("network", sort=False):
        first = of.iloc[0]
        n = of[of["kind"] == TRUE]["record"].nunique()
        measured = "" if first["measured"] == network else f", measured on `{first['measured']}`"
        text += f"* `{network}`, weights {first['weights'][:8]}{measured}: {n} records of "
        text += f"{first['records_from']}, none of which it was trained on.\n"
    return text


if __name__ == "__main__":
    main()
