"""Training settings: described once; options, files, recipes, tables and checks follow from it."""

import json
import math
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ecgcore.cli.deprecated import OPTIONS
from ecgcore.cli.setting_options import GroupedCommand, with_settings
from ecgcore.errors import NotFound, RequestError
from ecgcore.labels.classes import TIERS
from ecgcore.runs.config import OLD_NAMES, ResolvedConfig, TrainConfig, train_settings
from ecgcore.runs.recipes import RECIPES, make_config, read_toml, recipe_settings, to_toml
from ecgcore.runs.run import shipped_models
from ecgcore.runs.settings import GROUPS, OPTIMISATION, setting, settings_markdown, settings_of

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Wider(TrainConfig):
    """Configuration with one setting more."""

    momentum: float | None = setting(
        None,
        help="Invented for a test.",
        group=OPTIMISATION,
        low=0,
        high=1,
        default_text="by optimizer",
    )


def words_of(text):
    return " ".join(text.split())


def test_every_field_is_a_setting_with_a_sentence_a_group_and_a_range_or_choices():
    settings = train_settings()
    assert [one.name for one in settings] == [f.name for f in fields(TrainConfig)]
    for one in settings:
        assert one.help.endswith(".")
        assert one.group in GROUPS
        if one.kind in ("number", "whole number", "size"):
            assert math.isfinite(one.low)
            assert math.isfinite(one.high)
    by_name = {one.name: one for one in settings}
    assert by_name["label_tier"].choices == TIERS
    assert by_name["size"].kind == "size"
    assert by_name["size"].in_words((224, 448)) == "224×448 px"
    assert by_name["dropout"].in_words(None) == "by network"
    assert by_name["deterministic"].in_words(True) == "yes"


def test_a_resolved_configuration_has_the_same_settings():
    names = [one.name for one in settings_of(ResolvedConfig)]
    assert names == [one.name for one in train_settings()]


def test_a_setting_that_is_declared_becomes_an_option():
    app = typer.Typer(rich_markup_mode=None, add_completion=False)
    given = []

    @app.command(cls=GroupedCommand)
    @with_settings(settings_of(Wider))
    def train(again: bool = False, **settings):
        given.append(settings)

    text = words_of(CliRunner().invoke(app, ["--help"]).stdout)
    option = "--momentum <float> Invented for a test. [0 to 1; default: by optimizer]"
    assert option in text
    assert text.index("Optimisation:") < text.index(option) < text.index("Regularisation:")
    assert "--deterministic / --no-deterministic" in text
    CliRunner().invoke(app, ["--momentum", "0.5", "--no-deterministic"])
    assert given[0].keys() == {one.name for one in settings_of(Wider)}
    settings = {name: value for name, value in given[0].items() if value is not None}
    assert settings == {"momentum": 0.5, "deterministic": False}


def test_help_lists_every_setting_with_its_sentence_and_default(run):
    code, out, _ = run("train", "--help")
    assert code == 0
    text = words_of(out).replace("- ", "-")  # a long word is cut at its hyphens
    for one in train_settings():
        assert one.option in text
        assert words_of(one.help).replace("- ", "-") in text
        assert one.is_required or one.default_words in text


