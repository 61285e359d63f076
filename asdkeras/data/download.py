"""Large files over HTTP: several at once, resumed where they broke off, verified.

The bytes of a file go to `<name>.part` beside it. A file takes its own name when it is
whole and its checksum is right, so what has its name can be trusted, and a process may
be stopped at any byte: the part is continued the next time.
"""

import hashlib
import os
import queue
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import requests

from asdkeras.data.web import (
    CHUNK_BYTES,
    USUAL_PATIENCE,
    Client,
    Patience,
    Refusal,
    Setback,
    Stopped,
)

PART_SUFFIX = ".part"
"""Of the file beside a target that holds what has come of it."""

_SECONDS_BETWEEN_REPORTS = 0.1
_DIGEST_PATTERN = re.compile(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}")


class Download(NamedTuple):
    """A file to be had.

    Attributes:
        url: where it is.
        path: where it shall be.
        digest: `md5:` or `sha256:` and hexadecimal digits.
        size: in bytes; None if not known beforehand.
    """

    url: str
    path: Path
    digest: str
    size: int | None


class Failure(NamedTuple):
    """A file that could not be had, and why: one line that says what to do."""

    download: Download
    reason: str


def download_all(
    downloads: Sequence[Download],
    *,
    jobs: int,
    on_progress: Callable[[int, int], None] | None = None,
    on_done: Callable[[Download], None] | None = None,
    patience: Patience = USUAL_PATIENCE,
) -> list[Failure]:
    """Bring files into place, several at a time; what is in place and right, stays.

    May be interrupted at any time; the next call goes on where this one ended. Two
    processes must not bring the same file at once.

    Args:
        downloads: files, each with a URL and a path of its own.
        jobs: int >= 1, files at a time.
        on_progress: is told the bytes there and the bytes in all, as far as known,
            about ten times per second.
        on_done: is told each file as soon as it is verified and in place, in the
            caller's thread.
        patience: with the server.

    Returns:
        what could not be had, in the order given; the other files are in place.

    Raises:
        ValueError: if two files share a URL or a path, a digest is none, or `jobs` is
            below 1.
        OSError: if a file cannot be written, as on a full disk; all downloads stop.
    """
    _check(downloads, jobs)
    transfers = [_Transfer(download) for download in downloads]
    waiting: queue.SimpleQueue[_Transfer] = queue.SimpleQueue()
    finished: queue.SimpleQueue[tuple[_Transfer, Exception | None]] = queue.SimpleQueue()
    for transfer in transfers:
        waiting.put(transfer)
    stop = threading.Event()
    # Daemons, because one that waits for a silent server must not hold up the exit.
    threads = [
        threading.Thread(target=_work, args=(waiting, finished, patience, stop), daemon=True)
        for _ in range(min(jobs, len(transfers)))
    ]
    reasons: dict[str, str] = {}
    report = _Report(transfers, on_progress)
    report.tell()
    try:
        for thread in threads:
            thread.start()
        num_open = len(transfers)
        while num_open:
            report.tell()
            try:
                transfer, error = finished.get(timeout=_SECONDS_BETWEEN_REPORTS)
            except queue.Empty:
                continue
            num_open -= 1
            if error is None and on_done:
                on_done(transfer.download)
            elif isinstance(error, Refusal):
                reasons[transfer.download.url] = str(error)
            elif error is not None:
                raise error
        report.tell(at_end=True)
    finally:
        stop.set()
    return [
        Failure(download, reasons[download.url])
        for download in downloads
        if download.url in reasons
    ]


