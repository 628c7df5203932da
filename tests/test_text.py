"""What a reader sees of a letter, and which of it is the customer's own new words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message import Message
from gateway.text import Link, Reading, phrases, plain_letters, read
from gateway.text.render import render

Read = Callable[..., Reading]

WORDS = {
    "en": ("I am still waiting for the lamp.", "And nobody answers the phone."),
    "de": ("Ich warte immer noch auf die Lampe.", "Und niemand geht ans Telefon."),
    "fr": ("J'attends toujours la lampe.", "Et personne ne répond au téléphone."),
    "es": ("Sigo esperando la lámpara.", "Y nadie contesta el teléfono."),
    "it": ("Aspetto ancora la lampada.", "E nessuno risponde al telefono."),
    "pt": ("Ainda estou à espera do candeeiro.", "E ninguém atende o telefone."),
    "nl": ("Ik wacht nog steeds op de lamp.", "En niemand neemt de telefoon op."),
}
HISTORY = ("Dear customer, the lamp has left our house.", "Your team")


@pytest.fixture
def letter(arrive: Callable[..., Message]) -> Read:
    """`letter(text)` reads a letter of plain text, `letter(html=…)` one of HTML, or both."""

    def make(plain: str | None = None, html: str | None = None, subject: str = "Lamp") -> Reading:
        head = f"From: Jane Doe <jane@example.org>\nSubject: {subject}\nMIME-Version: 1.0\n"
        parts = [
            f"Content-Type: text/{kind}; charset=utf-8\n\n{text}"
            for kind, text in (("plain", plain), ("html", html))
            if text is not None
        ]
        if len(parts) == 2:
            body = "".join(f"--x\n{part}\n" for part in parts) + "--x--\n"
            content = f"{head}Content-Type: multipart/alternative; boundary=x\n\n{body}"
        else:
            content = head + parts[0]
        return read(arrive(content.replace("\n", "\r\n").encode()))

    return make


ATTRIBUTIONS = {
    "en": (
        "On Mon, Nov 23, 2026 at 10:02 AM Support <support@shop.example> wrote:",
        "On 23 Nov 2026, at 10:02, Support <support@shop.example> wrote:",
        "On 23/11/2026 10:02, Support wrote:",
        "On Mon, Nov 23, 2026 at 10:02 AM Support Team of The Shop\n<support@shop.example> wrote:",
        "On Monday, November 23rd, 2026 at 10:02, Support\n<support@shop.example>\nwrote:",
    ),
    "de": (
        "Am Mo., 23. Nov. 2026 um 10:02 Uhr schrieb Support <support@shop.example>:",
        "Am 23.11.2026 um 10:02 schrieb Support <support@shop.example>:",
        "Am 23.11.26 um 10:02 schrieb Support:",
        "Support <support@shop.example> schrieb am Mo., 23. Nov. 2026, 10:02:",
    ),
    "fr": (
        "Le lun. 23 nov. 2026 à 10:02, Support <support@shop.example> a écrit :",
        "Le 23 nov. 2026 à 10:02, Support <support@shop.example> a écrit\xa0:",
        "Le 23/11/2026 à 10:02, Support a écrit :",
    ),
    "es": (
        "El lun, 23 nov 2026 a las 10:02, Support (<support@shop.example>) escribió:",
        "El 23 nov 2026, a las 10:02, Support <support@shop.example> escribió:",
        "El 23/11/26 a las 10:02, Support escribió:",
    ),
    "it": (
        "Il giorno lun 23 nov 2026 alle ore 10:02 Support <support@shop.example> ha scritto:",
        "Il giorno 23 nov 2026, alle ore 10:02, Support <support@shop.example> ha scritto:",
        "Il 23/11/2026 10:02, Support ha scritto:",
    ),
    "pt": (
        "Em seg., 23 de nov. de 2026 às 10:02, Support <support@shop.example> escreveu:",
        "Support <support@shop.example> escreveu (segunda, 23/11/2026 à(s) 10:02):",
        "No dia 23/11/2026, às 10:02, Support <support@shop.example> escreveu:",
    ),
    "nl": (
        "Op ma 23 nov 2026 om 10:02 schreef Support <support@shop.example>:",
        "Op 23 nov. 2026, om 10:02 heeft Support <support@shop.example> het volgende geschreven:",
        "Op 23-11-2026 om 10:02 schreef Support:",
    ),
}
EACH_ATTRIBUTION = [(lang, line) for lang, lines in ATTRIBUTIONS.items() for line in lines]


@pytest.mark.parametrize(("language", "line"), EACH_ATTRIBUTION)
@pytest.mark.parametrize("prefix", ["> ", ">", ""])
def test_what_follows_an_attribution_is_quoted(
    letter: Read, language: str, line: str, prefix: str
) -> None:
    """Gmail, Apple Mail and Thunderbird; with prefixes, and without as some web mailers send it."""
    own = WORDS[language]
    quoted = "\n".join(prefix + text for text in HISTORY)
    reading = letter(f"{own[0]}\n{own[1]}\n\n{line}\n\n{quoted}\n")
    assert reading.new_text == f"{own[0]}\n{own[1]}"
    assert HISTORY[0] in reading.quoted
    assert HISTORY[0] in reading.text
    assert reading.language == language


HEADER_BLOCKS = {
    "en": ("From", "Sent", "To", "Subject"),
    "de": ("Von", "Gesendet", "An", "Betreff"),
    "fr": ("De", "Envoyé", "À", "Objet"),
    "es": ("De", "Enviado el", "Para", "Asunto"),
    "it": ("Da", "Inviato", "A", "Oggetto"),
    "pt": ("De", "Enviada em", "Para", "Assunto"),
    "nl": ("Van", "Verzonden", "Aan", "Onderwerp"),
}


@pytest.mark.parametrize("language", HEADER_BLOCKS)
@pytest.mark.parametrize("form", ["{}: {}", "*{}:* {}", "{} : {}"])
@pytest.mark.parametrize("rule", ["", "_" * 32 + "\n", "-" * 40 + "\n"])
def test_outlook_copies_header_lines(letter: Read, language: str, form: str, rule: str) -> None:
    values = ("Support <support@shop.example>", "23.11.2026 10:02", "Jane Doe", "Lamp")
    lines = zip(HEADER_BLOCKS[language], values, strict=True)
    block = "\n".join(form.format(name, value) for name, value in lines)
    own = WORDS[language]
    reading = letter(f"{own[0]}\n\n{own[1]}\n\n{rule}{block}\n\n{HISTORY[0]}\n{HISTORY[1]}\n")
    assert reading.new_text == f"{own[0]}\n\n{own[1]}"
    assert HISTORY[0] in reading.quoted


@pytest.mark.parametrize(
    "separator",
    [
        "-----Original Message-----",
        "-------- Original Message --------",
        "---------- Forwarded message ---------",
        "-------- Forwarded Message --------",
        "Begin forwarded message:",
        "-----Ursprüngliche Nachricht-----",
        "-------- Weitergeleitete Nachricht --------",
        "Anfang der weitergeleiteten Nachricht:",
        "-----Message d'origine-----",
        "-------- Message transféré --------",
        "Début du message réexpédié :",
        "-----Mensaje original-----",
        "-------- Mensaje reenviado --------",
        "Inicio del mensaje reenviado:",
        "-----Messaggio originale-----",
        "-------- Messaggio Inoltrato --------",
        "Inizio messaggio inoltrato:",
        "-----Mensagem original-----",
        "-------- Mensagem encaminhada --------",
        "Início da mensagem reencaminhada:",
        "-----Oorspronkelijk bericht-----",
        "-------- Doorgestuurd bericht --------",
        "Begin doorgestuurd bericht:",
        "##- Please type your reply above this line -##",
    ],
)
def test_separators(letter: Read, separator: str) -> None:
    reading = letter(f"See below, please.\n\n{separator}\n\n{HISTORY[0]}\n")
    assert reading.new_text == "See below, please."
    assert HISTORY[0] in reading.quoted


@pytest.mark.parametrize(
    "line",
    [
        "Sent from my iPhone",
        "Sent from my Samsung Galaxy smartphone.",
        "Sent from Yahoo Mail on Android",
        "Sent from Outlook for iOS",
        "Get Outlook for Android",
        "Sent with Proton Mail secure email.",
        "Von meinem iPhone gesendet",
        "Gesendet mit der Telekom Mail App",
        "Gesendet von Outlook für iOS",
        "Diese Nachricht wurde von meinem Android-Mobiltelefon mit GMX Mail gesendet.",
        "Envoyé de mon iPhone",
        "Envoyé à partir de Outlook pour Android",
        "Télécharger Outlook pour Android",
        "Enviado desde mi iPhone",
        "Obtener Outlook para Android",
        "Inviato da iPhone",
        "Inviato dal mio telefono Huawei",
        "Enviado do meu iPhone",
        "Enviado a partir do Outlook para Android",
        "Verstuurd vanaf mijn iPhone",
        "Verzonden vanaf Outlook voor Android",
        "Sent from Outlook for Android<https://links.example/AAb9ysg>",
        "Sent with [Proton Mail](https://proton.example/mail/home) secure email.",
        "Sent from my iPhone, please excuse any typos.",
        "Sent via the Samsung Galaxy S24, an AT&T 5G smartphone",
        "Von Outlook für Android<https://links.example/AAb9ysg> gesendet",
        "Von meinem/meiner Galaxy gesendet",
        "Outlook für Android herunterladen",
        "Obtenir Outlook pour Android",
        "Provenance : Courrier pour Windows",
        "Obtén Outlook para iOS",
        "Obter Outlook para Android",
        "Haal Outlook voor iOS op",
    ],
)
def test_phones_sign_by_themselves(letter: Read, line: str) -> None:
    reading = letter(f"Where is it?\n\n{line}\n\n> {HISTORY[0]}\n")
    assert reading.new_text == "Where is it?"
    assert reading.signature == line


@pytest.mark.parametrize(
    ("closing", "kept"),
    [
        ("Kind regards,", False),
        ("Best wishes", False),
        ("Yours faithfully,", False),
        ("Cheers", False),
        ("Thanks,", True),
        ("Many thanks and kind regards", True),
        ("Mit freundlichen Grüßen", False),
        ("Viele Grüße aus Bonn", False),
        ("MfG", False),
        ("Hochachtungsvoll", False),
        ("Vielen Dank!", True),
        ("Cordialement,", False),
        ("Bien à vous", False),
        ("Veuillez agréer, Madame, Monsieur, mes salutations distinguées.", False),
        ("Merci d'avance", True),
        ("Un saludo,", False),
        ("Atentamente", False),
        ("Muchas gracias", True),
        ("Cordiali saluti", False),
        ("Distinti saluti,", False),
        ("Grazie mille", True),
        ("Com os melhores cumprimentos,", False),
        ("Atenciosamente,", False),
        ("Obrigada", True),
        ("Met vriendelijke groet,", False),
        ("Groetjes", False),
        ("Alvast bedankt", True),
    ],
)
def test_a_closing_begins_the_signature(letter: Read, closing: str, kept: bool) -> None:
    """Thanks stay among the customer's words: they say how he feels."""
    reading = letter(
        f"The lamp is broken.\n\n{closing}\nJane Doe\nHead of Lamps\n+1 212 555 0142\n"
    )
    assert reading.new_text == "The lamp is broken." + (f"\n\n{closing}" if kept else "")
    assert "+1 212 555 0142" in reading.signature


