"""Reports about our letters get signed Message-IDs too, whatever their letter's id looks like."""

from __future__ import annotations

import pytest

from gateway.acknowledgement.message_ids import MessageIds

IDS = MessageIds((b"secret",), "mx1.example.net")


@pytest.mark.parametrize(
    "letter_id", ["1M86CMW9NA09200", "1M86CMW9NA09200.1", "1M86CMW9NA09200.12.notice3",
                  "1M86CMW9NA09200.1.dsn0", "1M86CMW9NA09200.1.copy", "Q.1.card.dsn12"],
)  # fmt: skip
def test_the_id_of_any_letter_can_be_signed(letter_id):
    made = IDS.make(letter_id, "dsn")
    assert IDS.ours(made)
    assert not IDS.ours(made.replace(letter_id, letter_id + "x"))
