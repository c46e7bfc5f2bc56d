"""LUDB's diagnoses: the lines below ``<diagnoses>:`` in its headers (doi:10.13026/eegm-h675).

They are words, not codes; so that no other content of a header's comments is taken over, a line
counts only if all its words occur in LUDB's diagnoses.
"""

import re
from collections.abc import Iterable

from ecgcore.records.record import Statement

OTHER = "not in ludb's words"
"""Stands for a line with other words, whose text is dropped."""
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
    """Return the statements below ``<diagnoses>:`` in lower case.

    ``Rhythm:`` and the full stop are left out.
    """
    comments = list(comments)
    starts = [i for i, comment in enumerate(comments) if comment.startswith("<diagnoses>")]
    lines = comments[starts[0] + 1 :] if starts else []
    texts = (_known_text(line) for line in lines if line.strip())
    return tuple(Statement("ludb_text", text) for text in dict.fromkeys(texts))


def _known_text(line: str) -> str:
    text = line.strip().rstrip(".").lower().removeprefix("rhythm: ")
    is_ludb = _WORDS.issuperset(re.findall(r"[^\W\d_]+", text)) and not re.search(r"\d", text)
    return text if is_ludb else OTHER
