"""Downloads over HTTP: several files at once, resumed where they broke off, verified.

The bytes of a file go to `<name>.part` beside it. A file takes its own name when it is whole
and its checksum is right, so what has its name can be trusted, and a process may be stopped at
any byte: the next one continues the part.
"""

import contextlib
import hashlib
import json
import multiprocessing
import os
import re
import threading
from collections.abc import Callable, Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any, NamedTuple

import requests
import requests.adapters
import urllib3

import asdkeras
from asdkeras.errors import DataError

_PASSING = (408, 425, 429, *range(500, 600))
_LONGEST_WAIT_S = 60.0
_TIMEOUTS_S = (10.0, 30.0)  # For a connection, and without a byte.
_AGAIN = "Give the same command again to go on."
_ADVICE = {
    **dict.fromkeys(_PASSING, _AGAIN),
    401: "It is closed to the public: look at its page.",
    403: "It is closed to the public or to this network: look at its page.",
    404: "The record may have moved: look at its page.",
    410: "It was withdrawn: look at its page.",
}


class _Retry(urllib3.Retry):
    """Asks no server again whose certificate is not trusted, and waits for none too long."""

    def increment(self, *arguments: Any, **options: Any) -> "_Retry":
        if "CERTIFICATE_VERIFY_FAILED" in str(options.get("error")):
            raise options["error"]
        return super().increment(*arguments, **options)

    def get_retry_after(self, response: urllib3.BaseHTTPResponse) -> float | None:
        wait = response.headers.get("Retry-After", "")
        return min(float(wait), _LONGEST_WAIT_S) if wait.isdecimal() else None


# For each request, and for bodies in a row that break before a new byte: 0, 2, 4, 8 and 16 s
# apart, spread, so that not all downloads come back at once to a busy server.
_RETRIES = _Retry(
    5, status_forcelist=_PASSING, raise_on_status=False, backoff_factor=1, backoff_jitter=1
)


class Download(NamedTuple):
    """A file to download."""

    url: str
    path: Path
    digest: str  # `md5:` or `sha256:` and hexadecimal digits.
    size: int | None  # In bytes; None if not known beforehand.


def download_all(
    downloads: Sequence[Download],
    *,
    jobs: int,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_done: Callable[[Download], None] = lambda download: None,
) -> list[str]:
    """Bring files into place, several at a time; correct files that are in place stay.

    May be interrupted at any time; the next call goes on where this one ended. Two processes must
    not download the same file at once.

    Args:
        downloads: files, each with a URL and a path of its own.
        jobs: files at a time.
        on_progress: called with the bytes there and the bytes in all, as far as known.
        on_done: called with each file once it is verified and in place, in the caller's thread.

    Returns:
        why files could not be had, a line each, in the order given; all others are in place.

    Raises:
        OSError: if a file cannot be written, as on a full disk; all downloads stop.
    """
    stop = threading.Event()
    transfers = [_Transfer(download, stop) for download in downloads]

    def report() -> None:
        done = [transfer.num_bytes for transfer in transfers]
        total = sum(map(max, done, (transfer.total for transfer in transfers)))
        on_progress(sum(done), total)

    report()
    # Its threads are daemons: one that waits for a silent server does not delay the exit.
    with ThreadPool(jobs) as pool:
        try:
            results = pool.imap_unordered(_Transfer.run, transfers)
            num_open = len(transfers)
            while num_open:
                with contextlib.suppress(multiprocessing.TimeoutError):
                    transfer = results.next(timeout=0.1)
                    num_open -= 1
                    if not transfer.fault:
                        on_done(transfer.download)
                report()
        finally:
            stop.set()
    return [transfer.fault for transfer in transfers if transfer.fault]


def read_json(url: str) -> Any:
    """Content of a small JSON document on a server.

    Raises:
        DataError: if it cannot be had or is no JSON.
    """

    def read() -> bytes:
        with _get(url) as response:
            return bytes(response.raw.read())

    try:
        content = _unbroken(read)
        return json.loads(content)
    except _Refusal as refusal:
        raise DataError(f"{url}: {refusal}") from refusal
    except ValueError as error:
        raise DataError(
            f"{url}: the answer is no JSON. Received: {content[:60]!r}. Check the address, and "
            "whether the network asks for a login first."
        ) from error


class _Refusal(Exception):
    """What would go no better another time, has been tried often enough, or was stopped."""


