"""Downloads complete over any connection, and faulty files are refused by name."""

import json
import shutil
import sys
import time
from dataclasses import replace

import pytest
from publisher import Publisher, publishing, sums_of, zenodo_of

from ecgcore import cli
from ecgcore.download import download as download_module
from ecgcore.download.download import download, plan_download
from ecgcore.download.fetch import CHUNK, MAX_BROKEN, MAX_MISMATCHES
from ecgcore.download.sources import sources
from ecgcore.errors import EcgError, NotFound, RequestError

FILES = {
    "LICENSE.txt": b"CC BY 4.0",
    "RECORDS": b"data/1\ndata/2\n",
    "data/1.hea": b"1 12 500 5000",
    "data/1.dat": bytes(range(256)) * 4000,
    "data/2 b.dat": bytes(reversed(range(256))) * 700,
    "empty.txt": b"",
}
BIG = "data/1.dat"


@pytest.fixture
def publisher():
    """Yield a running server of FILES and their checksums."""
    with publishing(Publisher(served())) as serving:
        yield serving


def served(files=FILES):
    """Return the content of the server: the files by quoted path, and their checksums."""
    return {path.replace(" ", "%20"): body for path, body in files.items()} | {
        "SHA256SUMS.txt": sums_of(files)
    }


def download_from(publisher, to, **options):
    """Download from the publisher without pauses between attempts."""
    return download(
        plan_download("ludb", to, publisher.url), **{"parallel": 3, "pause_s": 0.0, **options}
    )


