"""Colours of classes, models and signs; nothing else is coloured.

The classes have colour-blind-safe hues of Wong and ColorBrewer; the second class of a family is
dashed as well, so that nothing depends on colour alone.
"""

from zlib import crc32

from ecgcore.report.colours import MODEL_COLOURS

CLASS = {
    "NSR": "#6B7280",
    "STACH": "#0072B2",
    "SBRAD": "#56B4E9",
    "LBBB": "#D55E00",
    "RBBB": "#E69F00",
    "LVH": "#009E73",
    "RVH": "#66C2A5",
    "STEMI": "#B2182B",
    "STD": "#CC79A7",
    "ECT": "#5E3C99",
}
DASHED = frozenset({"SBRAD", "RBBB", "RVH", "STD"})
NEUTRAL = "#6B7280"

# Model A and B; the dark theme's are the same hues, lighter, for a contrast of 4.5 on its ground.
MODEL = {
    False: {"a": MODEL_COLOURS["A"], "b": MODEL_COLOURS["B"]},
    True: {"a": "#94A3B8", "b": "#2DB5A6"},
}
TEXT = {False: "#111827", True: "#E5E7EB"}
GROUND = {False: "#FFFFFF", True: "#14161A"}

COUNTS = (15, 118, 110)  # confusion: one hue, its opacity the share of the row
MORE, FEWER = (213, 94, 0), (0, 114, 178)  # differences: orange above, blue below, nothing at zero
CELL = "rgba(107,114,128,0.08)"
AMBER, DARK_RED = (245, 158, 11), (127, 29, 29)  # relevance, from weak to strong


def of_class(code: str) -> str:
    """Return the colour of a class; averages (micro, macro) are neutral.

    A class of another label set has the same one of these hues everywhere, by its code.
    """
    if code in CLASS or code in ("micro", "macro", "weighted"):
        return CLASS.get(code, NEUTRAL)
    return list(CLASS.values())[crc32(code.encode()) % len(CLASS)]


def dash(code: str) -> str:
    """Return the line style of a class."""
    return "dash" if code in DASHED else "solid"


def rgba(rgb: tuple[int, int, int], opacity: float) -> str:
    """Return a colour with an opacity from 0 to 1."""
    return f"rgba({rgb[0]},{rgb[1]},{rgb[2]},{opacity:.3f})"
