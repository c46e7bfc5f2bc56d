"""LUDB's diagnoses: the lines below ``<diagnoses>:`` in its headers (doi:10.13026/eegm-h675).

They are words, not codes; so that nothing else that stands in a header's comments is taken over, a
line counts only if all its words are LUDB's own.
"""

import re
from collections.abc import Iterable

from ecgcore.records.record import Statement

OTHER = "not in ludb's words"
"""Stands for a line that has other words: what it says is not kept, only that it is there."""
_WORDS = frozenset(
    "aberrant abnormalities allorhythmic and anterior antero apical arrhythmia atrial av axis "
    "bigemini bipolar biventricular block blockade bradycardia branch bundle cardiac complete "
    "conduction couplet degree delay deviation early electric extrasystole fibrillation flutter "
    "formation heart hemiblock horizontal hypertrophy i ii iii in incomplete inferior intercalary "
    "intravintricular intraventricular irregular ischemia ivs lateral left localisation low lv "
    "lvot lvs middle morphology nodal non normal nstemi of overload p pac pacemaker pacing part "
    "pattern polymorphic posterior presence pvc quadrigemini repolarisation repolarization rhythm "
    "right rvot sa scar septal single sinoatrial sinus specific stemi supp synchrony syndrome "
    "tachycardia the trigemini type typical undefined unipolar ventricular vertical wall".split()
)


def statements(comments: Iterable[str]) -> tuple[Statement, ...]:
    """Return what a header's comments state below ``<diagnoses>:``, in small letters.

    ``Rhythm:`` and the stop at the end are left out.
    """
    told = list(comments)
    starts = [i for i, comment in enumerate(told) if comment.startswith("<diagnoses>")]
    lines = told[starts[0] + 1 :] if starts else []
    said = (_plain(line) for line in lines if line.strip())
    return tuple(Statement("ludb_text", line) for line in dict.fromkeys(said))


def _plain(line: str) -> str:
    plain = line.strip().rstrip(".").lower().removeprefix("rhythm: ")
    is_ludb = _WORDS.issuperset(re.findall(r"[^\W\d_]+", plain)) and not re.search(r"\d", plain)
    return plain if is_ludb else OTHER
