"""Getting a connection to PostgreSQL, with what every one of ours must have set."""

from __future__ import annotations

import threading
import time
from typing import Any

import psycopg
from psycopg.types.numeric import Int8BinaryDumper, IntLoader

from gateway.store import StoreError, UnreachableError

CONNECT = 5
"""Seconds to wait for a connection."""
PAUSE = 0.5
"""Seconds for which a server that was not to be reached is not asked again."""
_ALIVE: dict[str, Any] = {
    # A server whose machine vanished says nothing: 15 s without an answer end the connection.
    "connect_timeout": CONNECT,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15000,
}
_SETTINGS = (
    "SET lock_timeout = '5s'",
    "SET statement_timeout = '60s'",
    # The other way round: locks of a machine that vanished are not held for hours.
    "SET idle_in_transaction_session_timeout = '30s'",
)


class Doorkeeper:
    """Connects; after a failure nobody tries again for a moment, so that callers hear at once."""

    def __init__(self, url: str, *, application: str = "gateway") -> None:
        self._url = url
        self._application = application
        self._lock = threading.Lock()
        self._closed_until = 0.0
        self._why: StoreError | None = None

    def connect(self) -> psycopg.Connection[Any]:
        """Raises UnreachableError, or StoreError when the server refuses us; no URL in either."""
        with self._lock:
            if self._why is not None and time.monotonic() < self._closed_until:
                raise type(self._why)(str(self._why))
        try:
            connection = psycopg.connect(
                self._url,
                autocommit=True,
                prepare_threshold=2,
                application_name=self._application,
                **_ALIVE,
            )
        except psycopg.Error as error:
            why = _reason(error)
            with self._lock:
                self._why, self._closed_until = why, time.monotonic() + PAUSE
            raise why from None
        try:
            _prepare(connection)
        except psycopg.Error as error:
            connection.close()
            raise UnreachableError(f"PostgreSQL: {first_line(error)}") from None
        return connection


def _prepare(connection: psycopg.Connection[Any]) -> None:
    connection.prepared_max = 1000
    connection.adapters.register_dumper(int, Int8BinaryDumper)  # one plan for numbers of all sizes
    connection.adapters.register_loader("numeric", IntLoader)  # sums: they are whole
    for setting in _SETTINGS:
        connection.execute(setting)
    (durable,) = connection.execute("SELECT current_setting('synchronous_commit')").fetchone() or (
        "",
    )
    if durable in ("off", "local"):  # what is stronger stays
        connection.execute("SET synchronous_commit = on")


def first_line(error: psycopg.Error) -> str:
    """What the server said, without the statement and its values: those are customers' data."""
    said = error.diag.message_primary or str(error).strip().partition("\n")[0]
    return said[:300]


_LASTING = (
    "authentication failed",
    "does not exist",
    "pg_hba.conf",
    "permission denied",
    "not permitted",
)
"""Refusals that time does not mend. In any other word, or language, it may be on its way."""


def _reason(error: psycopg.Error) -> StoreError:
    """Of libpq's text the reason alone: where we connect to is part of a secret."""
    if not isinstance(error, psycopg.OperationalError):
        return StoreError("PostgreSQL: the URL cannot be read")
    lines = [
        line.strip() for line in str(error).splitlines() if "failed: " in line or "FATAL" in line
    ]
    reasons = "; ".join(dict.fromkeys(line.rpartition("failed: ")[2] for line in lines))[:300]
    if "FATAL" in reasons and any(word in reasons for word in _LASTING):
        return StoreError(f"PostgreSQL refuses us: {reasons}")
    return UnreachableError(f"PostgreSQL cannot be reached: {reasons or 'no answer'}")
