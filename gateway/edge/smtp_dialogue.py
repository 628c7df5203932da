"""Command and reply over a wire, with the one rule for all commands: 421 ends the session."""

from __future__ import annotations

from gateway.edge.smtp_wire import Answer, Trouble, Wire
from gateway.reply import Reply


class Dialogue:
    """`limit` is the time in seconds for each reply."""

    def __init__(self, wire: Wire, limit: float) -> None:
        self.wire = wire
        self.limit = limit

    async def answer(self) -> Answer:
        """The next reply. Raises Trouble when none comes or the server closes."""
        answer = await self.wire.answer(self.limit)
        if answer.code == 421:
            # RFC 5321, 3.8: the server closes, whatever the command was.
            self.wire.abort()
            raise Trouble(delayed(answer.reply), hop_failed=True, lost=True)
        return answer

    async def say(self, command: bytes) -> Answer:
        self.wire.write(command)
        return await self.answer()

    async def command(self, line: str) -> Answer:
        return await self.say(f"{line}\r\n".encode())


def delayed(reply: Reply) -> Reply:
    """A refusal of the whole session, told as what it is for a letter: come again later."""
    if reply.temporary:
        return reply
    return Reply(451, "4" + reply.enhanced[1:], f"{reply.code} {reply.text}".strip())
