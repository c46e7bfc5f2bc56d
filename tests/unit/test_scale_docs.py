"""What docs/scale.md tells people to copy: files that parse, commands that are accepted."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import typer
import yaml
from many_records import changed, write_records
from scale_speed import KEPT, SIZES, STEPS

from ecgcore import cli
from ecgcore.cohort.ingest import ingest
from ecgcore.cohort.store import Cohort
from ecgcore.workspace import Workspace

DOCS = Path(__file__).resolve().parents[2] / "docs"
MANIFEST = list(yaml.safe_load_all((DOCS / "ray_cluster.yaml").read_text()))
JOB = next(part for part in MANIFEST if part["kind"] == "RayJob")["spec"]


def commands() -> list[str]:
    """Return every command of ours in the page, the Slurm script and the manifest."""
    page = (DOCS / "scale.md").read_text()
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", page, re.DOTALL))
    told = "\n".join([blocks, (DOCS / "train.sbatch").read_text()]).replace("\\\n", " ")
    lines = [*told.splitlines(), JOB["entrypoint"]]
    return [match[1] for line in lines if (match := re.search(r"\becgcore ([a-z].*)", line))]


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_page_is_accepted_as_it_stands(command):
    words = shlex.split(command, comments=True)
    group = typer.main.get_command(cli.app)
    while hasattr(group, "commands") and words and words[0] in group.commands:
        group = group.commands[words.pop(0)]
    group.make_context("ecgcore", words)


def test_the_page_shows_each_way_to_run():
    page = (DOCS / "scale.md").read_text()
    for told in ("ray_cluster.yaml", "train.sbatch", "scale_speed.md", "cohorts push", "torchrun"):
        assert told in page


def test_all_machines_of_the_manifest_share_one_folder_that_holds_the_home():
    [claim] = [part for part in MANIFEST if part["kind"] == "PersistentVolumeClaim"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    cluster = JOB["rayClusterSpec"]
    pods = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for pod in (group["template"]["spec"] for group in pods):
        [volume] = pod["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        [container] = pod["containers"]
        [mount] = container["volumeMounts"]
        assert mount["name"] == volume["name"]
        workspace = {each["name"]: each["value"] for each in container["env"]}["ECGCORE_HOME"]
        assert workspace.startswith(f"{mount['mountPath']}/")
        assert JOB["entrypoint"].split()[2].startswith(mount["mountPath"])


def test_200_000_records_cost_no_more_each_than_20_000():
    kept = json.loads(KEPT.read_text())
    few, many = (kept[str(n)] for n in SIZES)
    for name in STEPS:
        assert many[name]["cpu_s"] / SIZES[1] <= 1.1 * few[name]["cpu_s"] / SIZES[0]
        assert many[name]["largest_mb"] < 2000


def test_records_made_from_real_ones_are_as_many_and_none_is_anothers_copy(examples_home, tmp_path):
    real = Cohort.open("examples", examples_home)
    write_records(real, 400, tmp_path / "in")
    answer = ingest(tmp_path / "in", "many", Workspace(tmp_path), measure=False)
    assert (answer.found, answer.read) == (400, 400)
    made = Cohort.open("many", Workspace(tmp_path))
    assert made.index["signal_hash"].nunique() == 400
    assert (made.states("core") == 1).sum(axis=0)[1:].min() > 0  # a normal one must be stated so
    leads_mv = made.signals([0])[0]
    assert np.abs(leads_mv[1] - leads_mv[0] - leads_mv[2]).max() < 0.01  # II − I = III, still
    assert changed(np.zeros((1000, 12)), 3).shape == (1000, 12)
