"""The letters of the demonstration, and how each is sent. Written for it; nobody's real mail."""

from __future__ import annotations

from base64 import encodebytes
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime

GENUINE, FORGED = "127.0.0.2", "127.0.0.3"
"""Where letters come from: senders' SPF records name the first only."""


@dataclass(frozen=True, slots=True)
class DemoLetter:
    """One letter, its envelope, and how its sender would prove who it is."""

    title: str
    author: str
    """`Name <address>`."""
    recipient: str
    subject: str
    body: str
    client_ip: str = GENUINE
    signed: bool = True
    reverse_path: str | None = None
    """Default: the author's address; `""` is the null path."""
    content_type: str = "text/plain; charset=utf-8"
    extra: tuple[tuple[str, str], ...] = ()

    @property
    def address(self) -> str:
        return self.author.partition("<")[2].rstrip(">")

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]

    @property
    def envelope_sender(self) -> str:
        return self.address if self.reverse_path is None else self.reverse_path

    def octets(self, now: datetime, number: int) -> bytes:
        """The whole message, CRLF line ends, as its author's program would write it."""
        name, _, address = self.author.rpartition(" ")
        fields = [
            ("From", f"{Header(name, maxlinelen=200).encode()} {address}"),
            ("To", f"<{self.recipient}>"),
            ("Subject", Header(self.subject, maxlinelen=200).encode()),
            ("Date", format_datetime(now)),
            ("Message-ID", f"<demo-{number}.{now:%Y%m%d%H%M%S}@{self.domain}>"),
            *self.extra,
            ("MIME-Version", "1.0"),
            ("Content-Type", self.content_type),
            ("Content-Transfer-Encoding", "8bit"),
        ]
        header = "".join(f"{field}: {value}\r\n" for field, value in fields)
        body = self.body.strip("\n").replace("\n", "\r\n") + "\r\n"
        return (header + "\r\n" + body).encode()


def _receipt() -> str:
    """An HTML-only letter with an attachment, as a phone sends it."""
    picture = encodebytes(bytes(range(256)) * 12).decode()
    return f"""--=_demo
Content-Type: text/html; charset=utf-8

<html><body><p>Hello,</p><p>please find attached a photo of the receipt for order
<b>20817</b>. You asked for it on Monday so that the warranty can be registered.</p>
<p>Kind regards<br>Noor Haddad</p></body></html>

--=_demo
Content-Type: image/jpeg; name="receipt.jpg"
Content-Disposition: attachment; filename="receipt.jpg"
Content-Transfer-Encoding: base64

{picture}--=_demo--
"""


