"""Customers to be phoned: one open call for each contact and site.

A letter whose author is not proven never changes the call of one who is: both stand apart.
"""

# ruff: noqa: S608 - only names of our own and question marks are put into statements
from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from gateway.plan import Call
from gateway.store.notes import note
from gateway.store.sql import (
    Answer,
    Connection,
    Transaction,
    micros,
    moment,
    moment_or_none,
    safe,
    span,
)

DAY = span(timedelta(days=1))
UNPROVEN = "/unproven"
"""What follows the site's name where calls of unproven authors are counted or named apart."""


OVER_BUDGET = "over budget"
CARDED_BEFORE = "its sender is not proven, and it has one"


def keep_call(tx: Transaction, call: Call, now: int, *, card: bool) -> str:
    """Open a call or bring the open one up to date; gives why it has no card of this letter, if
    that is so.

    `card`: one stands ready for it. Whoever keeps calls with a budget must `be_alone`.
    """
    contact = safe(call.contact.lower())
    while (row := _open_one(tx, call, contact)) is None:
        within = not call.over_budget and not _used_up(tx.db, call, now)
        if _open(tx, call, contact, now, over=not within):  # else somebody has just opened one
            return "" if within else OVER_BUDGET
    id_, orders, questions, phrases, phone, extension, due, opened, over = row
    why = OVER_BUDGET if over else CARDED_BEFORE if card and not call.proven else ""
    if over and card and not _used_up(tx.db, call, now):
        why, over, opened = "", 0, now  # its first card counts from now on
    dues = [time for time in (due, call.due and micros(call.due)) if time is not None]
    tx.db.execute(
        "UPDATE calls SET changed = ?, due = ?, queue_id = ?, name = ?, phone = ?, extension = ?, "
        "orders = ?, questions = ?, phrases = ?, reason = ?, opened = ?, over_budget = ? "
        "WHERE id = ?",
        (
            now,
            min(dues, default=None),  # what was promised earlier still holds
            call.queue_id,
            safe(call.name),
            call.phone or phone,
            safe(call.extension) if call.phone else extension,
            _joined(orders, call.orders),
            _joined(questions, call.questions),
            _json(call.phrases) if call.phrases else phrases,
            safe(call.reason),
            opened,
            over,
            id_,
        ),
    )
    note(tx, call.queue_id, now, "call", f"{id_} brought up to date")
    return why


def _open_one(tx: Transaction, call: Call, contact: str) -> Any:
    return tx.db.execute(
        "SELECT id, orders, questions, phrases, phone, extension, due, opened, over_budget "
        "FROM calls "
        "WHERE contact = ? AND site = ? AND proven = ? AND state = 'open'/*pg FOR UPDATE*/",
        (contact, call.site, int(call.proven)),
    ).fetchone()


def _used_up(db: Connection, call: Call, now: int) -> bool:
    """Whether as many cards went out as may: many calls may be planned before one is kept."""
    if call.budget is None:
        return False
    count, proven = db.execute(CARDED, (call.site, now - span(call.budget.period))).fetchone()
    few = count < call.budget.in_all and (call.proven or count - proven < call.budget.unproven)
    return not few


def _open(tx: Transaction, call: Call, contact: str, now: int, *, over: bool) -> bool:
    """False if there is one already. It opens `now`: what was held may have come long ago."""
    row = tx.db.execute(
        "INSERT INTO calls (id, site, contact, proven, state, opened, changed, over_budget, due, "
        "queue_id, name, phone, extension, orders, questions, phrases, reason, updates) "
        "VALUES (?, ?, ?, ?, 'open', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (contact, site, proven) WHERE state = 'open' DO NOTHING RETURNING id",
        (
            call.id,
            call.site,
            contact,
            int(call.proven),
            now,
            now,
            int(over),
            None if call.due is None else micros(call.due),
            call.queue_id,
            safe(call.name),
            call.phone,
            safe(call.extension),
            _json(call.orders),
            _json(call.questions),
            _json(call.phrases),
            safe(call.reason),
            call.updates,
        ),
    ).fetchone()
    return row is not None


