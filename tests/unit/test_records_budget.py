"""A file that takes too much time or memory is refused in one line, and the next one is read."""

import threading

import h5py
import numpy as np
import pytest

from ecgcore.errors import RequestError, UnreadableRecord
from ecgcore.records import budget, reading_process
from ecgcore.records.budget import CONTAINER, RECORD, Limit, limit_container, limit_record
from ecgcore.records.read import read_record
from ecgcore.records.uploads import read_uploads


def write_hdf5(path, seed=0, n_samples=1000):
    """Write an HDF5 recording of noise that obeys Einthoven."""
    signal_mv = np.random.default_rng(seed).normal(size=(12, n_samples)).astype("f4")
    one, two = signal_mv[:2]
    signal_mv[2:6] = two - one, -(one + two) / 2, one - two / 2, two - one / 2
    with h5py.File(path, "w") as file:
        file["ecg"] = signal_mv
    return path, signal_mv


@pytest.fixture(scope="module")
def zeros(tmp_path_factory):
    """A small HDF5 file that unpacks to 34 MB, 67 MB in float64."""
    path = tmp_path_factory.mktemp("zeros") / "zeros_500hz.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("ecg", (12, 700_000), "<f4", chunks=(12, 5000), compression=1)
        file["ecg"][:] = 0
    return path


@pytest.fixture
def ready(tmp_path):
    """Start the reading process, so that its start does not count."""
    return read_record(write_hdf5(tmp_path / "first_500hz.h5")[0], source_fs_hz=500)


def refusal(path, **options) -> str:
    with pytest.raises(UnreadableRecord) as error:
        read_record(path, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_library_in_c_is_ended_when_a_file_is_over_its_budget(
    zeros, ready, tmp_path, monkeypatch
):
    monkeypatch.setenv(RECORD.variable, "0.1")
    message = refusal(zeros, source_fs_hz=500)
    assert message.startswith("zeros_500hz.h5 took more than 0.1 s of processor time")
    assert RECORD.variable in message
    monkeypatch.delenv(RECORD.variable)
    path, signal_mv = write_hdf5(tmp_path / "next_500hz.h5", 1)
    np.testing.assert_array_equal(read_record(path).signal_mv, signal_mv)


def test_a_file_that_needs_more_memory_than_allowed_is_refused(zeros, ready, monkeypatch):
    monkeypatch.setenv(budget.MEMORY_VARIABLE, "20")
    message = refusal(zeros, source_fs_hz=500)
    assert message.startswith("zeros_500hz.h5 needs more than 20 MB of memory")


def test_a_file_that_ends_the_reading_process_is_refused_and_the_next_is_read(
    ready, tmp_path, monkeypatch
):
    path, signal_mv = write_hdf5(tmp_path / "second_500hz.h5", 2)
    [child] = reading_process._idle
    child.end()
    child._process.wait()
    child._is_ended = False
    with monkeypatch.context() as patch:
        patch.setattr(reading_process._Child, "is_alive", lambda self: True)
        assert "ended the process that read it (exit code -9)" in refusal(path)
    np.testing.assert_array_equal(read_record(path).signal_mv, signal_mv)


def test_a_reader_in_python_is_ended_in_every_thread(monkeypatch):
    monkeypatch.setenv(RECORD.variable, "0.1")
    messages = []

    def read_endlessly():
        try:
            with limit_record("endless.csv"):
                while True:
                    sum(range(1000))
        except UnreadableRecord as error:
            messages.append(str(error))

    thread = threading.Thread(target=read_endlessly)
    thread.start()
    read_endlessly()
    thread.join()
    assert len(messages) == 2
    assert all(text.startswith("endless.csv took more than 0.1 s") for text in messages)


def test_an_error_of_the_reader_passes_a_limit_unchanged():
    with pytest.raises(KeyError), limit_record("any"):
        raise KeyError


def test_opening_a_container_does_not_count_against_the_record_inside():
    def work(seconds):
        with Limit(RECORD, "work") as limit:
            while limit.used_s < seconds:
                sum(range(100))

    with limit_record("record") as record:
        with limit_container("outer.zip") as outer:
            work(0.05)
            with limit_container("inner.zip") as inner:
                assert inner is outer
        assert record.left_s == pytest.approx(RECORD.seconds, abs=0.03)
        work(0.05)
        assert record.left_s < RECORD.seconds - 0.05


def test_readers_in_threads_never_mix_up_their_files(tmp_path):
    files = [write_hdf5(tmp_path / f"{seed}_500hz.h5", seed) for seed in range(3)]
    wrong = []

    def read(path, signal_mv):
        for _ in range(3):
            if not np.array_equal(read_record(path).signal_mv, signal_mv):
                wrong.append(path)

    threads = [threading.Thread(target=read, args=file) for file in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_upload_is_read_until_its_budget_is_spent(tmp_path, monkeypatch):
    files = {f"{n}_500hz.h5": write_hdf5(tmp_path / "x.h5", n)[0].read_bytes() for n in range(3)}
    assert len(read_uploads(files)) == 3
    monkeypatch.setattr(budget.Limit, "left_s", property(lambda self: 5.0 - self.elsewhere_s * 1e6))
    results = read_uploads(files)
    assert [type(result).__name__ for _, result in results] == ["Record", "UnreadableRecord"]
    assert "3 records were given; the first 1 are read here. The upload took" in str(results[1][1])


@pytest.mark.parametrize("text", ["0", "-1", "nan", "many", "1e9"])
def test_a_budget_that_is_no_sensible_number_is_refused(text, monkeypatch, tmp_path):
    monkeypatch.setenv(CONTAINER.variable, text)
    with pytest.raises(RequestError, match=r"a number from 0.1 to 1,000,000 is accepted"):
        limit_container("x.zip")