LETTERS = (
    DemoLetter(
        "irate: bait and switch",
        "Daniel Whitfield <d.whitfield@riverbend.example>",
        "support@shop.example",
        "You took my money for two-day shipping and sent it ground",
        """
I picked your store because the product page promised free two-day shipping. I selected it,
the checkout confirmed it, and I have the screenshot. Yesterday I get a tracking mail and what
do I see? Ground. Seven days. Nobody asked me, nobody told me, you just changed it and hoped
I would not notice.

That is bait and switch, plain and simple. You advertise one thing to get the order and then you
deliver something worse. I wrote to you twice about it and got nothing back, not one word. I am
disgusted. I will tell everyone I know, and I will post those screenshots wherever people look
before they buy from you, because other customers deserve to know how you treat them.

Daniel Whitfield
Order #10423
+1 202-555-0143
""",
    ),
    DemoLetter(
        "urgent, polite",
        "Priya Raman <priya@ramanevents.example>",
        "orders@shop.example",
        "Order 20991, lanterns for tomorrow afternoon",
        """
Hello,

I hope you can help. The forty paper lanterns of order 20991 were to arrive today and the
tracking has not moved since Sunday. The wedding they are for is tomorrow at two in the
afternoon, so the guests arrive in less than a day.

Could somebody find out where the parcel is? I can drive to a depot tonight if that helps.

Thank you very much,
Priya Raman
""",
    ),
    DemoLetter(
        "happy",
        "Tom Okafor <tom.okafor@meadow.example>",
        "support@shop.example",
        "Thank you!",
        """
Just a quick note to say thank you. The replacement kettle came this morning, two days earlier
than you said, and it works beautifully. Whoever packed it even put in a card. You have made
my mother very happy, and I will gladly order from you again.

All the best
Tom
""",
    ),
    DemoLetter(
        "German",
        "Jürgen Weiß <j.weiss@lindenhof.example>",
        "support@shop.example",
        "Lieferadresse zu Bestellung 31877 ändern",
        """
Guten Tag,

bei der Bestellung 31877 habe ich versehentlich die alte Adresse angegeben. Können Sie die
Lieferung bitte an die Lindenallee 12 in 04109 Leipzig schicken? Die Rechnungsadresse bleibt
unverändert.

Mit freundlichen Grüßen
Jürgen Weiß
""",
    ),
    DemoLetter(
        "three questions",
        "Ana Duarte <ana@duartedesign.example>",
        "support@hosting.example",
        "Moving two sites to you",
        """
Hi,

we are thinking of moving two small web sites to your medium plan and I have three questions.

1. Which PHP versions do you offer on that plan?
2. Can we keep our mail with another provider while the web site is with you?
3. How long does a move usually take for a site of about 8 GB?

Best regards
Ana Duarte
""",
    ),
    DemoLetter(
        "spam",
        "Mega Prize Center <winner-desk@prizes-4u.example>",
        "support@shop.example",
        "CONGRATULATIONS!!! You are selected - claim your $1,000,000 today",
        """
Dear Lucky Winner,

CONGRATULATIONS! Your email address was selected in our international online lottery and you
have WON the sum of $1,000,000.00 USD!!! To claim your prize money you must act now. Click here
http://claim.prizes-4u.example/win?id=88213 and enter your bank account details and password to
receive the transfer within 24 hours.

100% guaranteed, risk free, no obligation. Cheap viagra and weight loss pills for all winners!!!
This offer expires today. Kindly send the processing fee of $250 by Western Union.

Dr. Mark Johnson, Claims Agent
Unsubscribe: http://prizes-4u.example/out
""",
        signed=False,
        reverse_path="bounce-991@prizes-4u.example",
    ),
    DemoLetter(
        "forged sender",
        "Tom Okafor <tom.okafor@meadow.example>",
        "billing@shop.example",
        "Please change my bank details",
        """
Hello,

I would like my refund for order 20114 to be paid to a new account. Please use the account
details I will send in my next mail and confirm once you have changed it.

Regards
Tom Okafor
""",
        client_ip=FORGED,
        signed=False,
    ),
    DemoLetter(
        "out of office",
        "Helen Marsh <h.marsh@brightwell.example>",
        "support@shop.example",
        "Automatic reply: Your order 20655",
        """
Thank you for your e-mail. I am out of the office until Monday and have no access to my mail.
In urgent cases please write to my colleagues.

Helen Marsh
""",
        reverse_path="",
        extra=(("Auto-Submitted", "auto-replied"), ("X-Auto-Response-Suppress", "All")),
    ),
    DemoLetter(
        "newsletter",
        "Packaging Weekly <news@packagingweekly.example>",
        "support@shop.example",
        "This week: recycled cardboard, and three machines we tested",
        """
Packaging Weekly, issue 47

Recycled cardboard has become ten per cent cheaper since spring. We visited two mills and asked
what comes next. Also in this issue: three taping machines compared, and a reader's question
about paper tape in damp stores.

Read on at https://packagingweekly.example/47
You receive this because you subscribed. Unsubscribe: https://packagingweekly.example/u/5521
""",
        reverse_path="bounce-47-5521@packagingweekly.example",
        extra=(
            ("List-Id", "Packaging Weekly <weekly.packagingweekly.example>"),
            ("List-Unsubscribe", "<https://packagingweekly.example/u/5521>"),
            ("Precedence", "bulk"),
        ),
    ),
    DemoLetter(
        "attachment, HTML only",
        "Noor Haddad <noor@haddadfamily.example>",
        "billing@shop.example",
        "Receipt for the warranty",
        _receipt(),
        content_type='multipart/mixed; boundary="=_demo"',
    ),
)
