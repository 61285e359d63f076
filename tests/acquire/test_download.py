"""Downloads: whatever a server does, a file is whole and right, or there is a reason."""

import errno
import hashlib
import random
import signal
import socket
import ssl
import threading
import time
from types import SimpleNamespace

import pytest
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st

from asdkeras.acquire import download as module
from asdkeras.acquire.download import Download, download_all, read_json
from asdkeras.errors import DataError
from tests.acquire.http_server import Answer, Content, Server

BODY = random.Random(0).randbytes(1000)
OTHER = random.Random(1).randbytes(1000)
SIZE = len(BODY)
CUT = Answer(cut_after=400)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Short waits, and no proxies."""
    retries = module._RETRIES.new(total=2, backoff_factor=0, backoff_jitter=0)
    monkeypatch.setattr(module, "_RETRIES", retries)
    monkeypatch.setattr(module, "_LONGEST_WAIT_S", 0.01)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def _haste(monkeypatch):
    monkeypatch.setattr(module, "_TIMEOUTS_S", (10, 0.1))


@pytest.fixture
def server():
    with Server() as running:
        yield running


@pytest.fixture
def path(tmp_path):
    return tmp_path / "archives" / "fan.zip"


def part_of(path):
    return path.with_name(path.name + ".part")


def put_part(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    part_of(path).write_bytes(content)


def md5(body):
    return f"md5:{hashlib.md5(body).hexdigest()}"


def offer(server, path, *script, body=BODY, then=None, size=SIZE, name="/fan.zip"):
    """Let the server have a file; returns the wish for it."""
    server.contents[name] = Content(body, script, then)
    return Download(server.url(name), path, md5(BODY), size)


def bring(*downloads, jobs=1, **options):
    return download_all(downloads, jobs=jobs, **options)


def reason(*downloads, **options):
    (text,) = bring(*downloads, **options)
    assert "\n" not in text
    return text


def test_a_file_comes_into_place_and_leaves_no_part(server, path):
    assert bring(offer(server, path)) == []

    assert path.read_bytes() == BODY
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert server.ranges("/fan.zip") == [None]


def test_the_server_is_told_who_asks_and_that_the_file_is_wanted_as_it_is(server, path):
    bring(offer(server, path))

    headers = server.requests[0].headers
    assert headers["User-Agent"].startswith("asdkeras/")
    assert headers["Accept-Encoding"] == "identity"


def test_a_sha256_will_do_as_well(server, path):
    wish = offer(server, path)._replace(digest=f"sha256:{hashlib.sha256(BODY).hexdigest()}")

    assert bring(wish) == []
    assert path.read_bytes() == BODY


@pytest.mark.parametrize("size", [0, None])
def test_an_empty_file_is_a_file(server, path, size):
    wish = offer(server, path, body=b"", size=size)._replace(digest=md5(b""))

    assert bring(wish) == []
    assert path.read_bytes() == b""


@pytest.mark.parametrize("size", [SIZE, None])
@pytest.mark.parametrize("offset", [1, 2, 500, SIZE - 1])
def test_a_part_is_continued(server, path, offset, size):
    put_part(path, BODY[:offset])

    assert bring(offer(server, path, size=size)) == []
    assert path.read_bytes() == BODY
    assert server.ranges("/fan.zip") == [f"bytes={offset}-"]


def test_a_whole_part_needs_no_request(server, path):
    put_part(path, BODY)

    assert bring(offer(server, path)) == []
    assert path.read_bytes() == BODY
    assert server.requests == []


@pytest.mark.parametrize("headers", [{}, {"Content-Range": None}])
def test_a_whole_part_of_unknown_size_is_recognized(server, path, headers):
    put_part(path, BODY)

    assert bring(offer(server, path, Answer(headers=headers), size=None)) == []
    assert path.read_bytes() == BODY
    assert server.ranges("/fan.zip") == [f"bytes={SIZE}-"]


@pytest.mark.parametrize("part", [BODY + b"x", OTHER + b"x"])
@pytest.mark.parametrize("size", [SIZE, None])
def test_a_part_that_is_too_long_is_dropped(server, path, part, size):
    put_part(path, part)

    assert bring(offer(server, path, size=size)) == []
    assert path.read_bytes() == BODY
    assert server.ranges("/fan.zip") == [f"bytes={SIZE + 1}-", None]


@pytest.mark.parametrize("content", [OTHER[:500], OTHER])
def test_a_part_of_something_else_is_dropped(server, path, content):
    put_part(path, content)

    assert bring(offer(server, path)) == []
    assert path.read_bytes() == BODY
    assert server.ranges("/fan.zip")[-1] is None


def test_a_server_without_ranges_starts_again(server, path):
    put_part(path, OTHER[:500])

    assert bring(offer(server, path, then=Answer(ranges=False))) == []
    assert path.read_bytes() == BODY
    assert server.ranges("/fan.zip") == ["bytes=500-"]


@pytest.mark.parametrize("offset", [0, 1, 500, SIZE - 1])
@pytest.mark.parametrize("kind", ["cut_after", "reset_after"])
@pytest.mark.parametrize("size", [SIZE, None])
def test_a_connection_that_breaks_is_taken_up_where_it_broke(server, path, offset, kind, size):
    wish = offer(server, path, Answer(**{kind: offset}), size=size)

    assert bring(wish) == []
    assert path.read_bytes() == BODY
    if kind == "cut_after":  # What a reset takes with it is up to the network.
        assert server.ranges("/fan.zip") == [None, f"bytes={offset}-" if offset else None]


def test_a_body_of_untold_length_that_breaks_is_continued(server, path):
    wish = offer(server, path, Answer(chunked=True, cut_after=300), size=None)

    assert bring(wish) == []
    assert path.read_bytes() == BODY
    assert server.ranges("/fan.zip") == [None, "bytes=300-"]


def test_a_body_of_untold_length_is_fine(server, path):
    assert bring(offer(server, path, Answer(chunked=True), size=None)) == []
    assert path.read_bytes() == BODY
    assert server.ranges("/fan.zip") == [None]


def test_attempts_that_bring_bytes_do_not_count(server, path, monkeypatch):
    monkeypatch.setattr(module, "_RETRIES", module._RETRIES.new(total=0))
    wish = offer(server, path, then=Answer(cut_after=50))

    assert bring(wish) == []
    assert path.read_bytes() == BODY
    assert len(server.requests) == SIZE // 50


def test_attempts_without_new_bytes_come_to_an_end(server, path):
    wish = offer(server, path, then=Answer(cut_after=0))

    text = reason(wish)

    assert "the connection broke" in text or "no connection" in text
    assert len(server.requests) == 3


@pytest.mark.parametrize("cuts", [(400, 400, 400, 400, 400), (400, 300, 400, 300, 400)])
@pytest.mark.parametrize(("part", "num_requests"), [(0, 4), (500, 3)])
def test_a_server_that_always_begins_anew_and_breaks_off_is_given_up(
    server, path, cuts, part, num_requests
):
    put_part(path, BODY[:part])
    wish = offer(server, path, *[Answer(ranges=False, cut_after=cut) for cut in cuts])

    assert "the connection broke" in reason(wish)
    assert len(server.requests) == num_requests


def test_of_a_part_that_is_begun_anew_nothing_is_left(server, path):
    put_part(path, OTHER[:500])

    reason(offer(server, path, Answer(ranges=False, cut_after=100), then=Answer(status=404)))

    assert part_of(path).read_bytes() == BODY[:100]


def test_a_failure_keeps_the_part_and_says_how_to_go_on(server, path):
    wish = offer(server, path, CUT, then=Answer(status=503))

    text = reason(wish)

    assert text.startswith(wish.url)
    assert "503 Service Unavailable. Give the same command again to go on." in text
    assert part_of(path).read_bytes() == BODY[:400]
    assert not path.exists()


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 520])
def test_passing_errors_are_outlived(server, path, status):
    wish = offer(server, path, Answer(status=status), Answer(status=status))

    assert bring(wish) == []
    assert path.read_bytes() == BODY


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "answers 400 Bad Request. Look at its page."),
        (401, "answers 401 Unauthorized. It is closed to the public"),
        (403, "answers 403 Forbidden. It is closed to the public"),
        (404, "answers 404 Not Found. The record may have moved: look at its page."),
        (410, "answers 410 Gone. It was withdrawn"),
        (416, "answers 416 Requested Range Not Satisfiable. Look"),
        (204, "answers 204 No Content. Look"),
    ],
)
def test_lasting_errors_are_reported_at_once(server, path, status, text):
    wish = offer(server, path, then=Answer(status=status))

    assert text in reason(wish)
    assert len(server.requests) == 1


@pytest.fixture
def waits(monkeypatch):
    """Seconds that were waited for between requests; nobody really waits."""
    seconds = []
    retries = module._RETRIES.new(total=5, backoff_factor=1)
    monkeypatch.setattr(module, "_RETRIES", retries)
    monkeypatch.setattr(module, "_LONGEST_WAIT_S", 60.0)
    monkeypatch.setattr(urllib3.util.retry, "time", SimpleNamespace(sleep=seconds.append))
    return seconds


def scripted_waits(server, path, waits, *script):
    assert bring(offer(server, path, *script)) == []
    return waits


def test_waits_double(server, path, waits):
    failing = [Answer(status=500)] * 5

    assert scripted_waits(server, path, waits, *failing) == [2, 4, 8, 16]


def test_new_bytes_start_the_waits_again(server, path, waits):
    cuts = [Answer(cut_after=0), Answer(cut_after=0), CUT, Answer(cut_after=0)]

    assert scripted_waits(server, path, waits, *cuts, Answer(cut_after=0)) == [2, 2]


@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_is_what_the_server_asks_for_if_that_is_not_too_long(server, path, waits, status):
    texts = ("7", "3600", "soon")
    answers = [Answer(status=status, headers={"Retry-After": text}) for text in texts]

    assert scripted_waits(server, path, waits, *answers) == [7, 60, 4]


@pytest.mark.usefixtures("_haste")
@pytest.mark.parametrize("offset", [0, 1, 500, SIZE - 1])
def test_a_body_that_stalls_is_taken_up(server, path, offset):
    assert bring(offer(server, path, Answer(stall_after=offset))) == []
    assert path.read_bytes() == BODY


@pytest.mark.usefixtures("_haste")
def test_a_server_that_stalls_for_ever_is_given_up_and_what_came_is_kept(server, path):
    wish = offer(server, path, Answer(stall_after=200), then=Answer(stall_after=0))

    assert "the connection broke: timed out. Give the same" in reason(wish)
    assert part_of(path).read_bytes() == BODY[:200]


@pytest.mark.usefixtures("_haste")
def test_a_server_that_does_not_answer_is_given_up(server, path):
    wish = offer(server, path, then=Answer(hold_s=60))

    assert "no connection: timed out. Give the same" in reason(wish)


def test_no_server_is_a_reason(path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/fan.zip"

        text = reason(Download(url, path, md5(BODY), SIZE))

    assert text == (
        f"{url}: no connection: [Errno 111] Connection refused. "
        "Give the same command again to go on."
    )


@pytest.mark.parametrize("url", ["no address", "ftp://127.0.0.1/fan.zip", "http://"])
def test_an_address_that_is_none_is_refused(path, url):
    assert "Check the address" in reason(Download(url, path, md5(BODY), SIZE))


def test_redirects_are_followed_with_the_range(server, path):
    put_part(path, BODY[:300])
    there = server.url("/there")
    wish = offer(server, path, then=Answer(status=302, headers={"Location": there}))
    server.contents["/there"] = Content(BODY)

    assert bring(wish) == []
    assert path.read_bytes() == BODY
    assert server.ranges("/there") == ["bytes=300-"]


@pytest.mark.parametrize("there", ["http://[", "http://.zenodo/", "ftp://zenodo/fan.zip"])
def test_a_redirect_to_an_address_that_is_none_is_refused(server, path, there):
    wish = offer(server, path, then=Answer(status=302, headers={"Location": there}))

    assert "Check the address" in reason(wish)


def test_a_ring_of_redirects_is_refused(server, path):
    here = server.url("/fan.zip")
    wish = offer(server, path, then=Answer(status=302, headers={"Location": here}))

    assert "30 redirects" in reason(wish)


def test_proxies_of_the_environment_are_used(server, path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url(""))
    server.contents["http://zenodo.invalid/fan.zip"] = Content(BODY)

    assert bring(Download("http://zenodo.invalid/fan.zip", path, md5(BODY), SIZE)) == []
    assert path.read_bytes() == BODY


def test_wrong_bytes_are_asked_for_once_more_from_the_start(server, path):
    assert bring(offer(server, path, Answer(wrong=True))) == []
    assert path.read_bytes() == BODY
    assert server.ranges("/fan.zip") == [None, None]


def test_bytes_that_stay_wrong_are_reported_with_both_checksums(server, path):
    wrong = bytes(255 - byte for byte in BODY)

    text = reason(offer(server, path, then=Answer(wrong=True)))

    assert f"Expected: {md5(BODY)}. Received: {md5(wrong)}" in text
    assert len(server.requests) == 2
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    "content_range", [None, "", "bytes 400-999/1000", "bytes 0-999/1000", "lines 500-999/1000"]
)
def test_another_range_than_asked_for_is_dropped(server, path, content_range):
    put_part(path, BODY[:500])
    wish = offer(server, path, Answer(headers={"Content-Range": content_range}))

    assert bring(wish) == []
    assert path.read_bytes() == BODY
    assert server.ranges("/fan.zip") == ["bytes=500-", None]


def test_a_range_of_a_file_of_unknown_size_is_taken(server, path):
    put_part(path, BODY[:500])
    wish = offer(server, path, Answer(headers={"Content-Range": "bytes 500-999/*"}), size=None)

    assert bring(wish) == []
    assert path.read_bytes() == BODY
    assert server.ranges("/fan.zip") == ["bytes=500-"]


def test_a_range_that_the_server_will_not_give_is_no_end(server, path):
    put_part(path, BODY[:500])
    wish = offer(server, path, Answer(status=416), Answer(status=416))

    assert "416" in reason(wish)  # The second time, no range was asked for.
    assert server.ranges("/fan.zip") == ["bytes=500-", None]


@pytest.mark.parametrize("size", [SIZE, None])
def test_a_file_in_place_is_not_asked_for(server, path, size):
    put_part(path, b"left over")
    path.write_bytes(BODY)
    done = []
    wish = offer(server, path, size=size)

    assert bring(wish, on_done=done.append) == []
    assert server.requests == []
    assert done == [wish]
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("damaged", [b"", BODY[:-1], OTHER])
def test_a_damaged_file_in_place_is_replaced(server, path, damaged):
    path.parent.mkdir()
    path.write_bytes(damaged)

    assert bring(offer(server, path)) == []
    assert path.read_bytes() == BODY


def test_a_damaged_file_stays_until_there_is_a_better_one(server, path):
    path.parent.mkdir()
    path.write_bytes(OTHER)

    assert "404" in reason(offer(server, path, then=Answer(status=404)))
    assert path.read_bytes() == OTHER


def test_one_failure_stops_no_other_file_and_failures_keep_their_order(server, tmp_path):
    wishes = [
        offer(server, tmp_path / name, then=then, name=f"/{name}")
        for name, then in [
            ("a", Answer(status=503)),
            ("b", None),
            ("c", Answer(status=404)),
            ("d", None),
        ]
    ]

    first, second = bring(*wishes, jobs=2)

    assert first.startswith(wishes[0].url)
    assert "503" in first
    assert second.startswith(wishes[2].url)
    assert "404" in second
    assert [(tmp_path / name).read_bytes() for name in "bd"] == [BODY, BODY]


def many(server, folder, count, then=None):
    return [offer(server, folder / str(i), then=then, name=f"/{i}") for i in range(count)]


@pytest.mark.parametrize("jobs", [1, 3])
def test_as_many_files_come_at_once_as_asked_for(server, tmp_path, jobs):
    wishes = many(server, tmp_path, 7, Answer(hold_s=0.05))

    assert bring(*wishes, jobs=jobs) == []
    assert server.most_at_once == jobs
    assert all(wish.path.read_bytes() == BODY for wish in wishes)


def test_files_are_announced_in_the_callers_thread_when_in_place(server, tmp_path):
    seen = []

    def on_done(wish):
        seen.append((threading.current_thread(), wish.path.read_bytes()))

    bring(*many(server, tmp_path, 5), jobs=3, on_done=on_done)

    assert seen == [(threading.main_thread(), BODY)] * 5


def test_failed_files_are_not_announced(server, path):
    done = []

    reason(offer(server, path, then=Answer(status=404)), on_done=done.append)

    assert done == []


def test_a_full_disk_stops_everything_and_is_raised(server, tmp_path):
    full, *others = many(server, tmp_path, 50)
    part_of(full.path).symlink_to("/dev/full")

    with pytest.raises(OSError, match="No space left") as failure:
        bring(full, *others)

    assert failure.value.errno == errno.ENOSPC
    assert failure.value.filename == str(part_of(full.path))
    assert not others[-1].path.exists()


@pytest.fixture
def _interruptible():
    """Processes started in the background by a shell ignore interrupts."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.usefixtures("_interruptible")
