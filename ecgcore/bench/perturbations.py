"""Changes of a recording that should not change its diagnosis, or that happen at the bedside.

Each takes a record and a generator of random numbers and returns the changed record. Their sizes
are those of daily practice: IEC 60601-2-25 permits 5 % of gain, breathing moves the baseline by
some tenths of a millivolt, and a tremor is of about 0.05 mV.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ecgcore.records.record import LEADS, Record

WANDER_MV, WANDER_HZ = 0.15, 0.3
MUSCLE_MV, MUSCLE_HZ = 0.05, (20.0, 150.0)
MAINS_MV, MAINS_HZ = 0.05, 50.0
SHIFTS_MS = (10, 20, 50, 100, 200, 500)
GAINS = (0.90, 0.95, 1.05, 1.10)

# Electrodes as (I, II) sees them, with RA as zero: RA, LA, LL.
_FROM_LIMB = np.array([[0, 0], [1, 0], [0, 1]])
_TO_LIMB = np.array(
    [[-1, 1, 0], [-1, 0, 1], [0, -1, 1], [1, -0.5, -0.5], [-0.5, 1, -0.5], [-0.5, -0.5, 1]]
)
_ELECTRODES = ("RA", "LA", "LL")

Change = Callable[[Record, np.random.Generator], Record]


@dataclass(frozen=True)
class Perturbation:
    """A change of recordings.

    Attributes
    ----------
    name
        As in tables, with its size and unit.
    group
        What kind of change it is.
    change
        The change.
    at_500_hz
        Whether only a recording at 500 Hz can show it.
    """

    name: str
    group: str
    change: Change
    at_500_hz: bool = False


def later_start(record: Record, _rng: np.random.Generator, ms: int) -> Record:
    """Start a recording later; its end is missing."""
    skipped = round(ms * record.fs_hz / 1000)
    return replace(record, signal_mv=record.signal_mv[:, skipped:])


def first_seconds(record: Record, _rng: np.random.Generator, seconds: float) -> Record:
    """Keep only the first seconds."""
    return replace(record, signal_mv=record.signal_mv[:, : round(seconds * record.fs_hz)])


def scaled(record: Record, _rng: np.random.Generator, factor: float) -> Record:
    """Scale all leads alike."""
    return replace(record, signal_mv=record.signal_mv * np.float32(factor))


def with_wave(record: Record, rng: np.random.Generator, mv: float, hz: float) -> Record:
    """Add a sine of that amplitude to each lead, each at a phase of its own."""
    times_s = np.arange(record.signal_mv.shape[1]) / record.fs_hz
    phase = rng.uniform(0, 2 * np.pi, (len(LEADS), 1))
    return _with_noise(record, mv * np.sin(2 * np.pi * hz * times_s + phase))


def with_muscle_noise(record: Record, rng: np.random.Generator, mv: float) -> Record:
    """Add noise of that root mean square to each lead, flat from 20 to 150 Hz."""
    samples = record.signal_mv.shape[1]
    frequencies_hz = np.fft.rfftfreq(samples, 1 / record.fs_hz)
    spectrum = np.fft.rfft(rng.standard_normal((len(LEADS), samples)))
    low_hz, high_hz = MUSCLE_HZ
    spectrum[:, (frequencies_hz < low_hz) | (frequencies_hz > high_hz)] = 0
    noise = np.fft.irfft(spectrum, samples)
    return _with_noise(record, mv * noise / noise.std(axis=1, keepdims=True))


def without_lead(record: Record, _rng: np.random.Generator, lead: str) -> Record:
    """Remove a lead."""
    signal_mv = record.signal_mv.copy()
    signal_mv[LEADS.index(lead)] = np.nan
    return replace(record, signal_mv=signal_mv)


def exchanged_limbs(record: Record, _rng: np.random.Generator, one: str, other: str) -> Record:
    """Exchange two limb electrodes; the chest leads stay, since their reference is the mean."""
    order = [{one: other, other: one}.get(name, name) for name in _ELECTRODES]
    swap = np.eye(3)[[_ELECTRODES.index(name) for name in order]]
    signal_mv = record.signal_mv.copy()
    signal_mv[:6] = (_TO_LIMB @ swap @ _FROM_LIMB) @ record.signal_mv[:2]
    return replace(record, signal_mv=signal_mv)


def exchanged_leads(record: Record, _rng: np.random.Generator, one: str, other: str) -> Record:
    """Exchange two chest electrodes, and with them their leads."""
    order = list(range(len(LEADS)))
    a, b = LEADS.index(one), LEADS.index(other)
    order[a], order[b] = b, a
    return replace(record, signal_mv=record.signal_mv[order])


def _with_noise(record: Record, noise_mv: np.ndarray) -> Record:
    return replace(record, signal_mv=record.signal_mv + noise_mv.astype(np.float32))


PERTURBATIONS = (
    *(
        Perturbation(f"starts {ms} ms later", "shift", partial(later_start, ms=ms))
        for ms in SHIFTS_MS
    ),
    *(Perturbation(f"gain × {g:.2f}", "gain", partial(scaled, factor=g)) for g in GAINS),
    Perturbation(
        f"baseline wander ± {WANDER_MV} mV at {WANDER_HZ} Hz",
        "noise",
        partial(with_wave, mv=WANDER_MV, hz=WANDER_HZ),
    ),
    Perturbation(f"muscle noise {MUSCLE_MV} mV", "noise", partial(with_muscle_noise, mv=MUSCLE_MV)),
    Perturbation(
        f"mains ± {MAINS_MV} mV at {MAINS_HZ:g} Hz",
        "noise",
        partial(with_wave, mv=MAINS_MV, hz=MAINS_HZ),
        at_500_hz=True,
    ),
    *(
        Perturbation(f"without {lead}", "missing", partial(without_lead, lead=lead))
        for lead in LEADS[6:]
    ),
    Perturbation("first 5 s", "missing", partial(first_seconds, seconds=5.0)),
    *(
        Perturbation(f"{a}–{b} exchanged", "exchange", partial(exchanged_limbs, one=a, other=b))
        for a, b in (("RA", "LA"), ("RA", "LL"), ("LA", "LL"))
    ),
    *(
        Perturbation(f"{a}–{b} exchanged", "exchange", partial(exchanged_leads, one=a, other=b))
        for a, b in (("V1", "V2"), ("V1", "V3"), ("V5", "V6"))
    ),
)
"""All changes, group by group; the rate, which needs a second file, is measured beside them."""