def contents(folder):
    """Return the content by path of all files in a folder, including hidden ones."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def as_published(files=FILES):
    """Return the contents of a finished download."""
    return dict(files) | {"SHA256SUMS.txt": sums_of(files)}


def test_a_data_set_is_downloaded_in_its_published_layout_and_nothing_else(publisher, tmp_path):
    answer = download_from(publisher, tmp_path)
    assert contents(tmp_path) == as_published()
    assert answer["bytes"] == sum(map(len, FILES.values()))
    assert {key: answer[key] for key in ("dataset", "files", "fetched", "already_there")} == {
        "dataset": "ludb",
        "files": 6,
        "fetched": 6,
        "already_there": 0,
    }


def test_a_second_time_nothing_is_download_from(publisher, tmp_path):
    download_from(publisher, tmp_path)
    publisher.requests.clear()
    answer = download_from(publisher, tmp_path)
    assert publisher.requests == [("SHA256SUMS.txt", None)]
    assert (answer["fetched"], answer["already_there"], answer["bytes"]) == (0, 6, 0)


def test_a_dropped_connection_is_resumed_where_it_broke(publisher, tmp_path):
    publisher.drops[BIG] = 3
    answer = download_from(publisher, tmp_path)
    assert contents(tmp_path) == as_published()
    n = len(FILES[BIG])
    first, *later = [requested for path, requested in publisher.requests if path == BIG]
    starts = [int(requested.removeprefix("bytes=").rstrip("-")) for requested in later]
    assert first is None
    assert starts == sorted(starts)
    assert starts[0] > n // 2 - CHUNK
    assert starts[2] > n * 7 // 8 - 3 * CHUNK
    assert answer["bytes"] == sum(map(len, FILES.values()))


def test_a_server_that_ignores_range_sends_all_again(publisher, tmp_path):
    publisher.supports_range = False
    publisher.drops[BIG] = 2
    download_from(publisher, tmp_path)
    assert contents(tmp_path) == as_published()
    assert len([path for path, _ in publisher.requests if path == BIG]) == 3


def test_a_later_download_resumes_a_killed_one(publisher, tmp_path):
    part = tmp_path / "data" / ".1.dat.part"
    part.parent.mkdir()
    part.write_bytes(FILES[BIG][:100_000])
    answer = download_from(publisher, tmp_path)
    assert contents(tmp_path) == as_published()
    assert (BIG, "bytes=100000-") in publisher.requests
    assert answer["bytes"] == sum(map(len, FILES.values())) - 100_000


@pytest.mark.parametrize(
    "left", [b"rubbish" * 1000, FILES[BIG], FILES[BIG] + b"too much", FILES[BIG][:-1] + b"x"]
)
def test_the_file_is_right_whatever_an_earlier_download_left(publisher, tmp_path, left):
    part = tmp_path / "data" / ".1.dat.part"
    part.parent.mkdir()
    part.write_bytes(left)
    download_from(publisher, tmp_path)
    assert contents(tmp_path) == as_published()


def test_an_altered_file_is_fetched_anew(publisher, tmp_path):
    download_from(publisher, tmp_path)
    (tmp_path / "RECORDS").write_bytes(b"data/1\n")
    assert download_from(publisher, tmp_path)["fetched"] == 1
    assert contents(tmp_path) == as_published()


def test_wrong_bytes_are_fetched_again(publisher, tmp_path):
    publisher.wrong[BIG] = MAX_MISMATCHES - 1
    download_from(publisher, tmp_path)
    assert contents(tmp_path) == as_published()


def test_a_file_that_stays_wrong_is_refused_by_name_and_the_others_are_fetched(publisher, tmp_path):
    publisher.wrong[BIG] = 1000
    with pytest.raises(EcgError) as refused:
        download_from(publisher, tmp_path)
    assert str(refused.value) == (
        "data/1.dat: its bytes are not those published (SHA256 differs, 3 times). Try again "
        "later, or use another address with --base-url."
    )
    assert contents(tmp_path) == {k: v for k, v in as_published().items() if k != BIG}


def test_several_refused_files_are_counted(publisher, tmp_path):
    publisher.wrong |= {BIG: 1000, "RECORDS": 1000}
    with pytest.raises(EcgError, match=r"2 of 6 files are still missing\.$"):
        download_from(publisher, tmp_path)


def test_a_busy_server_is_retried(publisher, tmp_path):
    publisher.busy |= {"RECORDS": 3, BIG: 1}
    download_from(publisher, tmp_path)
    assert contents(tmp_path) == as_published()


def test_a_listed_file_that_is_missing_is_named_with_its_status(publisher, tmp_path):
    del publisher.files["RECORDS"]
    with pytest.raises(EcgError, match=r"^RECORDS: the server answered 404 for http://127"):
        download_from(publisher, tmp_path)


def test_without_a_connection_it_gives_up_with_the_next_step(publisher, tmp_path, monkeypatch):
    plan = plan_download("ludb", tmp_path, publisher.url)
    unreachable = [file._replace(url="http://127.0.0.1:9/x") for file in plan.files] * 20
    monkeypatch.setattr("ecgcore.download.fetch.TIMEOUT_S", (1, 1))
    with pytest.raises(EcgError) as refused:
        download(replace(plan, files=unreachable, missing=unreachable), pause_s=0.0)
    message = str(refused.value)
    assert f"(ConnectionError, {MAX_BROKEN} times)" in message
    assert "Run the same command again to resume it." in message
    assert "of 120 files are still missing" in message


def test_a_list_that_cannot_be_fetched_is_one_line(publisher, tmp_path):
    with pytest.raises(EcgError, match=r"^The list of files of ludb cannot be fetched from .*404"):
        plan_download("ludb", tmp_path, publisher.url + "nowhere")
    with pytest.raises(
        EcgError, match=r"^The list of files of ludb cannot be fetched from .*Connec"
    ):
        plan_download("ludb", tmp_path, "http://127.0.0.1:9")


def test_a_page_instead_of_a_list_is_refused(publisher, tmp_path):
    for name, file in (("ludb", "SHA256SUMS.txt"), ("code-15", "record")):
        publisher.files[file] = b"<html>Please sign in</html>"
        with pytest.raises(EcgError, match="names no file with a checksum"):
            plan_download(name, tmp_path, publisher.url + ("record" if name == "code-15" else ""))


@pytest.mark.parametrize("path", ["../evil", "/etc/evil", "a/../../evil", "C:/evil", "a\\..\\evil"])
def test_a_list_that_leads_out_of_the_folder_is_refused(publisher, tmp_path, path):
    publisher.files["SHA256SUMS.txt"] = sums_of(FILES | {path: b"evil"})
    with pytest.raises(EcgError, match="lies outside the data set's folder; nothing was download"):
        download_from(publisher, tmp_path / "in")
    assert contents(tmp_path) == {}


def test_a_full_disk_is_refused_before_anything_comes(publisher, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(download_module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(EcgError) as refused:
        plan_download("ptb-xl", tmp_path / "ptb-xl", publisher.url)
    assert str(refused.value) == (
        f"PTB-XL needs 0.00 GB more in {tmp_path / 'ptb-xl'} and 0.00 GB are free; make room or "
        "choose another folder with --to. Nothing was downloaded."
    )
    assert publisher.requests == [("SHA256SUMS.txt", None)]


def test_the_space_needed_follows_from_the_published_sizes(publisher, tmp_path):
    each = sources()["ptb-xl"].bytes / sources()["ptb-xl"].files
    needed = plan_download("ptb-xl", tmp_path, publisher.url).needed_bytes
    assert needed == pytest.approx(6 * each * 1.02, rel=0.01)


def test_zenodo_publishes_sizes_and_md5_sums(tmp_path):
    files = {"exams_part0.zip": b"z" * 100_000, "exams.csv": b"exam_id,age\n"}
    paths = {f"api/files/{name}/content": body for name, body in files.items()}
    with publishing(Publisher(paths | {"api": zenodo_of(files)})) as publisher:
        plan = plan_download("code-15", tmp_path, publisher.url + "api")
        assert plan.needed_bytes == int(100_012 * 1.02)
        publisher.wrong["api/files/exams.csv/content"] = 1
        assert download(plan, pause_s=0.0)["fetched"] == 2
    assert contents(tmp_path) == files


def test_an_unknown_data_set_or_address_is_refused(tmp_path):
    with pytest.raises(NotFound, match="Did you mean 'ptb-xl'"):
        plan_download("ptbxl", tmp_path)
    with pytest.raises(RequestError, match="begins with http:// or https://"):
        plan_download("ludb", tmp_path, "ftp://somewhere")


def test_two_downloads_do_not_write_one_folder(publisher, tmp_path):
    plan = plan_download("ludb", tmp_path, publisher.url)
    with (
        download_module._exclusive(tmp_path),
        pytest.raises(EcgError, match="Another download writes to"),
    ):
        download(plan)


def test_files_are_fetched_in_parallel(publisher, tmp_path):
    waiting = []
    publisher.lock = SlowLock(publisher.lock, waiting)
    download_from(publisher, tmp_path, parallel=6)
    assert max(waiting) > 1


class SlowLock:
    """A lock that is acquired after a delay and records how many wait for it at once."""

    def __init__(self, lock, counts):
        self.lock, self.counts, self.waiting = lock, counts, 0

    def __enter__(self):
        self.waiting += 1
        self.counts.append(self.waiting)
        time.sleep(0.05)
        self.waiting -= 1
        return self.lock.__enter__()

    def __exit__(self, *why):
        return self.lock.__exit__(*why)


def test_the_command_prints_the_space_first_and_the_next_step(
    publisher, tmp_path, monkeypatch, capsys
):
    words = ["ecgcore", "download", "ludb", "--to", str(tmp_path), "--base-url", publisher.url]
    monkeypatch.setattr(sys, "argv", words)
    _run()
    captured = capsys.readouterr()
    assert "6 of 6 files to fetch, about" in captured.err
    assert "are free." in captured.err
    assert f"Next: ecgcore ingest {tmp_path} --cohort ludb" in captured.out
    monkeypatch.setattr(sys, "argv", [*words, "--json"])
    _run()
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["already_there"] == 6


def _run():
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code


def test_every_source_states_its_address_licence_and_reference():
    assert set(sources()) == {"ptb-xl", "ecg-arrhythmia", "ludb", "code-15"}
    for source in sources().values():
        assert source.base_url.startswith("https://")
        assert source.base_url.endswith("/")
        assert source.licence
        assert source.doi