def test_the_table_in_the_documentation_is_made_from_the_settings():
    page = (REPOSITORY / "docs" / "training.md").read_text("utf-8")
    assert settings_markdown(train_settings()) in page


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 10**20}, f"epochs {10**20} is not accepted; 1 to 10,000 is."),
        ({"seed": -1}, "seed -1 is not accepted; 0 to 4,294,967,295 is."),
        ({"seed": 10**26}, f"seed {10**26} is not accepted; 0 to 4,294,967,295 is."),
        ({"learning_rate": math.nan}, "learning rate nan is not accepted; 1e-09 to 10 is."),
        ({"learning_rate": 0.0}, "learning rate 0.0 is not accepted; 1e-09 to 10 is."),
        ({"weight_decay": math.inf}, "weight decay inf is not accepted; 0 to 10 is."),
        ({"size": 100_000}, "size 100000 is not accepted; 67 to 4,096 px is."),
        ({"size": (224, 100_000)}, "size 224×100000 is not accepted; 67 to 4,096 px is."),
        ({"depth": 100_000}, "depth 100000 is not accepted; 4 to 256 blocks is."),
        ({"width": 10**8}, "width 100000000 is not accepted; 1 to 1,024 channels is."),
        ({"kernel": 100_001}, "kernel 100001 is not accepted; 1 to 255 samples is."),
        ({"grad_clip": 0.0}, "grad clip 0.0 is not accepted; 1e-06 to 1,000,000 is."),
        (
            {"level": "9" * 26},
            f"Level '{'9' * 26}' is neither 204, 440, all nor a number of records from 10 to "
            "10,000,000.",
        ),
        ({"epochs": "many"}, "epochs 'many' is no whole number; 1 to 10,000 is accepted."),
        ({"epochs": True}, "epochs True is no whole number; 1 to 10,000 is accepted."),
        ({"deterministic": "yes"}, "deterministic 'yes' is no flag; true or false is accepted."),
        ({"layout": 3}, "layout 3 is no text; stacked, clinical or panels is accepted."),
        ({"where": "site=2\nx"}, "where 'site=2\\nx' contains characters that cannot be printed."),
        ({"rhythm": "V9"}, "There is no lead 'V9'. Did you mean 'V6'?"),
    ],
)
def test_an_impossible_value_is_refused_in_one_line(change, message):
    with pytest.raises(RequestError) as refused:
        TrainConfig("examples", **change).resolve()
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--epochs", "1.5", "epochs '1.5' is no whole number; 1 to 10,000 is accepted."),
        ("--epochs", "9" * 5000, "epochs '999999999999999999999999999999999999999… is no whole "),
        ("--learning-rate", "fast", "learning rate 'fast' is no number; 1e-09 to 10 is accepted."),
        ("--grad-clip", "inf", "grad clip inf is not accepted; 1e-06 to 1,000,000 is."),
        ("--size", "100000x100000", "size 100000×100000 is not accepted; 67 to 4,096 px is."),
        ("--size", "9" * 5000, "size '999999999999999999999999999999999999999… is no size; "),
        ("--split", "fold:" + "9" * 5000, f"There is no way to split 'fold:{'9' * 75}…'."),
        ("--workers", "0", "Invalid value for '--workers': "),
        ("--workers", "many", "Invalid value for '--workers': "),
        ("--epoch", "3", "No such option: --epoch"),
    ],
)
def test_an_impossible_option_is_refused_in_one_line(run, tmp_path, option, value, message):
    home = tmp_path / "home"
    code, out, err = run("train", "--cohort", "none", option, value, "--home", home)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith(message)
    assert not home.exists()


@pytest.mark.parametrize(
    "words",
    [
        "classify FILE --start-s inf",
        "classify FILE --start-s nan",
        "classify FILE --start-s 1e300",
        "classify FILE --source-fs-hz nan",
        "classify FILE --workers 99999999999999999999",
        "plot FILE --to page.svg --duration-s inf",
        "plot FILE --to page.svg --duration-s nan",
        "plot FILE --to page.svg --gain-mm-mv inf",
        "convert --cohort c --to images --size 99999999x99999999",
        "calibrate alexnet_gap --alpha nan",
        "calibrate alexnet_gap --at 1e99",
        "ingest FOLDER --cohort c --duration-s inf",
        "ingest FOLDER --cohort c --store-fs-hz 99999999999999999999",
    ],
)
def test_no_number_of_a_command_is_without_limits(run, tmp_path, words):
    file = REPOSITORY / "tests" / "data" / "ptb-xl" / "records100" / "00000" / "00001_lr.hea"
    named = {"FILE": str(file), "FOLDER": str(file.parent), "page.svg": str(tmp_path / "page.svg")}
    code, out, err = run(*(named.get(word, word) for word in words.split()))
    assert (code, out, len(err.strip().splitlines())) == (2, "", 1), err


def test_a_setting_of_a_wider_configuration_is_checked_too():
    with pytest.raises(RequestError, match=r"momentum 2 is not accepted; 0 to 1 is\."):
        Wider("examples", momentum=2).resolve()


