"""The words of a call card that are ours: warnings, playbook, the draft of a first reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.plan import Call

NO_NUMBER = "answer by mail and ask for one, and for the time that suits"

PROOF = (
    "Nobody has proven who wrote this. Say why you call, and nothing of the order or the account.",
    "Ask for two things that only the customer knows: the order number and the delivery address.",
    "If the answers do not fit, end the call politely and answer by mail.",
)

PLAYBOOK = (
    "Read every word above before you dial.",
    "Let the customer finish. Say back in one sentence what went wrong, in their words.",
    "Do not argue, do not correct, do not make them look stupid; who was right can wait.",
    "Do not blame a colleague, a courier or a system.",
    "Offer what you may give, and let the customer choose.",
    "Promise only what you will do yourself, with a time, and write it down.",
    "Afterwards, confirm by mail what was agreed.",
)


def nameless(domain: str) -> str:
    """What to call somebody without a plain name."""
    return f"a customer at {domain}" if domain else "a customer without a name"


def warning(call: Call, *, known: bool, domain: str) -> str:
    """The card's first line: is the sender proven, and was the number given before?"""
    if call.proven:
        sender, says = "SENDER PROVEN", f"{domain} stands behind this letter"
    else:
        sender, says = "SENDER NOT PROVEN", "anybody may have written this"
    if not call.phone:
        return f"{sender}, NO NUMBER: {says}."
    if known:
        return f"{sender}, NUMBER KNOWN: {says}; this author gave this number before."
    after = "" if call.proven else " Ask for proof before you speak of the order."
    return f"{sender}, NUMBER NEW: {says}; this author did not give this number before.{after}"


def remarks(call: Call) -> tuple[str, ...]:
    """What else there is to know about this call."""
    found = []
    if "taken for spam" in call.reason:
        found.append("The letter was taken for spam. Read it first: a customer may be behind it.")
    if call.updates:
        found.append("A call to this customer is open already: this letter belongs to it.")
    return tuple(found)


# --- the draft -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Draft:
    """A first reply in one language, for the agent to change; braces are filled in."""

    hello: str
    nameless: str
    about: str
    """With the order, only for a proven sender."""
    read: str
    calling: str
    """For a proven sender with a number."""
    asking: str
    """Without a number, or without proof."""
    end: str


DRAFTS: Mapping[str, Draft] = {
    "en": Draft(
        "Hello {name},", "Hello,",
        "I have read your message about {orders} from beginning to end.",
        "I have read your message from beginning to end.",
        "I am going to call you at {phone} to hear what happened and to settle it with you. "
        "If another number or time suits you better, reply to this message.",
        "I would like to speak with you. At which number and at what time may I call you?",
        "[your name], {site}",
    ),
    "de": Draft(
        "Guten Tag {name},", "Guten Tag,",
        "ich habe Ihre Nachricht zu {orders} von Anfang bis Ende gelesen.",
        "ich habe Ihre Nachricht von Anfang bis Ende gelesen.",
        "Ich rufe Sie unter {phone} an, um zu hören, was geschehen ist, und es mit Ihnen zu "
        "klären. Wenn Ihnen eine andere Nummer oder Zeit lieber ist, antworten Sie auf diese "
        "Nachricht.",
        "Ich möchte gern mit Ihnen sprechen. Unter welcher Nummer und wann darf ich Sie anrufen?",
        "[Ihr Name], {site}",
    ),
    "fr": Draft(
        "Bonjour {name},", "Bonjour,",
        "j'ai lu votre message au sujet de {orders} du début à la fin.",
        "j'ai lu votre message du début à la fin.",
        "Je vous appelle au {phone} pour entendre ce qui s'est passé et le régler avec vous. Si un "
        "autre numéro ou une autre heure vous convient mieux, répondez à ce message.",
        "Je voudrais vous parler. À quel numéro et à quelle heure puis-je vous appeler ?",
        "[votre nom], {site}",
    ),
    "es": Draft(
        "Buenos días, {name}:", "Buenos días:",
        "He leído su mensaje sobre {orders} de principio a fin.",
        "He leído su mensaje de principio a fin.",
        "Le llamo al {phone} para escuchar lo que ha pasado y arreglarlo con usted. Si prefiere "
        "otro número u otra hora, responda a este mensaje.",
        "Quisiera hablar con usted. ¿A qué número y a qué hora puedo llamarle?",
        "[su nombre], {site}",
    ),
    "it": Draft(
        "Buongiorno {name},", "Buongiorno,",
        "ho letto il Suo messaggio su {orders} dall'inizio alla fine.",
        "ho letto il Suo messaggio dall'inizio alla fine.",
        "La chiamo al {phone} per sentire che cosa è successo e risolverlo con Lei. Se preferisce "
        "un altro numero o un altro orario, risponda a questo messaggio.",
        "Vorrei parlare con Lei. A quale numero e a che ora posso chiamarLa?",
        "[il Suo nome], {site}",
    ),
    "pt": Draft(
        "Olá, {name}.", "Olá.",
        "Li a sua mensagem sobre {orders} do início ao fim.",
        "Li a sua mensagem do início ao fim.",
        "Vou ligar para {phone} para ouvir o que aconteceu e resolver isso. Se preferir outro "
        "número ou outro horário, responda a esta mensagem.",
        "Gostaria de falar por telefone. Para que número e a que horas posso ligar?",
        "[o seu nome], {site}",
    ),
    "nl": Draft(
        "Beste {name},", "Goedendag,",
        "ik heb uw bericht over {orders} van begin tot eind gelezen.",
        "ik heb uw bericht van begin tot eind gelezen.",
        "Ik bel u op {phone} om te horen wat er is gebeurd en het met u op te lossen. Komt een "
        "ander nummer of een andere tijd u beter uit, beantwoord dan dit bericht.",
        "Ik wil u graag spreken. Op welk nummer en hoe laat mag ik u bellen?",
        "[uw naam], {site}",
    ),
}  # fmt: skip


def draft(
    call: Call, *, phone: str, site: str, language: str, shown: Callable[[str], str]
) -> tuple[str, ...]:
    """A first reply in the customer's language; no fact of the order unless the sender is proven.

    `phone` is the number as people write it, `shown` makes outside text harmless.
    """
    words = DRAFTS.get(language.partition("-")[0], DRAFTS["en"])
    name, orders = shown(call.name), ", ".join(shown(order) for order in call.orders[:3])
    told = call.proven and orders
    calls = call.proven and phone
    return (
        words.hello.replace("{name}", name) if name else words.nameless,
        "",
        words.about.replace("{orders}", orders) if told else words.read,
        words.calling.replace("{phone}", phone) if calls else words.asking,
        "",
        words.end.replace("{site}", site),
    )