@pytest.mark.parametrize(
    "line",
    [
        "Thanks for nothing, you have ruined our holiday and I will tell everyone about it.",
        "Best of all, the driver then drove off with my parcel still in the van.",
        "Regards to Anna, who tried to help me, unlike the others in your team.",
        "Greetings cards were missing from the box.",
        "Danke für gar nichts, so geht man nicht mit Kunden um.",
        "Merci de me rappeler avant vendredi, le chantier est arrêté depuis lundi.",
        "Thanks? After all this?",
    ],
)
def test_sentences_that_begin_like_a_closing_stay(letter: Read, line: str) -> None:
    reading = letter(f"The lamp is broken.\n\n{line}\n\nJane\n")
    assert line in reading.new_text


def test_a_postscript_is_the_customers_own(letter: Read) -> None:
    reading = letter("All fine.\n\nKind regards\nJane\n\nPS: I need it by Friday.\n")
    assert reading.new_text == "All fine.\n\nPS: I need it by Friday."


def test_a_signature_delimiter(letter: Read) -> None:
    reading = letter("All fine.\n-- \nJane Doe\nwww.doe.example\nI like trains\n")
    assert reading.new_text == "All fine."
    assert reading.signature == "--\nJane Doe\nwww.doe.example\nI like trains"


def test_contact_data_without_a_closing(letter: Read) -> None:
    reading = letter("All fine.\n\nJane Doe\nDoe & Daughters Ltd\nTel. 212 555 0142\n")
    assert reading.new_text == "All fine."
    assert "212 555 0142" in reading.signature