class _Transfer:
    """One file on its way.

    Attributes:
        download: what is wanted.
        part: the file that holds what has come.
        num_bytes: how much that is; read by the caller's thread.
        total: size in bytes, None until known.
    """

    def __init__(self, download: Download) -> None:
        self.download = download
        self.part = download.path.with_name(download.path.name + PART_SUFFIX)
        self.num_bytes = _size(self.part)
        self.total = download.size

    def run(self, client: Client) -> None:
        """Bring the file into place."""
        url, path, expected, _ = self.download
        if path.exists() and self._digest(path, client) == expected:
            self.num_bytes = self.total = _size(path)
            self.part.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(2):
            client.persist(url, lambda: self._continue(client), lambda: self.num_bytes)
            received = self._digest(self.part, client)
            if received == expected:
                os.replace(self.part, path)
                return
            self._forget()
        raise Refusal(
            f"{url}: has not the checksum it should have, twice. Expected: {expected}. Received: "
            f"{received}. It was changed, or is changed on the way: look at its page."
        )

    def _continue(self, client: Client) -> None:
        """Ask once for what is missing."""
        if self.total is not None and self.num_bytes > self.total:
            self._forget()
        if self.num_bytes == self.total:
            self.part.touch()  # A file may be empty.
            return
        headers = {"Range": f"bytes={self.num_bytes}-"} if self.num_bytes else None
        with client.get(self.download.url, headers) as response:
            if response.status_code == 416:
                return  # Whole, or no part of this file: the checksum will tell.
            start = self._start(response)
            with self.part.open("r+b" if start else "wb") as file:
                file.seek(start)
                self.num_bytes = start
                for chunk in client.chunks(response):
                    self._check_room(len(chunk))
                    file.write(chunk)
                    file.flush()  # Else a later process may find less than this one counted.
                    self.num_bytes += len(chunk)
        if self.total is not None and self.num_bytes < self.total:
            raise Setback(f"cut off after {self.num_bytes} of {self.total} bytes")

    def _start(self, response: requests.Response) -> int:
        """Where the body begins in the file; learns the size of the file."""
        if response.status_code == 200:  # The server knows no ranges: all over again.
            self._learn_total(_content_length(response))
            return 0
        text = response.headers.get("Content-Range", "")
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", text.strip(), re.ASCII)
        if match is None or int(match[1]) != self.num_bytes:
            wanted = self.num_bytes
            self._forget()
            raise Setback(f"asked for the bytes from {wanted}, the server sends `{text}`")
        self._learn_total(None if match[2] == "*" else int(match[2]))
        return self.num_bytes

    def _learn_total(self, announced: int | None) -> None:
        if announced is None:
            return
        if self.download.size not in (None, announced):
            raise Refusal(
                f"{self.download.url}: expected {self.download.size} bytes. Received: a file of "
                f"{announced}. It was changed: look at its page."
            )
        self.total = announced

    def _check_room(self, num_bytes: int) -> None:
        if self.total is not None and self.num_bytes + num_bytes > self.total:
            self._forget()
            raise Refusal(
                f"{self.download.url}: expected {self.total} bytes. Received: more. It was "
                "changed: look at its page."
            )

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.num_bytes = 0

    def _digest(self, path: Path, client: Client) -> str:
        algorithm = self.download.digest.split(":")[0]
        state = hashlib.new(algorithm, usedforsecurity=False)
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                client.check_stopped()
                state.update(chunk)
        return f"{algorithm}:{state.hexdigest()}"


class _Report:
    """Adds up how far all files are, now and then."""

    def __init__(
        self, transfers: Sequence[_Transfer], on_progress: Callable[[int, int], None] | None
    ) -> None:
        self._transfers = transfers
        self._on_progress = on_progress
        self._told_at = -_SECONDS_BETWEEN_REPORTS

    def tell(self, at_end: bool = False) -> None:
        now = time.monotonic()
        if self._on_progress is None:
            return
        if at_end or now - self._told_at >= _SECONDS_BETWEEN_REPORTS:
            self._told_at = now
            done = [transfer.num_bytes for transfer in self._transfers]
            totals = [transfer.total for transfer in self._transfers]
            known = sum(
                there if total is None else total for there, total in zip(done, totals, strict=True)
            )
            self._on_progress(sum(done), known)


def _work(
    waiting: "queue.SimpleQueue[_Transfer]",
    finished: "queue.SimpleQueue[tuple[_Transfer, Exception | None]]",
    patience: Patience,
    stop: threading.Event,
) -> None:
    """Bring files one after another until none waits."""
    with Client(patience, stop) as client:
        while not stop.is_set():
            try:
                transfer = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                transfer.run(client)
            except Stopped:
                return
            except Exception as error:  # The caller waits for it, and is the one to judge it.
                if isinstance(error, OSError) and error.filename is None:
                    error.filename = str(transfer.part)  # A full disk does not say where.
                finished.put((transfer, error))
            else:
                finished.put((transfer, None))


def _check(downloads: Sequence[Download], jobs: int) -> None:
    if jobs < 1:
        raise ValueError(f"`jobs` must be at least 1. Received: jobs={jobs}")
    for download in downloads:
        if not _DIGEST_PATTERN.fullmatch(download.digest):
            raise ValueError(
                "`digest` must be `md5:` or `sha256:` and lower-case hexadecimal digits. "
                f"Received: {download.digest}"
            )
    for field in ("url", "path"):
        counts = Counter(str(getattr(download, field)) for download in downloads)
        twice = [value for value, count in counts.items() if count > 1]
        if twice:
            raise ValueError(f"each `{field}` may be given once. Received twice: {twice[0]}")


def _content_length(response: requests.Response) -> int | None:
    """Bytes that the body is announced to have; None if it is not."""
    text = response.headers.get("Content-Length", "")
    return int(text) if re.fullmatch(r"\d+", text, re.ASCII) else None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