class _Transfer:
    """One file on its way; `total` is its size in bytes, 0 until known."""

    def __init__(self, download: Download, stop: threading.Event) -> None:
        self.download = download
        self.fault = ""
        self._stop = stop
        self._part = download.path.with_name(f"{download.path.name}.part")
        self.num_bytes = self._part.stat().st_size if self._part.exists() else 0
        self.total = download.size or 0

    def run(self) -> "_Transfer":
        """Bring the file into place; `fault` says why not."""
        try:
            self._bring()
        except _Refusal as refusal:
            self.fault = f"{self.download.url}: {refusal}"
        except OSError as error:
            error.filename = error.filename or str(self._part)  # A full disk does not say where.
            raise
        return self

    def _bring(self) -> None:
        path, expected = self.download.path, self.download.digest
        if path.exists() and _digest(path, expected) == expected:
            self.num_bytes = self.total = path.stat().st_size
            self._part.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(2):  # The part may be one of another file.
            _unbroken(self._continue, lambda: self.num_bytes)
            received = _digest(self._part, expected)
            if received == expected:
                os.replace(self._part, path)
                return
            self._forget()
        raise _Refusal(
            f"has not the checksum it should have, twice. Expected: {expected}. Received: "
            f"{received}. It was changed, or is changed on the way: look at its page."
        )

    def _continue(self) -> None:
        if self.num_bytes and self.num_bytes == self.download.size:
            return
        self._check_stop()
        with _get(self.download.url, self.num_bytes) as response:
            if response.status_code == 416:
                return  # Whole, or no part of this file: the checksum decides.
            if response.status_code == 200:  # The server knows no ranges.
                self.num_bytes = 0
            sent = response.headers.get("Content-Range", "")
            if self.num_bytes and not sent.startswith(f"bytes {self.num_bytes}-"):
                self._forget()
                raise urllib3.exceptions.ProtocolError(f"the server sends another range: `{sent}`")
            if self.download.size is None:
                self.total = self.num_bytes + (response.raw.length_remaining or 0)
            with self._part.open("ab" if self.num_bytes else "wb") as file:
                # What has come and no more: of a larger read that breaks off, nothing is left.
                while chunk := response.raw.read1(1 << 18):
                    self._check_stop()
                    file.write(chunk)
                    file.flush()  # Else a later process may find less than this one counted.
                    self.num_bytes += len(chunk)

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise _Refusal("stopped")

    def _forget(self) -> None:
        self._part.unlink(missing_ok=True)
        self.num_bytes = 0


def _get(url: str, start: int = 0) -> requests.Response:
    """An answer with a body worth reading, or status 416 if `start` is not 0."""
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=_RETRIES))
    headers = {
        "User-Agent": f"asdkeras/{asdkeras.__version__}",
        "Accept-Encoding": "identity",  # Sizes and ranges shall mean the file itself.
        **({"Range": f"bytes={start}-"} if start else {}),
    }
    try:
        response = session.get(url, headers=headers, stream=True, timeout=_TIMEOUTS_S)
    except (requests.ConnectionError, requests.Timeout) as error:
        fault = f"no connection: {_cause(error)}. {_AGAIN}"
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            fault = (
                "the certificate of the server is not trusted. Set the clock, or name the "
                "certificates of a proxy on the way in $REQUESTS_CA_BUNDLE."
            )
        raise _Refusal(fault) from error
    except (requests.RequestException, ValueError) as error:  # Some faults of addresses.
        raise _Refusal(f"{_cause(error)}. Check the address.") from error
    status = response.status_code
    if status in (200, 206) or (status == 416 and start):
        return response
    response.close()
    answer = f"the server answers {status} {response.reason}".rstrip()
    raise _Refusal(f"{answer}. {_ADVICE.get(status, 'Look at its page.')}")


def _unbroken(read: Callable[[], Any], progress: Callable[[], int] = lambda: 0) -> Any:
    """Read bodies until one ends as it should, or too many in a row bring nothing new.

    The adapter of `requests` repeats a request that fails, but not a body that breaks off.
    """
    retries, most = _RETRIES, progress()
    while True:
        try:
            return read()
        except urllib3.exceptions.HTTPError as error:
            # The most so far: else a server without ranges that breaks off is asked for ever.
            if progress() > most:
                retries, most = _RETRIES, progress()
            elif retries.total == 0:
                raise _Refusal(f"the connection broke: {_cause(error)}. {_AGAIN}") from error
            else:
                retries = retries.increment("GET", error=error)
        retries.sleep()


def _cause(error: BaseException) -> str:
    """The innermost error, below those of the libraries, in one line."""
    inner = error.__cause__ or error.__context__
    if inner and re.match(r"(requests|urllib3)\b", type(error).__module__):
        return _cause(inner)
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _digest(path: Path, like: str) -> str:
    """The checksum of a file, by the algorithm of another checksum."""
    algorithm = like.partition(":")[0]
    with path.open("rb") as file:
        state = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False))
    return f"{algorithm}:{state.hexdigest()}"