def test_a_last_word_with_a_number_is_no_signature(letter: Read) -> None:
    last = "Sal, Sal's on Damen\n(312) 555-0147 but do not bother, I am busy being happy"
    assert letter(f"All fine.\n\n{last}").new_text == f"All fine.\n\n{last}"


DISCLAIMERS = {
    "en": "This email and any attachments are confidential and intended solely for the addressee.",
    "de": "Diese E-Mail enthält vertrauliche Informationen.",
    "fr": "Ce message et ses pièces jointes sont confidentiels et destinés à leur destinataire.",
    "es": "Este mensaje y sus adjuntos son confidenciales y van dirigidos a su destinatario.",
    "it": "Questo messaggio contiene informazioni riservate ai soli destinatari.",
    "pt": "Esta mensagem é confidencial e destina-se apenas ao seu destinatário.",
    "nl": "Dit bericht is vertrouwelijk en uitsluitend bestemd voor de geadresseerde.",
}


@pytest.mark.parametrize("language", DISCLAIMERS)
def test_disclaimers(letter: Read, language: str) -> None:
    own = WORDS[language]
    more = "If you are not the one, delete it."
    reading = letter(f"{own[0]} {own[1]}\n\n{DISCLAIMERS[language]}\n{more}\n")
    assert reading.new_text == f"{own[0]} {own[1]}"
    assert more in reading.text