def test_options_come_before_the_file_and_the_file_before_the_recipe(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text('cohort = "mine"\nlevel = 440\nepochs = 3\nlearning_rate = 1\n')
    config = make_config({"epochs": 5, "model": "alexnet_gap", "seed": None}, file, "strong")
    strong = recipe_settings("strong", "alexnet_gap")
    assert strong["level"] == "all"
    assert config == TrainConfig(
        "mine",
        "alexnet_gap",
        **strong | {"level": "440", "epochs": 5, "learning_rate": 1.0},
    )
    assert make_config({"cohort": "mine"}) == TrainConfig("mine")
    assert make_config({"cohort": "c", "size": "96x192"}).size == (96, 192)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "There is no setting 'epoch'. Did you mean 'epochs'?"),
        ("[training]\nepochs = 3", "There is no setting 'training'."),
        ("epochs 3", "is no TOML: Expected '=' after a key in a key/value pair (at line 2, "),
        ('epochs = "3"', "epochs '3' is no whole number; 1 to 10,000 is accepted."),
        ("learning_rate = nan", "learning rate nan is not accepted; 1e-09 to 10 is."),
        ("size = [224]", "size (224,) is no size; 67 to 4,096 px is accepted."),
        ('size = "large"', "'large' is no size of an image"),
        (f"seed = {'9' * 5000}", "is no TOML: Exceeds the limit"),
        ("a = " + "[" * 5000, "is no TOML: "),
    ],
)
def test_a_settings_file_that_is_wrong_is_refused_in_one_line(run, tmp_path, text, message):
    file = tmp_path / "settings.toml"
    file.write_text(f'cohort = "examples"\n{text}\n')
    code, out, err = run("train", "--config", file, "--home", tmp_path / "home")
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_what_names_no_cohort_file_or_recipe_is_refused_in_one_line(run, tmp_path):
    home = ("--home", tmp_path / "home")
    assert run("train", "--epochs", 3, *home) == (
        2,
        "",
        'Name a cohort: --cohort NAME, or cohort = "NAME" in a settings file.\n',
    )
    code, _, err = run("train", "--config", tmp_path / "none.toml", *home)
    assert (code, len(err.splitlines())) == (2, 1)
    assert "none.toml cannot be read: No such file or directory." in err
    (tmp_path / "image.toml").write_bytes(b"\x89PNG\xff")
    code, _, err = run("train", "--config", tmp_path / "image.toml", *home)
    assert (code, len(err.splitlines())) == (2, 1)
    code, _, err = run("train", "--cohort", "examples", "--recipe", "strog", *home)
    assert code == 2
    assert (
        "There is no recipe 'strog'. Did you mean 'strong'? Available: paper, strong, steady."
        in err
    )


def test_recipes_are_listed_with_their_settings_for_a_network(run):
    code, out, _ = run("train", "--list-recipes", "--model", "resnet1d")
    assert code == 0
    assert [line.split(":")[0] for line in out.splitlines()[::2]] == list(RECIPES)
    assert "epochs 12, batch_size 64" in words_of(out)
    _, out, _ = run("train", "--list-recipes", "--json")
    answer = json.loads(out)
    assert answer["model"] == "alexnet_m_se"
    assert answer["recipes"]["paper"] == {}
    assert answer["recipes"]["strong"] == recipe_settings("strong", "alexnet_m_se")


def test_every_recipe_can_be_trained_with_every_network():
    from ecgcore.models import list_models

    for name in RECIPES:
        for model in list_models():
            config = TrainConfig("c", model, **recipe_settings(name, model))
            assert config.resolve().model == model


@pytest.mark.parametrize("network", ["alexnet_gap", "resnet1d_scaled"])
def test_the_recipe_steady_is_strong_but_for_what_steadies_answers(network):
    strong, steady = (recipe_settings(name, network) for name in ("strong", "steady"))
    differing = {name for name in steady if steady[name] != strong.get(name)}
    assert differing == {"augmentation", "highpass_hz"}
    assert TrainConfig("c", network, **steady).resolve().highpass_hz == 0.5


