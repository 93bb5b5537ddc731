"""A proxy on loopback that breaks answers by plan: resets, 503s, cut bodies, slow reads.

Plain HTTP/1.1, one connection per thread. What it does to the n-th request follows from a seed;
uploads are broken before they reach the server, answers after they left it.
"""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.scanning.loopback import Loopback

FAULTS = ("reset", "503", "cut", "slow")


@dataclass
class FlakyProxy(Loopback):
    """Passes requests on to a server at `port` on loopback.

    Attributes:
        port: of the server behind.
        share: of requests that are broken, [0, 1].
        delay_s: waited before every answer.
        n_broken: faults made so far, by kind.
        n_sent: body bytes sent in answers to GET.
        is_dead: drop every connection.
        dies_after_puts: uploads let through before `is_dead`, None for never.
    """

    port: int
    share: float = 0.0
    seed: int = 0
    delay_s: float = 0.0
    n_broken: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FAULTS, 0))
    n_sent: int = 0
    n_gets: int = 0
    n_puts: int = 0
    is_dead: bool = False
    dies_after_puts: int | None = None
    puts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.dice = random.Random(self.seed)
        self.serve(_handler_of(self))

    def fault(self, method: str, path: str) -> str | None:
        """What is done to this request."""
        with self.lock:
            self.n_gets += method == "GET"
            if method == "PUT":
                self.n_puts += 1
                self.puts.append(path.partition("?")[0])
                if self.dies_after_puts is not None and self.n_puts > self.dies_after_puts:
                    self.is_dead = True
            if self.is_dead:
                return "reset"
            if self.dice.random() >= self.share:
                return None
            kind = self.dice.choice(FAULTS)
            self.n_broken[kind] += 1
            return kind


def _handler_of(proxy: FlakyProxy) -> type[BaseHTTPRequestHandler]:  # noqa: C901 — one class
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = proxy.fault(self.command, self.path)
            time.sleep(proxy.delay_s)
            if fault == "reset":
                self._reset()
                return
            if fault == "503":
                self._answer(503, [], b"<Error><Code>SlowDown</Code></Error>")
                return
            status, headers, data = self._ask(body)
            self._answer(status, headers, data, fault or "")

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on  # noqa: N815

        def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            behind = http.client.HTTPConnection("127.0.0.1", proxy.port)
            behind.request(self.command, self.path, body, dict(self.headers))
            answer = behind.getresponse()
            data = answer.read()
            behind.close()
            return answer.status, answer.getheaders(), data

        def _answer(
            self,
            status: int,
            headers: list[tuple[str, str]],
            data: bytes,
            fault: str | None = None,
        ) -> None:
            length = str(len(data))
            self.send_response(status)
            for name, value in headers:
                if name.lower() == "content-length":
                    length = value
                elif name.lower() not in ("date", "server", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            if fault == "cut" and len(data) > 1:
                self.wfile.write(data[: len(data) // 2])
                self._reset(is_orderly=True)
                return
            if fault == "slow":
                for begin in range(0, len(data), len(data) // 4 + 1):
                    self.wfile.write(data[begin : begin + len(data) // 4 + 1])
                    time.sleep(0.05)
            elif self.command != "HEAD":
                self.wfile.write(data)
            if self.command == "GET":
                with proxy.lock:
                    proxy.n_sent += len(data)

        def _reset(self, *, is_orderly: bool = False) -> None:
            if not is_orderly:
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            self.connection.close()

        def log_message(self, *words: object) -> None:
            pass

    return Handler