@pytest.mark.parametrize(
    "line",
    [
        "CAUTION: This email originated from outside of the organization.",
        "[EXTERNAL] Do not click links unless you know the sender.",
        "You don't often get email from jane@example.org. Learn why this is important",
        "ACHTUNG: Diese E-Mail kommt von extern.",
        "Please consider the environment before printing this e-mail.",
        "Leave a Reply",
        "Your email address will not be published. Required fields are marked *",
        "This e-mail was sent from a contact form on The Shop (https://shop.example)",
        "Diese E-Mail wurde über das Kontaktformular von The Shop gesendet",
        "Deine E-Mail-Adresse wird nicht veröffentlicht.",
        "Laisser un commentaire",
        "Deja una respuesta",
        "Lascia un commento",
        "Deixe um comentário",
        "Laat een reactie achter",
        "[image: logo.png]",
        "Virenfrei.www.scanner.example",
        "Garanti sans virus.www.scanner.example",
        "Este correo electrónico ha sido comprobado en busca de virus por Avast",
        "L'absence de virus dans ce courrier électronique a été vérifiée par Avast.",
        "Questa e-mail è stata controllata per individuare virus con Avast antivirus.",
        "Dit e-mailbericht is gecontroleerd op virussen met Avast antivirussoftware.",
        "Este e-mail foi analisado pelo Avast antivírus em busca de vírus.",
    ],
)
def test_what_systems_and_pages_add(letter: Read, line: str) -> None:
    for text in (f"{line}\n\nThe lamp is broken.", f"The lamp is broken.\n\n{line}\n"):
        assert letter(text).new_text == "The lamp is broken."


@pytest.mark.parametrize(
    "line",
    [
        "Note that this is my third letter.",
        "Notice how nobody ever answers.",
        "Legal notice: you have 14 days to pay me back.",
        "External hard drive arrived broken.",
        "This email is intended as a formal complaint.",
        "Diese E-Mail wird bestimmt wieder nicht beantwortet.",
        "Ce message est destiné à votre directeur.",
        "Este mensaje va dirigido al departamento de quejas.",
        "Dit bericht is bestemd voor de directie.",
    ],
)
def test_sentences_that_begin_like_a_disclaimer_stay(letter: Read, line: str) -> None:
    text = f"Hello,\n\n{line}\nYou are thieves.\n\nPay me back."
    assert letter(text).new_text == text


@pytest.mark.parametrize(
    "banner",
    [
        "CAUTION: This email originated from outside the organization. Do not click links\n"
        "or open attachments unless you recognize the sender.",
        "[EXTERNAL EMAIL]",
        "You don't often get email from jane@example.org. Learn why this is important",
        "ACHTUNG: Diese E-Mail kommt von extern.\nÖffnen Sie keine Anhänge.",
    ],
)
def test_a_warning_right_above_the_letter_takes_none_of_it(letter: Read, banner: str) -> None:
    assert letter(f"{banner}\nYou are thieves.\n\nPay me back.").new_text == (
        "You are thieves.\n\nPay me back."
    )


@pytest.mark.parametrize(
    "typed",
    [
        "This is the third time that I write, you thieves.",
        "THIS IS THE THIRD TIME, YOU THIEVES!",
    ],
)
def test_what_is_typed_below_a_signature_is_read_before_the_quote(letter: Read, typed: str) -> None:
    reading = letter(
        f"\n-- \nJane Doe\n\n{typed}\n\nOn 23/11/2026 10:02, Support wrote:\n> Which colour?\n"
    )
    assert typed in reading.new_text
    assert "Which colour" not in reading.new_text


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nJane Doe | Senior Account Manager | Acme Corporation of London Ltd",
        "-- \nJane Doe\nRegistered in England and Wales, No. 123456, 12 High Street, London",
        "Sent from my Samsung Galaxy smartphone with the best network.",
        "Sent from my iPhone, please excuse any typos",
        "-- \nJane Doe\nThis e-mail is confidential and intended for the addressee only, see it.",
    ],
)
def test_a_signature_above_a_letter_that_is_passed_on_does_not_hide_it(
    letter: Read, signature: str
) -> None:
    passed_on = (
        "---------- Forwarded message ---------\nFrom: Carla <carla@example.org>\n"
        "Date: Mon, 3 May 2027 at 10:00\nSubject: lamp\nTo: Jane <jane@example.net>\n\n"
        "The lamp is broken."
    )
    assert letter(f"\n{signature}\n\n{passed_on}\n").new_text == "The lamp is broken."