def test_an_interrupt_returns_though_a_server_stalls_and_the_part_is_continued(server, path):
    stalling = offer(server, path, Answer(stall_after=200))
    sizes = []

    def interrupt(done, total):
        if done == 200:
            sizes.append(part_of(path).stat().st_size)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        bring(stalling, on_progress=interrupt)

    assert not server.released.is_set()
    assert sizes == [200]
    assert bring(stalling) == []
    assert path.read_bytes() == BODY
    assert server.ranges("/fan.zip") == [None, "bytes=200-"]


def test_a_stopped_download_writes_nothing_more(server, tmp_path):
    def fail(wish):
        raise RuntimeError("enough")

    stalling = offer(server, tmp_path / "a", Answer(stall_after=200), name="/a")
    quick = offer(server, tmp_path / "b", name="/b")
    server.on_request = lambda request: wait_for_size(tmp_path / "a.part", request, 200)

    with pytest.raises(RuntimeError, match="enough"):
        bring(stalling, quick, jobs=2, on_done=fail)
    join_workers(server)

    assert (tmp_path / "a.part").read_bytes() == BODY[:200]
    assert server.ranges("/a") == [None]


def test_a_stopped_worker_asks_for_no_other_file(server, tmp_path):
    def fail(done, total):
        if server.requests:
            raise RuntimeError("enough")

    held = offer(server, tmp_path / "a", Answer(status=404, hold_s=60), name="/a")
    other = offer(server, tmp_path / "b", name="/b")

    with pytest.raises(RuntimeError, match="enough"):
        bring(held, other, on_progress=fail)
    join_workers(server)

    assert [request.path for request in server.requests] == ["/a"]


