"""What the SMTP server says of its own accord; replies that others give too stand in `reply.py`."""

from __future__ import annotations

from gateway.reply import Reply

OK = Reply(250, "2.0.0", "Ok")
BYE = Reply(221, "2.0.0", "Bye")
HELP = Reply(214, "2.0.0", "EHLO HELO MAIL RCPT DATA RSET NOOP VRFY QUIT: RFC 5321")
HELP_WITH_TLS = Reply(
    214, "2.0.0", "EHLO HELO MAIL RCPT DATA RSET NOOP VRFY STARTTLS QUIT: RFC 5321"
)
READY_FOR_TLS = Reply(220, "2.0.0", "Ready to start TLS")
CANNOT_VERIFY = Reply(252, "2.0.0", "Cannot verify, but will take the message and try")
NO_MAIL_HERE = Reply(421, "4.7.0", "This is SMTP, closing the connection")
BAD_PROXY = Reply(421, "4.7.0", "No PROXY header of a balancer")
NO_HANDSHAKE = Reply(421, "4.7.0", "TLS handshake failed")
TOO_MANY_COMMANDS = Reply(421, "4.7.0", "Too many commands without mail, closing the connection")
TOO_MANY_MESSAGES = Reply(421, "4.7.0", "Enough for one session, please connect again")
BAD_LINE = Reply(500, "5.5.2", "Lines end with CRLF and hold no other control characters")
LINE_TOO_LONG = Reply(500, "5.5.2", "Line too long")
UNKNOWN_COMMAND = Reply(500, "5.5.2", "Command not recognised")
NOTHING_MAY_FOLLOW = Reply(501, "5.5.4", "Nothing may be sent after STARTTLS before TLS")
NOT_IMPLEMENTED = Reply(502, "5.5.1", "Command not implemented")
HELLO_FIRST = Reply(503, "5.5.1", "Say EHLO first")
NO_RECIPIENTS = Reply(503, "5.5.1", "No valid recipients")
TOO_EARLY = Reply(554, "5.5.1", "You spoke before the greeting (RFC 5321, 4.3.1)")