def test_a_shop_whose_name_tells_of_me_wrote_a_letter_too(letter: Read) -> None:
    text = (
        "No!\n\nOn May 3, 2027, at 10:00 AM, I Love Lamps <info@shop.example> wrote:\n\nHello Jane"
    )
    assert letter(text).new_text == "No!"


def test_answers_between_the_lines_stay(letter: Read) -> None:
    reading = letter(
        "Hello,\n\nOn 23/11/2026 10:02, Support wrote:\n> Which colour?\n\nThe red one.\n\n"
        "> Which size?\n>\n> (We have three.)\nThe small one!\n\n> Support\n"
    )
    assert reading.new_text == "Hello,\n\nThe red one.\n\nThe small one!"
    assert reading.quoted.endswith("Which colour?\nWhich size?\n\n(We have three.)\nSupport")


def test_a_letter_passed_on_without_a_word_is_read(letter: Read) -> None:
    reading = letter(
        "\n---------- Forwarded message ---------\nFrom: Bob <bob@b.example>\nDate: Mon, 23 Nov\n"
        "Subject: leak\nTo: <jane@example.org>\n\nThe boiler leaks.\nIt is cold here.\n\nBob\n"
    )
    assert reading.new_text == "The boiler leaks.\nIt is cold here.\n\nBob"


def test_a_letter_of_quotes_only_is_read(letter: Read) -> None:
    assert letter("> The boiler leaks.\n> Bob\n").new_text == "The boiler leaks.\nBob"


def test_a_letter_of_a_signature_only_is_read(letter: Read) -> None:
    assert letter("Kind regards\nJane\n").new_text == "Kind regards\nJane"


def test_stories_are_not_quotes(letter: Read) -> None:
    text = "My neighbour wrote:\nnobody came.\nFrom: nowhere\nTo: nobody, as they say"
    assert letter(text).new_text == text


@pytest.mark.parametrize(
    "line",
    [
        "On 12 November your agent Bob wrote:",
        "On 12 November at 10:15 your agent wrote to me:",
        "Am 12. November schrieb mir Ihre Kollegin:",
        "Le 12 novembre, votre conseiller m'a écrit :",
        "El 12 de noviembre su compañera me escribió:",
        "On the 12th Bob wrote:",
        "Von meiner Seite wurde das Paket am 3.11. verschickt.",
    ],
)
def test_who_tells_what_was_written_keeps_his_words(letter: Read, line: str) -> None:
    text = f"{line}\nYou will have it on Friday.\nThat was a lie!"
    assert letter(text).new_text == text


@pytest.mark.parametrize(
    "text",
    [
        "Am Montag, 23. November 2026 um 10:02:03 MEZ hat Support <s@shop.example> Folgendes"
        " geschrieben:  \n \n Old words",
        "  On Mon, Nov 23, 2026 at 10:02 AM, Support<s@shop.example> wrote:   Old words "
        + "x " * 300,
        "---- On Mon, 23 Nov 2026 10:02:03 +0100 Support <s@shop.example> wrote ---\n\nOld words",
        "---- Am Mo., 23 Nov 2026 10:02:03 +0100 Support <s@shop.example> schrieb ----\n\n"
        "Old words",
    ],
)
def test_attributions_of_yahoo_and_zoho(letter: Read, text: str) -> None:
    assert letter(f"The lamp is broken.\n\n{text}").new_text == "The lamp is broken."


# HTML


def test_html_lines_and_paragraphs(letter: Read) -> None:
    reading = letter(
        html="<style>p{}</style><p>Dear&nbsp;all,<br>the <b>lamp</b>\nis broken.</p><ul><li>one"
        "<li>two</ul><table><tr><td>a<td>b</tr></table><script>alert(1)</script><!-- no -->"
    )
    assert reading.text == "Dear all,\nthe lamp is broken.\n\n- one\n- two\n\na b"


