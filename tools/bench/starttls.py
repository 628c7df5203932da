"""One message a session over STARTTLS: a process for each client, as the load tool has no TLS.

Each session is a full handshake; nothing is resumed.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tools.bench.kit import DOMAIN

SENDER = "load@sender.example"
TIME_LIMIT = 60.0


def load(
    port: int, letters: Path, *, connections: int, seconds: float, ids: Path
) -> dict[str, Any]:
    """The same figures as smtp_load gives, and the ids of what was taken written to `ids`."""
    files = sorted(str(path) for path in letters.iterdir())
    with ProcessPoolExecutor(connections) as pool:
        parts = [pool.submit(_client, port, files[n::connections], n, seconds)
                 for n in range(connections)]  # fmt: skip
        taken = [one for part in parts for one in part.result()]
    with ids.open("w") as file:
        file.writelines(f"{name}\n" for name, _, _ in taken)
    times = sorted(end - begin for _, begin, end in taken)
    return {
        "acked": len(taken),
        "failed": 0,
        "start_us": int(min(begin for _, begin, _ in taken) * 1e6),
        "lat_ms": {"p50": 1e3 * times[len(times) // 2], "p99": 1e3 * times[len(times) * 99 // 100]},
    }


def _client(
    port: int, files: list[str], number: int, seconds: float
) -> list[tuple[str, float, float]]:
    """(id, MAIL said, answered) of each message; times are monotonic seconds."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    end = time.monotonic() + seconds
    taken: list[tuple[str, float, float]] = []
    while time.monotonic() < end:
        name = f"T{number}-{len(taken)}"
        content = Path(files[len(taken) % len(files)]).read_bytes()
        begin, over = _session(port, context, name, content)
        taken.append((name, begin, over))
    return taken


def _session(port: int, context: ssl.SSLContext, name: str, content: bytes) -> tuple[float, float]:
    with socket.create_connection(("127.0.0.1", port), TIME_LIMIT) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _expect(plain, b"220")
        _say(plain, b"EHLO load.example", b"250")
        _say(plain, b"STARTTLS", b"220")
        with context.wrap_socket(plain) as secure:
            _say(secure, b"EHLO load.example", b"250")
            begin = time.monotonic()
            _say(secure, f"MAIL FROM:<{SENDER}>".encode(), b"250")
            _say(secure, f"RCPT TO:<support@{DOMAIN}>".encode(), b"250")
            _say(secure, b"DATA", b"354")
            mark = f"X-Load-Id: {name}; t={int(begin * 1e6)}\r\n".encode()
            body = content if content.endswith(b"\r\n") else content + b"\r\n"
            secure.sendall(mark + body.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            _expect(secure, b"250")
            over = time.monotonic()
            _say(secure, b"QUIT", b"221")
    return begin, over


def _say(connection: socket.socket, line: bytes, code: bytes) -> None:
    connection.sendall(line + b"\r\n")
    _expect(connection, code)


def _expect(connection: socket.socket, code: bytes) -> None:
    """Read one whole reply."""
    answer = b""
    while not answer.endswith(b"\r\n") or answer.splitlines()[-1][3:4] == b"-":
        piece = connection.recv(4096)
        if not piece:
            raise ConnectionError(f"process {os.getpid()}: hung up after {answer!r}")
        answer += piece
    if not answer.startswith(code):
        raise ConnectionError(f"{answer!r} where {code!r} was expected")
