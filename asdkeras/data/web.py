"""Asking web servers: what may pass is outlived, what may not is a reason in one line."""

import dataclasses
import http.client
import json
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import requests
import urllib3.exceptions
from urllib3.util import Retry

import asdkeras
from asdkeras.errors import DataError

CHUNK_BYTES = 1 << 18
_LARGEST_ANSWER_BYTES = 10 * 10**6
_HEADERS = {
    "User-Agent": f"asdkeras/{asdkeras.__version__}",
    "Accept-Encoding": "identity",  # Sizes and ranges shall mean the file itself.
}
_PASSING = frozenset({408, 425, 429, *range(500, 600)})
_ADVICE = {
    401: "It is closed to the public: look at its page.",
    403: "It is closed to the public or to this network: look at its page.",
    404: "The record may have moved: look at its page.",
    410: "It was withdrawn: look at its page.",
}
_AGAIN = "Give the same command again to go on."

_Result = TypeVar("_Result")


@dataclasses.dataclass(frozen=True)
class Patience:
    """How long to bear with a server.

    Attributes:
        attempts: int >= 1, requests in a row that bring no new byte.
        backoff_s: seconds to wait after the first of them, at most; then twice as long
            each time.
        longest_wait_s: seconds to wait at most; a server that asks for more is given up.
        connect_s: seconds for a connection to be made.
        read_s: seconds without a byte.
    """

    attempts: int = 6
    backoff_s: float = 1.0
    longest_wait_s: float = 60
    connect_s: float = 10
    read_s: float = 30


USUAL_PATIENCE = Patience()


class Setback(Exception):
    """What may go better another time; `wait_s` is what the server asks for."""

    def __init__(self, reason: str, wait_s: float = 0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Refusal(Exception):
    """What would go no better another time, or has been tried often enough."""


class Stopped(Exception):
    """The caller wants no more."""


def read_json(url: str, patience: Patience = USUAL_PATIENCE) -> Any:
    """Ask a server for a small JSON document.

    Args:
        url: of the document, of at most 10 MB.
        patience: with the server.

    Returns:
        what the document holds.

    Raises:
        DataError: if it cannot be had or is no JSON.
    """

    def attempt() -> bytes:
        with client.get(url) as response:
            content = b""
            for chunk in client.chunks(response):
                content += chunk
                if len(content) > _LARGEST_ANSWER_BYTES:
                    raise Refusal(
                        f"{url}: an answer of at most {_LARGEST_ANSWER_BYTES} bytes was expected. "
                        "Received: more. Check the address."
                    )
        return content

    with Client(patience, threading.Event()) as client:
        try:
            content = client.persist(url, attempt)
        except Refusal as refusal:
            raise DataError(str(refusal)) from refusal
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{url}: the answer is no JSON. Received: {content[:60]!r}. Check the address, and "
            "whether the network asks for a login first."
        ) from error


class Client:
    """One worker's connection, and how it bears with servers."""

    def __init__(self, patience: Patience, stop: threading.Event) -> None:
        self.patience = patience
        self.stop = stop
        self.session = requests.Session()
        self.session.headers.update(_HEADERS)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> requests.Response:
        """Ask once; the answer has a body worth reading, or status 416 if a range was asked."""
        patience = self.patience
        timeout = (patience.connect_s, patience.read_s)
        try:
            response = self.session.get(url, headers=headers, stream=True, timeout=timeout)
        except requests.ConnectTimeout as error:
            raise Setback(f"no connection within {patience.connect_s:g} s") from error
        except requests.Timeout as error:
            raise Setback(f"no answer within {patience.read_s:g} s") from error
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise Refusal(
                    f"{url}: the certificate of the server is not trusted. Set the clock, or name "
                    "the certificates of a proxy on the way in $REQUESTS_CA_BUNDLE."
                ) from error
            raise Setback(f"no connection: {_cause(error)}") from error
        except (requests.RequestException, ValueError) as error:  # Some faults of addresses.
            raise Refusal(f"{url}: {_cause(error)}. Check the address.") from error
        status = response.status_code
        if status in (200, 206) or (status == 416 and headers):
            return response
        response.close()
        answer = f"the server answers {status} {response.reason}".rstrip()
        if status in _PASSING:
            raise Setback(answer, _retry_after_s(response))
        raise Refusal(f"{url}: {answer}. {_ADVICE.get(status, 'Look at its page.')}")

    def chunks(self, response: requests.Response) -> Iterator[bytes]:
        """The body as it comes in."""
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise Refusal(
                f"{response.url}: the file was asked for as it is. Received: Content-Encoding "
                f"{encoding}. A proxy on the way may be the reason: try another network."
            )
        while True:
            try:
                # What has come and no more: of a larger read that breaks off, nothing is left.
                chunk = response.raw.read1(CHUNK_BYTES)
            except urllib3.exceptions.ReadTimeoutError as error:
                raise Setback(f"no byte within {self.patience.read_s:g} s") from error
            except urllib3.exceptions.HTTPError as error:
                raise Setback(f"the connection broke: {_cause(error)}") from error
            self.check_stopped()
            if not chunk:
                return
            yield chunk

    def check_stopped(self) -> None:
        if self.stop.is_set():
            raise Stopped

    def persist(
        self, url: str, attempt: Callable[[], _Result], progress: Callable[[], int] = lambda: 0
    ) -> _Result:
        """Repeat an attempt until it succeeds, or brings nothing new too often."""
        num_vain, most = 0, progress()
        while True:
            try:
                return attempt()
            except Setback as caught:
                setback = caught
            # Beyond the most so far, or else a server that always begins anew and always
            # breaks off would be asked for ever.
            num_vain = 0 if progress() > most else num_vain + 1
            most = max(most, progress())
            if num_vain >= self.patience.attempts:
                times = f"{num_vain} times in a row" if num_vain > 1 else "once"
                raise Refusal(f"{url}: {setback}, {times}. {_AGAIN}")
            if setback.wait_s > self.patience.longest_wait_s:
                raise Refusal(
                    f"{url}: {setback}, and asks to wait for {setback.wait_s:.0f} s. Give the "
                    "same command again after that."
                )
            if self.stop.wait(max(setback.wait_s, self._backoff_s(num_vain))):
                raise Stopped

    def _backoff_s(self, num_vain: int) -> float:
        longest = self.patience.backoff_s * 2.0 ** max(0, num_vain - 1)
        # Spread, lest all workers come back at once to a server that has too much to do.
        return min(longest, self.patience.longest_wait_s) * random.uniform(0.5, 1)


def _retry_after_s(response: requests.Response) -> float:
    """Seconds the server asks to wait; 0 if it does not say, or not in a readable way."""
    try:
        return float(Retry().parse_retry_after(response.headers.get("Retry-After", "0")))
    except (urllib3.exceptions.InvalidHeader, ValueError):
        return 0


def _cause(error: BaseException) -> str:
    """The error inside those of the libraries, which says what happened, in one line."""
    while type(error).__module__.partition(".")[0] in ("requests", "urllib3"):
        inner = error.__cause__ or error.__context__
        if isinstance(error, http.client.IncompleteRead) or inner is None:
            break
        error = inner
    if isinstance(error, http.client.IncompleteRead):
        return "it was cut off"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split()).rstrip(".")
