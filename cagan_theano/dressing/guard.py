"""What the server of `cagan demo` answers: its own page's requests, of bounded size, and nothing else."""

import contextlib
import re
from pathlib import Path

HOST = "127.0.0.1"
MEGABYTE = 2**20
MAX_FILE = 50 * MEGABYTE
MAX_UPLOAD = 500 * MEGABYTE  # of one upload, which may have several files
MAX_FOLDER = 2000 * MEGABYTE  # of the temporary folder: photos and results of all swaps since the start
UPLOAD = "/gradio_api/upload"
JOIN = "/gradio_api/queue/join"
POSTS = (UPLOAD, JOIN, "/gradio_api/cancel", "/gradio_api/reset")
EXAMPLES = "/gradio_api/run/load_example"
"""All that the page posts to, the last as a beginning; gradio answers more."""
FULL = "The page's temporary folder is full; stop the page and start it again."
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'none'"
)
"""Content-Security-Policy of the page: the browser refuses whatever comes from another host."""


def measure_folder(folder: Path) -> int:
    """Bytes of all files below a folder."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # renamed since
            total += path.stat().st_size
    return total


def refuse(method: str, path: str, headers: dict[str, str], room: int) -> tuple[int, str] | None:
    """(status, reason) for a request that the page does not answer, None for its own.

    headers: names in lower case.  room: bytes that may still be uploaded.
    """
    host, reads = headers.get("host", ""), method in ("GET", "HEAD")
    if re.sub(r":\d+$", "", host) not in (HOST, "localhost"):
        return 403, "This page answers only at 127.0.0.1 and localhost."
    opened = reads and headers.get("sec-fetch-mode") == "navigate"  # a link to the page, in another one
    foreign = headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and not opened
    if foreign or headers.get("origin", f"http://{host}") != f"http://{host}":
        return 403, "This page answers only itself, no other page."
    if "://" in path or "/proxy=" in path:
        return 403, "This page opens no addresses."
    if reads:
        return None
    if method != "POST" or path not in POSTS and not path.startswith(EXAMPLES):
        return 405, "This page takes no such request."
    length = headers.get("content-length", "")
    if not re.fullmatch("[0-9]{1,12}", length) or "transfer-encoding" in headers:
        return 411, "Send the length of the content."
    if int(length) > (MAX_UPLOAD if path == UPLOAD else MEGABYTE):
        return 413, f"More than {MAX_UPLOAD // MEGABYTE} MB at once; add fewer or smaller photos."
    if path == UPLOAD and int(length) > room:
        return 507, FULL
    return None


class Guard:
    """ASGI middleware: `refuse`, and the Content-Security-Policy for every response."""

    HEADERS = (b"content-security-policy", POLICY.encode()), (b"referrer-policy", b"same-origin")

    def __init__(self, app, folder: Path):
        self.app, self.folder, self.arriving = app, folder, 0

    async def __call__(self, scope, receive, send):
        async def send_with_policy(message):
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *self.HEADERS]}
            await send(message)

        if scope["type"] == "websocket":  # which the page does not use
            return await send({"type": "websocket.close"})
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = {name.decode("latin1").lower(): value.decode("latin1") for name, value in scope["headers"]}
        upload = scope["path"] == UPLOAD
        room = MAX_FOLDER - self.arriving - measure_folder(self.folder) if upload else 0
        if refusal := refuse(scope["method"], scope["path"], headers, room):
            status, reason = refusal
            kind = [(b"content-type", b"text/plain")]
            await send_with_policy({"type": "http.response.start", "status": status, "headers": kind})
            return await send({"type": "http.response.body", "body": reason.encode()})
        length = int(headers["content-length"]) if upload and scope["method"] == "POST" else 0
        self.arriving += length
        try:
            await self.app(scope, receive, send_with_policy)
        finally:
            self.arriving -= length
