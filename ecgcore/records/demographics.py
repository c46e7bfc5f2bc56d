"""Age and sex of a patient, from the spellings and codes that files use."""

import re
from datetime import date

OLDEST_YEARS = 130
PTB_XL_OVER_89 = 300.0
"""PTB-XL's code for an age over 89, from version 1.0.2 on."""
_SEXES = dict.fromkeys(("m", "male", "man"), "male") | dict.fromkeys(
    ("f", "female", "woman", "w"), "female"
)
_OLDEST_YOUNGER = 89
"""Sources that follow HIPAA (45 CFR 164.514) write any higher age as ``>89`` or ``90+``."""
_AGE = re.compile(
    r"(?P<over>(?:>=?|≥)\s*)?(?P<number>\d{1,3}(?:\.\d{1,20})?)\s*"
    r"(?P<plus>\+|(?:or|and) (?:older|over|above))?\s*"
    r"(?P<unit>y|yrs?|years?|yo|years? old|a|m|mos?|mths?|months?|w|wks?|weeks?|d|days?|h|hours?)?"
    r"\.?",
    re.I,
)
_YEARS_PER_UNIT = {
    "y": 1.0,
    "a": 1.0,
    "m": 1 / 12,
    "w": 7 / 365.25,
    "d": 1 / 365.25,
    "h": 1 / 8766,
}


def parse_sex(text: object) -> str | None:
    """Return ``female`` or ``male`` from ``F``, ``Female``, ``m`` …, None for anything else."""
    return _SEXES.get(str(text).strip().lower())


def parse_age_years(value: object, *, over_89: float | None = None) -> float | None:
    """Return an age in years, None where it is not a number or no person's age.

    Parameters
    ----------
    value
        A number, or a text that holds one, with a unit (``45 years``, ``6 months``, ``045Y``);
        ``>89``, ``89+`` and the like become 90, and no other bound is an age.
    over_89
        The source's code for an age over 89, which becomes 90.
    """
    match = _AGE.fullmatch(str(value).strip())
    if match is None:
        return None
    number = float(match["number"])
    if over_89 is not None and number == over_89:
        return 90.0
    age_years = age_in_years(number, match["unit"] or "y")
    if match["over"] or match["plus"]:
        return 90.0 if number >= _OLDEST_YOUNGER and age_years == number else None
    return age_years if age_years is not None and age_years <= OLDEST_YEARS else None


def age_in_years(value: float | None, unit: str = "y") -> float | None:
    """Return an age in years from a number of years, months, weeks, days or hours."""
    factor = _YEARS_PER_UNIT.get(unit.strip().lower()[:1] or "y")
    return None if value is None or factor is None else value * factor


def age_at_recording(birth: date | None, recording: date | None) -> float | None:
    """Return full years from birth to recording, None where a date is missing or out of order."""
    if birth is None or recording is None or recording < birth:
        return None
    had_no_birthday_yet = (recording.month, recording.day) < (birth.month, birth.day)
    return float(recording.year - birth.year - had_no_birthday_yet)


def date_of(year: float | None, month: float | None, day: float | None) -> date | None:
    """Return a date from its three numbers, None where they form none."""
    if year is None or month is None or day is None:
        return None
    try:
        return date(int(year), int(month), int(day))
    except (ValueError, OverflowError):
        return None