MOST = 50
"""Orders or questions one call holds."""


def _json(words: Sequence[str]) -> str:
    return json.dumps(words)


def _joined(before: str, new: Sequence[str]) -> str:
    return _json(list(dict.fromkeys((*json.loads(before), *new)))[:MOST])


def close_call(tx: Transaction, id_: str, outcome: str, who: str, now: int) -> bool:
    row = tx.db.execute(
        "UPDATE calls SET state = 'done', outcome = ?, closed_by = ?, changed = ? "
        "WHERE id = ? AND state = 'open' RETURNING queue_id",
        (safe(outcome), safe(who), now, id_),
    ).fetchone()
    if row is None:
        return False
    note(tx, row[0], now, "call", f"{id_} done: {outcome}", who)
    return True


# --- what recall and the commands ask ----------------------------------------------------------


def open_calls(db: Connection, contact: str) -> Answer[Mapping[str, str]]:
    rows = db.execute(
        "SELECT site, proven, id FROM calls WHERE contact = ? AND state = 'open'", (contact,)
    )
    return lambda: {site if proven else site + UNPROVEN: id_ for site, proven, id_ in rows}


CARDED = (
    "SELECT count(*), coalesce(sum(CASE WHEN proven = 1 THEN 1 ELSE 0 END), 0) "
    "FROM calls WHERE site = ? AND opened > ? AND over_budget = 0"
)


def carded(
    db: Connection, sites: Collection[str] | None, now: int, periods: Mapping[str, int]
) -> Answer[Mapping[str, int]]:
    """Cards sent within each site's period; those of unproven authors count again under their key.

    `sites` are those that matter; None is all of them.
    """
    asked = [
        (
            site,
            db.execute(
                CARDED,
                (site, now - periods.get(site, DAY)),
            ),
        )
        for site in (_sites(db, now, periods) if sites is None else sites)
    ]

    def answer() -> Mapping[str, int]:
        found: dict[str, int] = {}
        for site, rows in asked:
            count, proven = rows.fetchone()
            if count:
                found[site] = count
            if count > proven:
                found[site + UNPROVEN] = count - proven
        return found

    return answer


def _sites(db: Connection, now: int, periods: Mapping[str, int]) -> list[str]:
    longest = max(periods.values(), default=DAY)
    rows = db.execute("SELECT DISTINCT site FROM calls WHERE opened > ?", (now - longest,))
    return [site for (site,) in rows]


_COLUMNS = (
    "id, site, queue_id, contact, name, phone, extension, orders, questions, phrases, reason, due, "
    "opened, proven, over_budget, updates, state, outcome"
)


def calls(db: Connection, site: str, *, all_: bool) -> Sequence[Call]:
    """Open ones by the time they are due; with `all_` the closed ones too."""
    where, values = ["1 = 1"], list[Any]()
    if site:
        where.append("site = ?")
        values.append(site)
    if not all_:
        where.append("state = 'open'")
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM calls WHERE {' AND '.join(where)} "
        "ORDER BY coalesce(due, opened), id",
        values,
    )
    return [_call(row) for row in rows]


def _call(row: Sequence[Any]) -> Call:
    return Call(
        id=row[0],
        site=row[1],
        queue_id=row[2],
        contact=row[3],
        name=row[4],
        phone=row[5],
        extension=row[6],
        orders=tuple(json.loads(row[7])),
        questions=tuple(json.loads(row[8])),
        phrases=tuple(json.loads(row[9])),
        reason=row[10],
        due=moment_or_none(row[11]),
        opened=moment(row[12]),
        proven=bool(row[13]),
        over_budget=bool(row[14]),
        updates=row[15],
        state="open" if row[16] == "open" else "done",
        outcome=row[17],
    )
