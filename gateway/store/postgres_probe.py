"""A look at a PostgreSQL before mail is trusted to it. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from gateway.store import StoreError
from gateway.store.postgres_door import Doorkeeper, first_line
from gateway.store.postgres_schema import version
from gateway.store.schema import migrations, too_new

OLDEST = 130000
"""PostgreSQL 13: older ones get no corrections any more."""


@dataclass(frozen=True, slots=True)
class Remark:
    what: str
    mend: str
    wrong: bool = True
    """False: the gateway can run with it, but hardly as meant."""


def look(url: str) -> list[Remark]:
    """Raises UnreachableError, or StoreError when the server refuses us."""
    with Doorkeeper(url, application="gateway check").connect() as db:
        try:
            return [*_durability(db), *_version(db), *_rights(db)]
        except psycopg.Error as error:
            raise StoreError(f"PostgreSQL: {first_line(error)}") from None


def _setting(db: psycopg.Connection, name: str) -> str:
    row = db.execute("SELECT current_setting(%s, true)", (name,)).fetchone()
    return str(row[0]) if row and row[0] is not None else ""


def _durability(db: psycopg.Connection) -> list[Remark]:
    found = []
    for name in ("fsync", "full_page_writes"):
        if _setting(db, name) == "off":
            what = (
                f"the server runs with {name} = off: a power cut loses mail that was answered 250"
            )
            found.append(Remark(what, f"set {name} = on in postgresql.conf"))
    if _setting(db, "transaction_read_only") == "on":
        found.append(
            Remark("the server is a standby, which only reads", "name the primary, or both hosts "
                   "and target_session_attrs=read-write")
        )  # fmt: skip
    return found


def _version(db: psycopg.Connection) -> list[Remark]:
    found = []
    number = db.info.server_version
    if 0 < number < OLDEST:
        what = f"the server is PostgreSQL {number // 10000}, which is not looked after any more"
        found.append(Remark(what, "use 13 or later", wrong=False))
    if version(db) > len(migrations()):
        what, _, mend = str(too_new(version(db), len(migrations()))).partition(": ")
        found.append(Remark(what, mend))
    encoding = _setting(db, "server_encoding")
    if encoding not in ("UTF8", ""):
        mend = "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        found.append(Remark(f"the database speaks {encoding}, not UTF-8", mend))
    return found


def _rights(db: psycopg.Connection) -> list[Remark]:
    """Tables must be made once, and again when a later version brings new ones."""
    row = db.execute(
        "SELECT current_schema(), has_schema_privilege(current_schema(), 'CREATE')"
    ).fetchone()
    if row and row[0] and row[1]:
        return []
    mend = "GRANT CREATE, USAGE ON SCHEMA public TO the gateway's role, or make it the owner"
    return [Remark("the role may make no tables in the database", mend)]