GMAIL = (
    '<div dir="ltr">The lamp is broken.<br clear="all"><div><br></div>-- <br><div dir="ltr" class='
    '"gmail_signature" data-smartmail="gmail_signature">Jane Doe</div></div><br><div class='
    '"gmail_quote"><div dir="ltr" class="gmail_attr">Den mån 23 nov. 2026 kl 10:02 skrev Support '
    "&lt;s@shop.example&gt;:<br></div><blockquote class=gmail_quote style='margin:0 0 0 .8ex'>"
    "Old words<br></blockquote></div>"
)
OUTLOOK = (
    '<div class="WordSection1"><p class="MsoNormal">The lamp is broken.<o:p></o:p></p></div><div '
    'id="appendonsend"></div><hr style="display:inline-block;width:98%"><div id="divRplyFwdMsg">'
    "<b>Från:</b> Support<br><b>Skickat:</b> måndag<br></div><div>Old words</div>"
)
APPLE = (
    '<html><body dir="auto">The lamp is broken.<br><br><div dir="ltr">Sent from my iPhone</div>'
    '<div dir="ltr"><br><blockquote type="cite">Den 23 nov. 2026 skrev Support &lt;s@shop.'
    'example&gt;:<br><br></blockquote></div><blockquote type="cite"><div dir="ltr">Old words</div>'
    "</blockquote></body></html>"
)
THUNDERBIRD = (
    '<p>The lamp is broken.</p><div class="moz-cite-prefix">Den 2026-11-23 skrev Support:<br></div>'
    '<blockquote type="cite" cite="mid:1@shop.example"><pre class="moz-quote-pre">Old words'
    '</pre></blockquote><pre class="moz-signature" cols="72">-- \nJane Doe</pre>'
)
YAHOO = (
    '<div>The lamp is broken.</div><div id="yahoo_quoted_1" class="yahoo_quoted"><div>Den måndag '
    "skrev Support:</div><div>Old words</div></div>"
)


MORE = {
    "outlook mobile": '<div dir="ltr">The lamp is broken.</div><div '
    'id="ms-outlook-mobile-signature">'
    '<div>Jane Doe</div></div><div id="mail-editor-reference-message-container"><div>Support &lt;s@'
    "shop.example&gt; skrev:</div><div>Old words</div></div>",
    "outlook.com": "<div>The lamp is broken.</div><div "
    'class="OutlookMessageHeader"><b>Lähettäjä:</b>'
    " Support</div><div>Old words</div>",
    "outlook of windows": "<p class=MsoNormal>The lamp is broken.</p><div><div style='border:none;"
    "border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm'><p "
    "class=MsoNormal><b>Från:</b> S<br>"
    "<b>Skickat:</b> m</p></div></div><p class=MsoNormal>Old words</p>",
    "gmail without a block": '<div dir="ltr">The lamp is broken.<br><div '
    'class="gmail_quote"><div dir'
    '="ltr" class="gmail_attr">---------- Forwarded message ---------<br>From: '
    "Support<br></div><br>"
    "<div>Old words</div></div></div>",
    "iphone": 'The lamp is broken.<br id="lineBreakAtBeginningOfSignature"><div dir="ltr">Jane Doe'
    '<div>Managing Director</div></div><blockquote type="cite"><div>Old words</div></blockquote>',
    "older iphone": 'The lamp is broken.<div id="AppleMailSignature" dir="ltr">Jane Doe</div>'
    '<blockquote type="cite"><div>Old words</div></blockquote>',
    "yahoo": '<div>The lamp is broken.</div><div class="ydp7cf2signature">Jane Doe</div><div class='
    '"ydp8yahoo_quoted">Old words</div>',
    "gmx": '<div>The lamp is broken.</div><div class="signature">Jane Doe</div><div '
    'name="quote" style'
    '="margin:10px"><div>Am 23.11.26 um 10:02 schrieb Support</div><div>Old words</div></div>',
    "spark": '<div name="messageBodySection">The lamp is broken.</div><div name='
    '"messageSignatureSection">Jane Doe</div><div name="messageReplySection">Den 23 nov. skrev S'
    '<blockquote type="cite">Old words</blockquote></div>',
    "zoho": '<div>The lamp is broken.</div><div id="Zm-_Id_-Sgn">Jane Doe</div><div>---- On '
    "Mon, 23 "
    "Nov 2026 10:02:03 +0100 <b>Support</b> wrote ---</div><blockquote>Old words</blockquote>",
    "samsung": '<div dir="auto">The lamp is broken.</div><div id="composer_signature" '
    'dir="auto">Jane '
    "Doe</div><blockquote>Old words</blockquote>",
}


@pytest.mark.parametrize("html", MORE.values(), ids=MORE)
def test_more_programs_mark_quotes_and_signatures(letter: Read, html: str) -> None:
    reading = letter(html=html)
    assert reading.new_text == "The lamp is broken."
    assert "Old words" in reading.quoted
    assert "Old words" in reading.text


