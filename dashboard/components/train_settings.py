"""Train: the form of a training, with recipe, cohort, level and networks on top."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.components import controls, train_advanced
from dashboard.components.train_advanced import Form, Values, control_value, key_of
from dashboard.data import cached_runs
from ecgcore.runs import config
from ecgcore.runs.config import LARGEST_LEVEL, LEVELS, SMALLEST_LEVEL, TrainConfig
from ecgcore.runs.recipes import DEFAULT, RECIPES, recipe_settings

BOTH = ["alexnet", "alexnet_m_se"]
OWN, OWN_RECORDS = "own", 300
BASE = "train_base"
"""Session state: the settings of the recipe that the form holds."""


def show_form() -> list[TrainConfig]:
    """Show the form; return one training for each chosen network."""
    recipe = _choose_recipe()
    above, below = st.container(), st.container()
    with below:
        chosen = _choose_networks()
    base = recipe_values(recipe, (chosen or BOTH)[0])
    _fill_in(base)
    with above:
        values = _choose_records(base)
    with st.expander("All settings"):
        values |= train_advanced.show_form(Form(values["cohort"], chosen, base))
        st.button(
            "Back to the recipe's settings",
            icon=":material/undo:",
            key="train_reset",
            on_click=_reset,
            args=(base,),
        )
        _describe_difference(recipe, base, values)
    if (source := values["pretrained"]) is not None:
        chosen = [cached_runs.run(source).meta["model"]]
        below.caption(f"Network: {chosen[0]}, as in run {source}, with the same input.")
    return [_config_of(network, recipe, base, values) for network in chosen]


def recipe_values(recipe: str, network: str) -> Values:
    """Return setting → value of a recipe for a network, defaults included.

    The form shows those of the first chosen network; the others follow their own.
    """
    defaults = {one.name: one.default for one in config.train_settings()}
    return defaults | recipe_settings(recipe, network)


def _choose_recipe() -> str:
    """Show a list of the recipes; return the chosen one."""
    names = list(RECIPES)
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    with left:
        recipe = st.selectbox(
            "Recipe",
            names,
            index=names.index(DEFAULT),
            key=key_of("recipe"),
            bind=state.URL,
            help="A named set of settings. It fills in the form; all of it can be changed below.",
        )
    right.caption(RECIPES[recipe].title)
    return recipe


def _fill_in(base: Values) -> None:
    """Set controls that hold the former recipe's values to this one's; keep changed ones."""
    former = st.session_state.get(BASE, base)
    for name, value in base.items():
        key = key_of(name)
        if former.get(name) != value and st.session_state.get(key) == former.get(name):
            st.session_state[key] = value
    st.session_state[BASE] = base


def _reset(base: Mapping[str, Any]) -> None:
    """Reset every setting to the recipe; keep the cohort."""
    initial = {one.name: control_value(one, base[one.name]) for one in config.train_settings()}
    initial = {**initial, "records": OWN_RECORDS, "networks": BOTH}
    for name, value in initial.items():
        if key_of(name) in st.session_state:
            st.session_state[key_of(name)] = value


def _choose_records(base: Mapping[str, Any]) -> Values:
    """Show controls for cohort and level; return both."""
    left, middle, right = st.columns([2, 2, 1], vertical_alignment="bottom")
    with left:
        cohort = controls.choose_cohort()
    with middle:
        level = st.segmented_control(
            "Level, records",
            [*LEVELS, OWN],
            default=base["level"],
            required=True,
            key=key_of("level"),
            bind=state.URL,
            help="204 and 440 are the paper's: as many records of each class. own: another "
            "number. all: every record with a label, several classes a record.",
        )
    if level == OWN:
        with right:
            level = str(
                st.number_input(
                    "Records",
                    SMALLEST_LEVEL,
                    LARGEST_LEVEL,
                    OWN_RECORDS,
                    step=10,
                    key=key_of("records"),
                    bind=state.number_in_url(key_of("records")),
                )
            )
    return {"cohort": cohort, "level": level}


def _choose_networks() -> list[str]:
    """Show the networks; return the chosen ones."""
    names = [*BOTH, *(name for name in cached_runs.networks() if name not in BOTH)]
    return st.pills(
        "Networks",
        names,
        default=BOTH,
        selection_mode="multi",
        key=key_of("networks"),
        bind=state.URL,
        help="_gap: global average pooling instead of the two large dense layers, the paper's own "
        "remedy against overfitting; smaller and faster. _bn, _se: one of the two additions of "
        "M-SE. resnet1d reads signals instead of images.",
    )


def _describe_difference(recipe: str, base: Mapping[str, Any], values: Values) -> None:
    """Show which settings differ from the recipe."""
    alike = {"level": LEVELS[:2] if recipe == DEFAULT else [base["level"]]}
    free = ("cohort", "seed")
    differences = [
        name.replace("_", " ")
        for name, value in values.items()
        if name not in free and value not in alike.get(name, [base[name]])
    ]
    title = "the paper's protocol" if recipe == DEFAULT else f"the recipe {recipe}"
    if differences:
        st.caption(f"Not as in {title}: {', '.join(differences)}.")
    else:
        st.caption(f"This is {title}.")


def _config_of(network: str, recipe: str, base: Values, values: Values) -> TrainConfig:
    """Return the training of one network: its own recipe, with the visitor's changes."""
    changed = {name: value for name, value in values.items() if value != base[name]}
    settings = recipe_settings(recipe, network) | changed
    fitting = train_advanced.fitting(network, settings, values["pretrained"])
    return config.TrainConfig(model=network, **fitting)