def join_workers(server):
    """Let the threads that a download has left behind come to their end."""
    workers = [each for each in threading.enumerate() if each.name.endswith("(worker)")]
    assert workers
    assert all(worker.daemon for worker in workers)
    server.released.set()
    for worker in workers:
        worker.join()


def wait_for_size(path, request, size):
    while request.path == "/b" and not (path.exists() and path.stat().st_size == size):
        time.sleep(0.001)


def test_nothing_to_do_is_done():
    assert bring() == []


def test_progress_counts_what_was_there_and_ends_at_the_sum(server, tmp_path):
    wishes = many(server, tmp_path, 3)
    put_part(wishes[0].path, BODY[:300])
    wishes[1].path.write_bytes(BODY)
    before = set(threading.enumerate())
    told, started = [], []

    def on_progress(done, total):
        told.append((done, total))
        started.append(set(threading.enumerate()) - before)

    bring(*wishes, on_progress=on_progress)

    assert not started[0]
    assert told[0] == (300, 3 * SIZE)
    assert told[-1] == (3 * SIZE, 3 * SIZE)
    assert told == sorted(told)


@pytest.mark.parametrize(("chunked", "total"), [(False, SIZE), (True, 400)])
def test_sizes_not_known_beforehand_are_counted_once_known(server, path, chunked, total):
    told = []
    first = Answer(cut_after=400, chunked=chunked)
    wish = offer(server, path, first, then=Answer(status=404), size=None)

    reason(wish, on_progress=lambda done, total: told.append((done, total)))

    assert told[0] == (0, 0)
    assert told[-1] == (400, total)