def test_the_shipped_networks_were_trained_by_their_recipe_or_by_strong():
    from ecgcore.studies import shipped

    for run in shipped_models():
        recipe = replace(shipped.recipe(run.id), cohort=run.config.cohort)
        strong = replace(recipe, **recipe_settings("strong", recipe.model))
        earlier = replace(strong, highpass_hz=0.0)
        expected = recipe if run.id == "resnet1d_scaled" else earlier
        assert run.config == expected.resolve()


def test_a_run_s_settings_train_again_as_they_are(run, tmp_path):
    for model in shipped_models():
        code, out, _ = run("runs", "show", model.id, "--config")
        assert code == 0
        file = tmp_path / f"{model.id}.toml"
        file.write_text(out)
        assert out.startswith(f"# Settings of run {model.id}\n\n# Data and labels\ncohort = ")
        assert make_config({}, file).resolve() == model.config
    code, _, err = run("runs", "show", model.id, "--config", "--json")
    assert (code, len(err.splitlines())) == (2, 1)


def test_any_configuration_comes_back_from_its_settings_file(tmp_path):
    config = TrainConfig(
        'a "cohort" of Zürich',
        "alexnet_gap",
        size=(96, 1000),
        learning_rate=1e-5,
        dropout=0.0,
        where="device!=CS-12",
        pretrained=r"C:\runs\a",
        deterministic=True,
        patience=3,
    )
    file = tmp_path / "settings.toml"
    file.write_text(to_toml(config, "Any"), encoding="utf-8")
    assert make_config({}, file) == config
    assert "label_source" in read_toml(file)
    assert "grad_clip" not in read_toml(file)


def test_stored_configurations_of_0_1_0_are_read_under_the_new_names():
    config = TrainConfig("c", "alexnet_gap", batch_size=8, where="site=2", grad_clip=1.0).resolve()
    new = {f.name: getattr(config, f.name) for f in fields(config)}
    old_of = {new_name: old for old, new_name in OLD_NAMES.items()}
    old = {old_of.get(name, name): value for name, value in new.items()}
    assert {"batch", "only", "optimiser", "tier", "policy"} <= old.keys()
    assert ResolvedConfig.from_json(old) == ResolvedConfig.from_json(new) == config
    with pytest.raises(RequestError, match="does not know the setting momentum"):
        ResolvedConfig.from_json(new | {"momentum": 0.9})


def test_old_spellings_of_the_options_answer_with_a_line_that_names_the_new(run, tmp_path):
    renamed = {f"--{old.replace('_', '-')}": new for old, new in OLD_NAMES.items()}
    options = {one.name: one.option for one in train_settings()}
    assert {old: options[new] for old, new in renamed.items()}.items() <= OPTIONS["train"].items()
    code, out, err = run("train", "--cohort", "c", "--batch", 1, "--home", tmp_path)
    assert (code, out) == (2, "")
    first, refusal = err.splitlines()
    assert first.startswith("`--batch` is now `--batch-size`; ")
    assert refusal == "batch size 1 is not accepted; 2 to 16,384 records is."


def test_an_unknown_recipe_or_network_is_refused():
    with pytest.raises(NotFound, match="There is no recipe 'none'"):
        recipe_settings("none", "alexnet")
    with pytest.raises(NotFound, match="There is no model 'alexnot'"):
        recipe_settings("strong", "alexnot")


def test_reports_and_cards_list_every_setting_in_words(small_pair, monkeypatch):
    from ecgcore.inference.model_card import model_card
    from ecgcore.report.facts import gather
    from ecgcore.runs import config

    monkeypatch.setattr(config, "TrainConfig", Wider)
    workspace, a, b = small_pair
    sides = gather(a, b, workspace).sides
    assert list(sides[0].settings) == [
        one.title for group in GROUPS for one in settings_of(Wider) if one.group == group
    ]
    assert sides[0].settings["Network"] == a.config.model
    assert sides[1].settings["Network"] == b.config.model
    assert sides[0].settings["Momentum"] == "by optimizer"
    assert sides[0].settings["Batch size"] == f"{a.config.batch_size} records"
    card = model_card(a, "name", "")
    for title, value in sides[0].settings.items():
        assert f"| {title} | {value} |" in card