def test_answers_between_quotes_that_a_program_introduced_stay(letter: Read) -> None:
    reading = letter(
        html='<div class="gmail_quote"><div class="gmail_attr">Den 23 nov. skrev Support:</div>'
        "<blockquote>Which colour?</blockquote><div>The red one.</div><blockquote>Which size?"
        "</blockquote><div>The small one!</div></div>"
    )
    assert reading.new_text == "The red one.\n\nThe small one!"


@pytest.mark.parametrize("html", [GMAIL, OUTLOOK, APPLE, THUNDERBIRD, YAHOO])
def test_mail_programs_mark_quotes_whatever_the_language(letter: Read, html: str) -> None:
    reading = letter(html=html)
    assert reading.new_text == "The lamp is broken."
    assert "Old words" in reading.quoted
    assert "Old words" in reading.text


def test_html_answers_between_the_lines_stay(letter: Read) -> None:
    reading = letter(
        html="<div class=gmail_quote><div class=gmail_attr>x wrote:</div><blockquote>Colour?"
        "</blockquote><div>Red.</div><blockquote>Size?</blockquote><div>Small.</div></div>"
    )
    assert reading.new_text == "Red.\n\nSmall."


def test_a_layout_in_cells_of_size_zero_keeps_its_text_and_links(letter: Read) -> None:
    """As newsletter builders write it: size zero against gaps, and the size again in each text."""
    reading = letter(
        html='<table><tr><td style="direction:ltr;font-size:0px;padding:20px 0">secret'
        '<div style="font-size:13px">Your order <a href="https://shop.example/o">is here</a></div>'
        'secret</td></tr></table><p style="font-size:0.0em">secret</p><p>Thanks</p>'
    )
    assert reading.text.split() == ["Your", "order", "is", "here", "Thanks"]
    assert [link.href for link in reading.links] == ["https://shop.example/o"]
    assert reading.hidden


@pytest.mark.parametrize(
    "hidden",
    [
        '<div style="display:none">secret</div>',
        '<div style="DISPLAY : NONE !important">secret</div>',
        '<span style="visibility:hidden">secret</span>',
        '<span style="font-size:0px">secret</span>',
        '<span style="font-size:1px;">secret</span>',
        '<span style="opacity:0">secret</span>',
        '<div style="max-height:0;overflow:hidden">secret</div>',
        '<span style="mso-hide:all">secret</span>',
        '<div style="position:absolute;left:-9999px">secret</div>',
        '<span style="color:transparent">secret</span>',
        '<font style="color:#FFFFFF">secret</font>',
        '<p hidden="">secret</p>',
    ],
)
def test_hidden_text_is_left_out_and_noticed(letter: Read, hidden: str) -> None:
    reading = letter(html=f"<p>Visible{hidden}</p>")
    assert reading.hidden
    assert "secret" not in reading.text
    assert "Visible" in reading.text


@pytest.mark.parametrize(
    "shown",
    [
        '<div style="background:#003366"><span style="color:#fff">shown</span></div>',
        '<table><tr><td bgcolor="#003366"><font style="color:white">shown</font></td></tr></table>',
        '<span style="font-size:10px;line-height:0.9">shown</span>',
        '<div style="font-size:0px"><div style="font-size:14px">shown</div></div>',
        '<div style="FONT-SIZE: 0;"><b style="font:16px/1.4 Arial">shown</b></div>',
        '<span style="color:#fff5f5">shown</span>',
        '<div style="max-height:none">shown</div>',
        '<div style="opacity:0.9">shown</div>',
        '<div style="left:-9px">shown</div>',
    ],
)
def test_what_can_be_seen_is_not_hidden(letter: Read, shown: str) -> None:
    reading = letter(html=f"<p>Visible</p>{shown}")
    assert not reading.hidden
    assert "shown" in reading.text


def test_the_plain_part_is_preferred(letter: Read) -> None:
    reading = letter("The lamp is broken.", "<p>The <b>lamp</b> is broken.</p>")
    assert reading.text == "The lamp is broken."


@pytest.mark.parametrize(
    "stub",
    [
        "",
        "Your e-mail client does not support HTML messages.",
        "Please view this message in a browser: https://x.example",
        "Ihr E-Mail-Programm unterstützt leider kein HTML, daher sehen Sie diese Nachricht nicht.",
        "Votre logiciel ne prend pas en charge les messages HTML.",
        "Su programa no admite mensajes HTML.",
        "Hi",
    ],
)
def test_a_plain_part_that_says_nothing_gives_way(letter: Read, stub: str) -> None:
    long = "The lamp is broken, and I have told you so three times by now."
    assert letter(stub, f"<p>{long}</p>").text == long