answers = st.builds(
    Answer,
    status=st.sampled_from([None, None, None, 429, 500, 503]),
    ranges=st.booleans(),
    chunked=st.booleans(),
    wrong=st.sampled_from([False, False, False, True]),
    cut_after=st.one_of(st.none(), st.integers(0, SIZE)),
    headers=st.sampled_from([{}, {}, {"Content-Range": "bytes 1-2/3"}, {"Content-Length": None}]),
)


@given(
    script=st.lists(answers, max_size=4),
    part=st.integers(0, SIZE),
    size=st.sampled_from([SIZE, None]),
)
@settings(max_examples=60, deadline=None)
def test_a_file_in_place_is_right_whatever_happened(tmp_path_factory, script, part, size):
    path = tmp_path_factory.mktemp("any") / "fan.zip"
    put_part(path, BODY[:part])
    with Server() as server:
        wish = offer(server, path, *script, size=size)

        failures = bring(wish)
        again = [] if not failures else bring(wish)

    assert path.exists() == (not failures or not again)
    assert not path.exists() or path.read_bytes() == BODY


def test_a_document_is_read(server):
    server.contents["/api"] = Content(b'{"files": [1, "\xc3\xa9"]}')

    assert read_json(server.url("/api")) == {"files": [1, "é"]}


