"""Changing the state of a letter: its recipients, its own row and the sums, always together."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gateway.store.counts import OWED, change
from gateway.store.notes import note
from gateway.store.sql import Transaction

_STRONGEST_FIRST = ("held", "failed", "dropped", "unknown", "relayed")


def letter_state(states: Sequence[str]) -> str:
    """What the letter as a whole is while its recipients are in these states."""
    owed = [state for state in states if state in OWED]
    if owed:
        return "deferred" if "deferred" in owed else owed[0]
    return next(state for state in _STRONGEST_FIRST if state in states)


def states_of(tx: Transaction, number: int) -> list[str]:
    rows = tx.db.execute(
        "SELECT state FROM recipients WHERE letter = ? ORDER BY position", (number,)
    )
    return [state for (state,) in rows]


def set_states(
    tx: Transaction,
    number: int,
    of: Collection[str],
    state: str,
    now: int,
    why: str,
) -> int:
    """Bring every recipient that is in one of the states `of` to `state`; gives how many."""
    before = states_of(tx, number)
    after = [state if each in of else each for each in before]
    changed = sum(each in of for each in before)
    if changed:
        tx.db.executemany(
            "UPDATE recipients SET state = ? WHERE letter = ? AND position = ?",
            [(state, number, place) for place, each in enumerate(before) if each in of],
        )
        write_letter(tx, number, before, after, due=now, why=why)
    return changed


_CHANGE = (
    "UPDATE letters SET state = ?, due = ?, some_held = ?, why = ?, lease = '', wish = '', "
    "pressed = 0{} WHERE number = ?"
)
_CHANGE_STATE = _CHANGE.format("") + " RETURNING answers, one_to_one"
_END_ATTEMPT = _CHANGE.format(", attempts = attempts + 1, strikes = 0, backlog = 1")


def write_letter(
    tx: Transaction,
    number: int,
    before: Sequence[str],
    after: Sequence[str],
    *,
    due: int,
    why: str,
    attempted: tuple[int, bool] | None = None,
) -> str:
    """The letter's row and its share of the sums, as its recipients change; gives its state.

    `attempted`, which is what it answers for and whether one to one, says that an attempt ended.
    """
    state = letter_state(after)
    values = (state, due if state in OWED else None, int("held" in after), why, number)
    if attempted is None:
        answers, one_to_one = tx.db.execute(_CHANGE_STATE, values).fetchone()
    else:
        tx.db.execute(_END_ATTEMPT, values)
        answers, one_to_one = attempted
    change(tx.counts, answers, bool(one_to_one), before, after)
    return state


def end_waiting(tx: Transaction, letter_id: str, queue_id: str, now: int) -> None:
    """Drop the acknowledgement of a letter that was not delivered; the right to one is free."""
    for number, id_ in tx.db.execute(
        "SELECT number, id FROM letters WHERE waits_for = ? AND state = 'waiting'/*pg FOR UPDATE*/",
        (letter_id,),
    ).fetchall():
        note(tx, queue_id, now, "not acknowledged", f"{letter_id} was not delivered")
        set_states(tx, number, OWED, "dropped", now, "its letter was not delivered")
        tx.db.execute("DELETE FROM acknowledgements WHERE letter_id = ?", (id_,))


def wake_waiting(tx: Transaction, letter_id: str, now: int) -> None:
    """The letter was delivered: its acknowledgement is due at once."""
    rows = tx.db.execute(
        "UPDATE letters SET state = 'queued', due = ? WHERE waits_for = ? AND state = 'waiting' "
        "RETURNING number",
        (now, letter_id),
    ).fetchall()
    for (number,) in rows:
        tx.db.execute("UPDATE recipients SET state = 'queued' WHERE letter = ?", (number,))
