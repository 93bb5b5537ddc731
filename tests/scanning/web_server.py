"""A web server on loopback: files by ranges or whole, redirects, errors and cut answers by path.

`/ranges/NAME` answers parts, `/whole/NAME` sends everything whatever is asked for, `/moved/NAME`
redirects to the former, `/loop/NAME` to itself, `/cut/NAME` ends half way, `/busy/NAME` answers
503 twice before each good answer, `/refused/NAME` 403, `/folder/` is a page of links. A name that
is not there is 404.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.scanning.loopback import Loopback


class WebServer(Loopback):
    """Serves `contents`; `sent` counts bytes of bodies, `asked` holds method and path."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self.contents = dict(contents)
        self.sent = 0
        self.asked: list[tuple[str, str]] = []
        self.busy: dict[tuple[str, str], int] = {}
        self.serve(_handler(self))


def _handler(web: WebServer) -> type[BaseHTTPRequestHandler]:  # noqa: C901 — one class
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            web.asked.append((self.command, self.path))
            kind, _, name = self.path.lstrip("/").partition("/")
            if kind == "folder" and not name:
                links = "".join(f'<a href="{n}">{n}</a>' for n in web.contents)
                return self._answer(200, links.encode(), {"Content-Type": "text/html"})
            if name not in web.contents:
                return self._answer(404, b"not here")
            if kind in ("moved", "loop"):
                target = f"/{'ranges' if kind == 'moved' else 'loop'}/{name}"
                return self._answer(302, b"", {"Location": target})
            if kind == "refused":
                return self._answer(403, b"no")
            if kind == "busy" and self._is_busy():
                return self._answer(503, b"later")
            return self._file(web.contents[name], kind)

        do_HEAD = do_GET  # noqa: N815

        def _is_busy(self) -> bool:
            key = self.command, self.headers.get("Range") or ""
            web.busy[key] = web.busy.get(key, 0) + 1
            return web.busy[key] <= 2

        def _file(self, data: bytes, kind: str) -> None:
            wanted = self.headers.get("Range")
            if wanted is None or kind == "whole":
                return self._answer(200, data, is_cut=kind == "cut")
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            end = min(int(last) + 1, len(data))
            about = {"Content-Range": f"bytes {first}-{end - 1}/{len(data)}"}
            return self._answer(206, data[int(first) : end], about, is_cut=kind == "cut")

        def _answer(
            self, status: int, body: bytes, headers: Any = None, *, is_cut: bool = False
        ) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "HEAD":
                return
            body = body[: len(body) // 2] if is_cut else body
            web.sent += len(body)
            self.wfile.write(body)
            self.close_connection = is_cut

        def log_message(self, *words: object) -> None:
            pass

    return Handler