@pytest.mark.parametrize(
    "trouble",
    [
        Answer(cut_after=3),
        Answer(status=429),
        Answer(status=500),
        Answer(chunked=True, cut_after=3),
    ],
)
def test_a_document_is_asked_for_again_after_trouble(server, trouble):
    server.contents["/api"] = Content(b'{"files": []}', [trouble])

    assert read_json(server.url("/api")) == {"files": []}
    assert server.ranges("/api") == [None, None]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (Content(b"", then=Answer(status=404)), "404 Not Found. The record may have moved"),
        (Content(b"", then=Answer(status=500)), "500 Internal Server Error. Give"),
        (Content(b"<html>log in"), "is no JSON. Received: b'<html>log in'. Check"),
        (Content(b""), "is no JSON. Received: b''"),
        (Content(b'"\xff"'), "is no JSON"),
    ],
)
def test_a_document_that_cannot_be_had_is_one_line(server, content, text):
    server.contents["/api"] = content

    with pytest.raises(DataError) as failure:
        read_json(server.url("/api"))

    assert str(failure.value).startswith(server.url("/api"))
    assert text in str(failure.value)
    assert "\n" not in str(failure.value)


def test_the_reason_is_the_servers_even_while_another_error_is_handled():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/api"
        try:
            raise KeyError("another")
        except KeyError:
            with pytest.raises(DataError, match=r"no connection: .*Connection refused"):
                read_json(url)


@pytest.mark.parametrize(("cause", "attempts"), [("CERTIFICATE_VERIFY_FAILED", 1), ("EOF", 3)])
def test_a_certificate_that_is_not_trusted_is_not_asked_for_again(monkeypatch, cause, attempts):
    asked = []

    def connect(connection):
        asked.append(connection)
        raise ssl.SSLError(f"[SSL: {cause}] something")

    monkeypatch.setattr(urllib3.connection.HTTPSConnection, "connect", connect)
    told = "not trusted. Set the clock" if attempts == 1 else "no connection"

    with pytest.raises(DataError, match=told):
        read_json("https://host.test/record")

    assert len(asked) == attempts