def test_quotes_a_thousand_deep_do_not_multiply_the_text(letter: Read) -> None:
    reading = letter(html="<p>Own</p>" + "<blockquote>" * 900 + "old<br>" * 3000)
    assert reading.new_text == "Own"
    assert reading.quoted.startswith("old\nold\n")
    page = render("<blockquote>" * 900 + "old<br>" * 3000, 200)
    assert sum(map(len, page.lines)) < 1_000_000


def test_links_and_their_text(letter: Read) -> None:
    reading = letter(
        html='<a href="https://evil.example/x">https://bank.example</a> <a href="#top">up</a>'
        ' <a href="mailto:a@b.example"><b>write</b>\n us</a><a name="x">no link</a>'
    )
    assert reading.links == (
        Link("https://evil.example/x", "https://bank.example"),
        Link("mailto:a@b.example", "write us"),
    )


def test_links_in_plain_text(letter: Read) -> None:
    reading = letter("See https://shop.example/a?b=c, or (www.shop.example).")
    assert [link.href for link in reading.links] == [
        "https://shop.example/a?b=c",
        "www.shop.example",
    ]


def test_links_are_bounded(letter: Read) -> None:
    reading = letter(html='<a href="https://x.example">x</a> ' * 5_000)
    assert len(reading.links) == 200
    assert "links (over 200)" in reading.unread


def test_images_only(letter: Read) -> None:
    reading = letter(html='<img src="cid:1"><img src="cid:2" alt="A very long description">')
    assert (reading.text, reading.new_text, reading.language) == ("", "", "und")


def test_emoji_sent_as_pictures_are_read(letter: Read) -> None:
    assert letter(html='Well <img src="x" alt="😡">').text == "Well 😡"


# Language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Where is my order?", "en"),
        ("REFUND NOW", "en"),
        ("ok thanks", "en"),
        ("Wo ist mein Paket?", "de"),
        ("Danke, passt.", "de"),
        ("Où est mon colis ?", "fr"),
        ("Merci beaucoup", "fr"),
        ("¿Dónde está mi pedido?", "es"),
        ("Quiero mi dinero", "es"),
        ("Dove è il mio pacco?", "it"),
        ("Non ho ricevuto niente", "it"),
        ("Onde está a minha encomenda?", "pt"),
        ("Não recebi nada", "pt"),
        ("Waar is mijn pakket?", "nl"),
        ("Ik heb niets ontvangen", "nl"),
        ("Var är mitt paket? Jag har väntat i tre veckor.", "sv"),
        ("Gdzie jest moja paczka? Czekam już trzy tygodnie.", "pl"),
        ("Где мой заказ? Я жду уже три недели.", "ru"),
        ("请问我的订单在哪里?我已经等了三个星期了。", "zh"),
        ("注文した商品はどこですか。", "ja"),
        ("12345", "und"),
        ("", "und"),
        ("https://shop.example/where/is/my/order", "und"),
    ],
)
def test_language_of_short_text(letter: Read, text: str, language: str) -> None:
    assert letter(text, subject="").language == language


# Letters for the classifiers


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("plain", "plain"),
        ("Grüße", "Grüße"),
        ("re\u200bfu\u00adnd", "refund"),
        ("\u202eabc\u202c", "abc"),
        ("ｆｕｌｌｗｉｄｔｈ", "fullwidth"),
        ("𝐛𝐨𝐥𝐝", "bold"),
        ("ﬁne", "fine"),
        ("раураl", "paypal"),  # Cyrillic but for the l
        ("Αmazon", "Amazon"),  # a Greek capital alpha
        ("привет", "привет"),  # a Russian word is left alone
        ("5\xa0€", "5 €"),
    ],
)
def test_plain_letters(text: str, letters: str) -> None:
    assert plain_letters(text) == letters


def test_text_is_kept_as_it_is(letter: Read) -> None:
    assert letter("re\u200bfund \u202eabc").text == "re\u200bfund \u202eabc"


@given(st.from_regex(phrases.DISCLAIMER) | st.from_regex(phrases.BOILERPLATE, fullmatch=True))
def test_no_boilerplate_is_overlooked_before_the_lines_are_read(line: str) -> None:
    line = line.strip()
    if phrases.DISCLAIMER.match(line) or phrases.BOILERPLATE.fullmatch(line):
        assert phrases.may_hold_boilerplate(f"Hello,\n{line}\n")


@given(st.from_regex(phrases.CLOSING) | st.from_regex(phrases.PHONE_MADE))
def test_no_sign_off_is_overlooked_before_the_lines_are_read(line: str) -> None:
    line = " ".join(line.split())
    if phrases.CLOSING.match(line) or phrases.PHONE_MADE.match(line):
        assert phrases.sign_offs(f"Hello,\n\n{line}\n\nJane") >= {2}
