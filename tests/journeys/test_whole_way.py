"""Browser test of the whole workflow: import, browse, train, compare, classify, explain."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from ecgcore.records.read import read_record

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api").expect

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "ptb-xl"
BOTH = ("alexnet_gap", "alexnet_m_se_gap")
TRAINED_MS = 900_000  # two epochs take some seconds on two free cores
expect.set_options(timeout=180_000)


@pytest.fixture
def answer(run, server):
    """Return a function that runs a command on the server's workspace and returns its JSON."""

    def answer(*command: str) -> dict:
        code, out, err = run(*command, "--json", "--home", server[1])
        assert code == 0, err
        return json.loads(out.splitlines()[-1])

    return answer


def test_the_whole_workflow_from_import_to_saliency(open_tab, answer, tmp_path):
    tab = open_tab()
    read_the_examples(tab)
    browse_one_record(tab)
    a, b = train_both(tab, open_tab, answer)
    tab = open_tab("train")
    tab.get_by_role("link", name="Compare these two").click()
    compare_like_the_command(tab, answer, a, b)
    classify_like_the_command(tab, answer, (a, b), as_mat_pair(tmp_path))
    show_both_maps(tab)
    expect(tab.get_by_test_id("stException")).to_have_count(0)


def read_the_examples(tab) -> None:
    tab.get_by_role("button", name="Read the example ECGs").click()
    expect(tab.get_by_role("link", name="Train both")).to_be_visible()


def browse_one_record(tab) -> None:
    tab.get_by_role("link", name="Browse").click()
    expect(tab.get_by_text("160 of 160 records")).to_be_visible()
    tab.get_by_label("Record", exact=True).fill("00530_lr")
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("img", name="Twelve-lead ECG of record 00530_lr")).to_be_visible()
    expect(tab).to_have_url(re.compile("record=00530_lr"))
    tab.get_by_role("button", name="Next").click()
    expect(tab).not_to_have_url(re.compile("record=00530_lr"))


def train_both(tab, open_tab, answer) -> tuple[str, str]:
    """Train both networks for two epochs; the tab that started them is closed meanwhile."""
    tab.get_by_role("link", name="Train").click()
    networks = tab.get_by_test_id("stButtonGroup").filter(has_text="resnet1d")
    for name in ("alexnet", "alexnet_m_se", *BOTH):  # the first two are chosen already
        networks.get_by_role("button", name=name, exact=True).click()
    tab.get_by_text("All settings").click()
    for label, value in (("Image size, px", "96"), ("Epochs", "2")):
        tab.get_by_label(label, exact=True).fill(value)
        tab.keyboard.press("Tab")
    tab.get_by_role("button", name="Train both").click()
    expect(tab.get_by_text("Training now")).to_be_visible()
    tab.close()
    tab = open_tab("train")
    expect(tab.get_by_text("done · epoch 2 of 2")).to_have_count(2, timeout=TRAINED_MS)
    expect(tab.get_by_text("Last trained")).to_be_visible()
    runs = answer("runs", "list")["runs"]
    by_model = {r["model"]: r for r in runs if r["cohort"] == "examples"}
    tab.close()
    a, b = (by_model[name]["run"] for name in BOTH)
    return a, b


def compare_like_the_command(tab, answer, a: str, b: str) -> None:
    expect(tab).to_have_url(re.compile(f"a={a}"))
    comparison = answer("compare", a, b)
    row = tab.get_by_role("row", name=re.compile("Macro AUC"))
    expect(row).to_be_visible()
    cells = row.get_by_role("cell").all_inner_texts()
    sides = [comparison["evaluations"][side]["macro_auc"]["value"] for side in "ab"]
    change = comparison["differences"]["macro_auc"]
    assert cells[:3] == [text(v) for v in (*sides, change["value"])]
    assert cells[3] == f"{text(change['low'])} to {text(change['high'])}"
    tab.get_by_role("tab", name="Disagreements").click()
    heading = (
        f"Disagreements: {len(comparison['disagreements'])} of {comparison['n_common']} records"
    )
    expect(tab.get_by_text(heading)).to_be_visible()
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Download report").click()
    report = Path(download.value.path()).read_text("utf-8")
    assert a in report
    assert f"{comparison['n_common']:,} common records" in report


def classify_like_the_command(tab, answer, runs, pair: list[Path]) -> None:
    tab.get_by_role("link", name="Classify").click()
    tab.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(pair)
    bars = tab.locator(".barlayer .bartext, .barlayer text")
    expect(bars).to_have_count(20)
    answers = [answer("classify", str(pair[0]), "--run", run)["probabilities"] for run in runs]
    expected = [f"{p:.3f}" for by_class in answers for p in by_class.values()]
    assert sorted(bars.all_text_contents()) == sorted(expected)
    expect(tab.get_by_text("Behind the trace: Grad-CAM")).to_be_visible()


def show_both_maps(tab) -> None:
    tab.get_by_role("link", name="Look closer").click()
    maps = tab.get_by_role("img", name=re.compile("Image that alexnet(_m_se)?_gap read"))
    expect(maps).to_have_count(2)
    finding = re.compile("a cell of it spans|and all leads|No positive evidence")
    expect(tab.get_by_text(finding)).to_have_count(2)


def as_mat_pair(folder: Path) -> list[Path]:
    """Write an example as the PhysioNet challenges do: header and MATLAB v4 file, 1000 units/mV."""
    record = read_record(next(EXAMPLES.rglob("*.hea")))
    units = np.rint(record.signal_mv * 1000).astype(np.int16)
    savemat(folder / "visit.mat", {"val": units}, format="4")
    lines = [f"visit 12 {record.fs_hz:g} {units.shape[1]}"]
    leads = "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6".split()
    for lead, row in zip(leads, units, strict=True):
        checksum = np.int16(row.sum(dtype=np.int64) & 0xFFFF if row.size else 0).item()
        lines.append(f"visit.mat 16+24 1000/mV 16 0 {row[0]} {checksum} 0 {lead}")
    (folder / "visit.hea").write_text("\n".join(lines) + "\n")
    return [folder / "visit.hea", folder / "visit.mat"]


def text(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")
