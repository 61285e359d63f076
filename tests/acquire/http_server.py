"""A local web server that misbehaves as it is told, answer by answer."""

import contextlib
import dataclasses
import http.server
import re
import socket
import struct
import threading
from collections.abc import Iterable, Mapping
from typing import NamedTuple


@dataclasses.dataclass(frozen=True)
class Answer:
    """One answer; as it stands, an honest one.

    Attributes:
        status: instead of the file.
        headers: added, or put in place of the true ones; None leaves one out.
        ranges: whether a range that is asked for is answered with a range.
        wrong: whether the bytes sent are not those of the file.
        chunked: whether the length is not told.
        cut_after: number of body bytes after which the connection is closed.
        reset_after: the same, rudely.
        stall_after: number of body bytes after which nothing comes until `released`.
        hold_s: seconds to wait before answering.
    """

    status: int | None = None
    headers: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    ranges: bool = True
    wrong: bool = False
    chunked: bool = False
    cut_after: int | None = None
    reset_after: int | None = None
    stall_after: int | None = None
    hold_s: float = 0


class Content:
    """A file on the server.

    Args:
        body: its bytes.
        script: answers to the first requests.
        then: answer to all requests after these.
    """

    def __init__(self, body: bytes, script: Iterable[Answer] = (), then: Answer | None = None):
        self.body = body
        self._script = list(script)
        self._then = then or Answer()

    def next_answer(self) -> Answer:
        return self._script.pop(0) if self._script else self._then


class Request(NamedTuple):
    path: str
    headers: Mapping[str, str]

    @property
    def range(self) -> str | None:
        return self.headers.get("Range")


class Server:
    """Serves `contents` at `url(path)` while it is entered; remembers what it was asked.

    Attributes:
        contents: path -> Content; may be changed at any time.
        requests: all so far.
        most_at_once: requests being answered at the same time, at most.
        on_request: is called with each request before it is answered.
        released: ends all stalling once set.
    """

    def __init__(self, contents: dict[str, Content] | None = None) -> None:
        self.contents = contents or {}
        self.requests: list[Request] = []
        self.most_at_once = 0
        self.on_request = lambda request: None
        self.released = threading.Event()
        self._num_at_once = 0
        self._lock = threading.Lock()

    def __enter__(self) -> "Server":
        server = self

        class Handler(_Handler):
            owner = server

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, path: str) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host}:{port}{path}"

    def ranges(self, path: str) -> list[str | None]:
        """The Range headers of all requests for a path."""
        return [request.range for request in self.requests if request.path == path]

    @contextlib.contextmanager
    def counted(self, request: Request):
        with self._lock:
            self.requests.append(request)
            self._num_at_once += 1
            self.most_at_once = max(self.most_at_once, self._num_at_once)
        try:
            yield
        finally:
            with self._lock:
                self._num_at_once -= 1


class _Handler(http.server.BaseHTTPRequestHandler):
    owner: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # Clients may hang up.
            super().handle()

    def finish(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().finish()

    def do_GET(self) -> None:
        request = Request(self.path, dict(self.headers))
        content = self.owner.contents.get(self.path, Content(b"", then=Answer(status=404)))
        with self.owner.counted(request):
            self.owner.on_request(request)
            answer = content.next_answer()
            self.owner.released.wait(answer.hold_s)
            self._send(answer, content.body, request.range)

    def _send(self, answer: Answer, content: bytes, asked: str | None) -> None:
        status, start, headers = 200, 0, {}
        match = re.fullmatch(r"bytes=(\d+)-", asked or "")
        if answer.status is not None:
            status, content = answer.status, b"an error page"
        elif match and answer.ranges:
            start, total = int(match[1]), len(content)
            status = 206 if start < total else 416
            whole = f"{start}-{total - 1}" if status == 206 else "*"
            headers["Content-Range"] = f"bytes {whole}/{total}"
        body = content[start:]
        if answer.wrong:
            body = bytes(255 - byte for byte in body)
        headers |= {"Transfer-Encoding": "chunked"} if answer.chunked else {}
        headers |= {} if answer.chunked else {"Content-Length": str(len(body))}
        headers |= answer.headers
        if not answer.chunked and headers["Content-Length"] is None:
            self.close_connection = True  # Nothing else tells where the body ends.
        self.send_response(status)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self._send_body(answer, body)

    def _send_body(self, answer: Answer, body: bytes) -> None:
        ends = (answer.cut_after, answer.reset_after, answer.stall_after)
        sent = body[: next((end for end in ends if end is not None), None)]
        if answer.chunked and sent:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(sent), sent))
        elif sent:
            self.wfile.write(sent)
        self.wfile.flush()
        if answer.stall_after is not None:
            self.owner.released.wait()
            self.wfile.write(body[len(sent) :])
        if answer.reset_after is not None:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        if len(sent) < len(body) or any(end is not None for end in ends):
            self.close_connection = True
        elif answer.chunked:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Tests want no log."""
