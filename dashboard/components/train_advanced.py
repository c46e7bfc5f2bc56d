"""Train: the form of all settings, made from their descriptions, group by group."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.data import cached, cached_runs
from ecgcore.labels.label_set_file import set_names
from ecgcore.runs import config
from ecgcore.runs.config import IMAGE_SETTINGS
from ecgcore.runs.settings import FLAG, NUMBER, TEXT, Setting, by_group

COLUMNS = 4
SHAPE = ("depth", "width", "kernel")
RUNS = ("pretrained", "teacher")
SPLITS = ("patient", "folds")

Values = dict[str, Any]


@dataclass(frozen=True)
class Form:
    """Choices that the form's controls depend on.

    Attributes
    ----------
    cohort
        Name of the chosen cohort.
    networks
        Names of the chosen networks.
    defaults
        Setting → its value in the chosen recipe.
    """

    cohort: str
    networks: Sequence[str]
    defaults: Mapping[str, Any]

    def value(self, name: str) -> Any:
        """Return a control's value, its default where the control was not drawn yet."""
        return st.session_state.get(key_of(name), self.defaults[name])

    @property
    def reads_images(self) -> bool:
        """Tell whether any chosen network reads images."""
        return any(cached_runs.networks()[name].input == "image" for name in self.networks)


def key_of(name: str) -> str:
    """Return the key of a setting's control, which is its name in the URL."""
    return f"train_{name}"


def show_form(form: Form) -> Values:
    """Show a control for each advanced setting; return setting → value."""
    values: Values = {}
    for group, settings in by_group(config.train_settings()):
        advanced = [one for one in settings if one.is_advanced]
        if advanced:
            st.markdown(f"**{group}**")
        for i, one in enumerate(advanced):
            if i % COLUMNS == 0:
                columns = st.columns(COLUMNS, vertical_alignment="bottom")
            with columns[i % COLUMNS]:
                values[one.name] = _control(one, form)
    return values


def _control(one: Setting, form: Form) -> Any:
    """Show the control of one setting; return its value, the default where it has no effect."""
    is_off = one.name in _NO_EFFECT and _NO_EFFECT[one.name](form)
    options = _options(one, form)
    value: Any
    if options is not None:
        value = _choice(one, options, form.defaults[one.name], is_off)
    elif one.kind == FLAG:
        value = st.checkbox(one.title, form.defaults[one.name], disabled=is_off, **_common(one))
    elif one.kind == TEXT:
        value = st.text_input(
            one.title,
            control_value(one, form.defaults[one.name]),
            placeholder=one.default_text or None,
            disabled=is_off,
            **_common(one),
        )
        value = value or one.default
    else:
        value = _number(one, form.defaults[one.name], is_off)
    return one.default if is_off else value


def _common(one: Setting) -> dict[str, Any]:
    key = key_of(one.name)
    return {"key": key, "bind": state.number_in_url(key), "help": one.help}


def _choice(one: Setting, options: Sequence[str], default: str | None, is_off: bool) -> str | None:
    """Show a list of options; where None is a value, its meaning is the first option."""
    labels = [one.default_text, *options] if one.default is None else list(options)
    index = labels.index(control_value(one, default))
    chosen = st.selectbox(one.title, labels, index=index, disabled=is_off, **_common(one))
    return None if one.default is None and chosen == one.default_text else chosen


def _number(one: Setting, default: float | None, is_off: bool) -> float | None:
    """Show a field for a number within its range; empty where the default has another meaning."""
    as_type: Callable[[float], float] = float if one.kind == NUMBER else int
    limits = {"min_value": one.low, "max_value": one.high, "step": one.step, "value": default}
    numbers: dict[str, Any] = {
        name: None if x is None else as_type(x) for name, x in limits.items()
    }
    return st.number_input(
        f"{one.title}, {one.unit}" if one.unit else one.title,
        format="%g" if one.kind == NUMBER else None,
        placeholder=one.default_text or None,
        disabled=is_off,
        **numbers,
        **_common(one),
    )


def control_value(one: Setting, value: Any) -> Any:
    """Return what a setting's control holds for a value: None is a text where it is chosen."""
    if value is not None or one.kind != TEXT:
        return value
    return one.default_text if one.choices or one.name in RUNS else ""


def _options(one: Setting, form: Form) -> Sequence[str] | None:
    """Return the values to choose from, of the setting or of the workspace; None for any text."""
    if one.name == "split":
        return _splits(form.cohort)
    if one.name == "label_set":
        return set_names(cached.workspace().label_sets)
    return cached_runs.runs_with_weights() if one.name in RUNS else one.choices or None


def _splits(cohort: str) -> list[str]:
    """Return the ways to split a cohort: one of several sources may be left out to test."""
    sources = next(c.sources for c in cached.cohorts() if c.name == cohort)
    return [*SPLITS, *(f"source:{name}" for name in sources if len(sources) > 1)]


def _is_paper10(form: Form) -> bool:
    return form.value("label_set") == "paper10"


def _starts_fresh(form: Form) -> bool:
    (source,) = (one for one in config.train_settings() if one.name == "pretrained")
    return form.value("pretrained") in (None, source.default_text)


_NO_EFFECT: dict[str, Callable[[Form], bool]] = {
    "label_source": lambda form: not _is_paper10(form),
    "label_tier": lambda form: not _is_paper10(form),
    "thresholds": lambda form: not _is_paper10(form) or form.value("label_source") != "criteria",
    "rhythm": lambda form: not form.reads_images or form.value("layout") == "stacked",
    "backbone_lr_factor": _starts_fresh,
    **{name: lambda form: not form.reads_images for name in ("layout", "size")},
    **{name: lambda form: "resnet1d" not in form.networks for name in SHAPE},
}
"""Setting → whether it has no effect on what is chosen; its control is then disabled."""


def fitting(network: str, values: Mapping[str, Any], pretrained: str | None) -> Values:
    """Return the settings that a network has; a run that it starts from brings its own."""
    without: Collection[str] = () if network == "resnet1d" else SHAPE
    if pretrained is not None:
        own = cached_runs.run(pretrained).config.model_options
        without = {*SHAPE, *IMAGE_SETTINGS, "dropout"} - own.keys()
        values = {**values, **own}
    elif cached_runs.networks()[network].input == "signal":
        without = {*without, *IMAGE_SETTINGS}
    return {name: value for name, value in values.items() if name not in without}
