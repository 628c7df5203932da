"""The number at which the writer of a letter can be reached.

A cheap pattern finds runs of digits, the words around each say what it is, and only what may be a
phone number is given to the phonenumbers library. What is labelled as an order, a card, a meter, a
tax or customer number, is part of a date or an amount, or belongs to somebody else, is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

CANDIDATES_MAX = 60
"""Runs of digits looked at in one letter."""
FEW_DIGITS, MANY_DIGITS = 7, 15
"""ITU-T E.164 allows fifteen; fewer than seven is a short code."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a letter, and how much a number in it says about its writer."""

    text: str
    weight: int
    """50 for new words, 30 for a signature, 0 for quoted words (which need more)."""


@dataclass(frozen=True, slots=True)
class Phone:
    number: str
    """E.164."""
    extension: str
    score: int


_RUN = re.compile(
    r"(?<![\w@=&#+,])(?<![\w]-)\+?\(?\+?\d(?:[ \xa0\u2009\u202f.\-\u2010-\u2013/()]{0,3}\d){6,17}"
)
_EXTENSION = re.compile(
    r"[ ,;(]{0,3}(?:ext(?:ension|n)?|x|durchwahl|dw|nst|poste|interno|int|anexo|ramal|toestel|tst)"
    r"[.: #]{0,3}(\d{1,6})(?!\d)",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(?:0?[1-9]|[12]\d|3[01])[./-](?:0?[1-9]|1[0-2])[./-](?:19|20)?\d\d(?!\d)"
    r"|(?:0?[1-9]|1[0-2])[/-](?:0?[1-9]|[12]\d|3[01])[/-](?:19|20)?\d\d(?!\d)"
    r"|(?:19|20)\d\d[./-](?:0?[1-9]|1[0-2])[./-](?:0?[1-9]|[12]\d|3[01])(?!\d)"
)
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_YEARS = re.compile(r"(?:19|20)\d\d[ ]?[-–/][ ]?(?:19|20)\d\d")
_AMOUNT_BEFORE = re.compile(
    r"(?:[€$£¥]|\b(?:eur|usd|gbp|chf|euros?|dollars?))[ \xa0]?$", re.IGNORECASE
)
_AMOUNT_AFTER = re.compile(
    r"[ \xa0]?(?:[€$£¥%°]|(?:eur|usd|gbp|chf|euros?|dollars?|kwh|kw|kg|km|cm|mm|m[23²³]|gb|mb|liter"
    r"|litres?|stück|pcs|pieces)\b|[,.]\d)",
    re.IGNORECASE,
)

# What the words before a number make of it; of several the nearest counts.
_WISH = (
    r"(?:call|ring|phone|reach|contact|text|try|get|dial|whatsapp)(?: me| us)?(?: back)?\b.{0,40}?"
    r"\b(?:on|at|under|via|is|to)\b"
    r"|(?:call|ring|phone|reach|text) (?:me|us)\b"
    r"|(?:my|our|new|correct|right|best|direct|private|personal|mobile|cell|contact|work|home)"
    r" (?:phone |mobile |cell |telephone |contact |direct |work |home |private )?(?:number|phone"
    r"|line|mobile|cell)"
    r"|(?:called|calling|rang|phoned) (?:you )?from"
    r"|erreich\w{0,6}|r(?:ü|ue)ckruf\w{0,4}|ruf\w{0,3} .{0,30}\ban\b|anruf\w{0,3}|anzurufen"
    r"|zur(?:ü|ue)ckrufen|meldet? (?:sie )?(?:sich|euch)"
    r"|mein\w{0,2} (?:neue |private |direkte )?(?:handy|mobil|telefon|tel)?-?(?:nummer|nr|handy"
    r"|telefon)\b"
    r"|appel(?:er|ez)|rappel(?:er|ez)|joindre|joignable|contacter|mon (?:numéro|portable|téléphone"
    r"|mobile)"
    r"|ll[aá]m(?:ar|e|en|a)\w{0,3}|ll[aá]m[ae]me|contactar(?:me)?|localizar(?:me)?|mi (?:número"
    r"|móvil|teléfono|celular|tel)|comunicar\w{0,4}"
    r"|chiam(?:ar|at)\w{0,4}|richiam\w{0,6}|contattar\w{0,4}|raggiungibile|(?:mio"
    r"|nostro) (?:numero|cellulare|telefono|recapito)|recapito"
    r"|lig(?:ar|ue|uem|a)(?:-me)?|telefon(?:ar|e|em)(?:-me)?|contact(?:e|em|ar)-?(?:me)?"
    r"|meu (?:número|telefone|telemóvel|celular|contacto|contato)"
    r"|bel(?:len|t)?(?: (?:me|mij|ons))?\b|terugbellen|bereikbaar|bereiken|mijn (?:nummer"
    r"|telefoonnummer|mobiel|mobiele nummer|06)"
)
_LABEL = (
    r"(?:tele)?phone|tel|telefon(?:o|e|nummer|nr)?|telefoon(?:nummer)?|t[ée]l(?:[ée]phone)?"
    r"|tel[ée]fono|mobil\w{0,3}|mob|mobiel\w{0,6}|cell(?:ulare|phone)?|handy(?:nummer|nr)?"
    r"|portable|m[óo]vil|celular|telem[óo]vel|telefone|whats ?app|direct(?: line)?"
    r"|festnetz(?:nummer)?|privat|fixe|fijo|gsm|viber|signal"
    r"|(?<![\w])[tpmch](?=[.:)])"
)
_FAX = r"(?:tele)?fax|télécopie|fax-?nr"
_OTHER = (
    r"(?:order|purchase|booking|reservation|confirmation|invoice|bill|ticket|case|claim|complaint"
    r"|ref(?:erence)?|contract|policy|customer|client|account|acc|member(?:ship)?"
    r"|tracking|parcel|shipment|consignment|delivery|serial|model|part|product|item|article|sku"
    r"|ean|isbn|upc|imei|iccid|sim|meter|supply|mpan|mprn|tax|vat|ein|ssn|social security|passport"
    r"|licen[cs]e|card|credit card|debit card|visa|mastercard|amex|iban|bic|sort code|routing"
    r"|transaction|payment|id|registration|reg|company|flight|pnr|voucher|coupon|gift card|loyalty"
    r"|patient|insurance|nhs|pin|code|version|zip|postcode)"
    r"(?: (?:no|nr|number|num|id|code|ref(?:erence)?))?"
    r"|(?:bestell(?:ung(?:s|en)?)?|auftr(?:ag|ags|äge)|buchung(?:s|en)?|reservierung(?:s|en)?|rechnung(?:s|en)?|vorgangs?|ticket|fall|vertrags?"
    r"|kunden|konto|mitglieds?|sendungs?|paket|artikel|serien|ger(?:ä|ae)te|z(?:ä|ae)hler|markt"
    r"|steuer|ust|umsatzsteuer|ausweis|karten?|kreditkarten?|versicherten|versicherungs?|personal"
    r"|referenz|transaktions?|gutschein|policen?|aktenzeichen|hrb)-?(?:nummer|nr|id|code|stand)?"
    r"|(?:n[°ºo]\.? |num[ée]ro |n\.? )?(?:de |d['’]|di |da |do |del? )?(?:la |votre )?"
    r"(?:commande|facture|dossier|r[ée]servation|contrat|client|compte|colis|suivi|compteur|carte"
    r"|siret|siren|tva|s[ée]rie|r[ée]f[ée]rence|s[ée]curit[ée] sociale|adh[ée]rent|abonn[ée]"
    r"|pedido|factura|reserva|contrato|cliente|cuenta|env[ií]o|seguimiento|contador|tarjeta|nif"
    r"|cif|dni|nie|cups|serie|referencia|expediente|incidencia|socio|localizador"
    r"|ordine|fattura|prenotazione|contratto|pratica|conto|spedizione|tracciamento|contatore|carta"
    r"|partita iva|p\.? ?iva|codice(?: fiscale| cliente)?|matricola|riferimento|pod|pdr|tessera"
    r"|polizza"
    r"|encomenda|fatura|conta|rastreio|rastreamento|cart[ãa]o|nif|cpf|cnpj|s[ée]rie|refer[êe]ncia"
    r"|processo|protocolo|apólice|nota fiscal|instala[çc][ãa]o"
    r"|bestelling|bestelnummer|ordernummer|factuur(?:nummer)?|boeking(?:snummer)?"
    r"|reservering(?:snummer)?|contract(?:nummer)?|klant(?:nummer|nr)?|rekening(?:nummer)?"
    r"|zending(?:nummer)?|track ?(?:&|and) ?trace|meter(?:nummer|stand)|kaart(?:nummer)?|btw|bsn"
    r"|kvk|serienummer|kenmerk|dossier(?:nummer)?|zaaknummer|polis(?:nummer)?|ean-?code|lidnummer)"
)
_NOT_HIS = (
    r"(?:your|you|the|that|ihre[rm]?|eure|deine|votre|vos|su|sus|tu|vostr[oa]|tuo|suo|vossa?|sua"
    r"|seu|uw|jullie|je)"
    r" (?:\w{1,20} ){0,2}?(?:hotline|helpline|help ?desk|support|service|customer service"
    r"|call ?cent(?:er|re)|premium|toll-?free|0800|0900|kundendienst|kundenservice|servicenummer"
    r"|standard|klantenservice|hot ?line|servizio clienti|numero verde|servicio|atención"
    r"|atendimento|linha|número|numéro|numero|nummer|number|line|centralino|centralita)"
    r"|(?:his|her|their|driver['’]?s?|courier['’]?s?|fahrers?|kuriers?|livreur|repartidor|corriere"
    r"|estafeta|bezorger|chauffeur) (?:phone |mobile |cell )?(?:number|no|phone|mobile|nummer|nr"
    r"|numéro|número|numero)?"
    r"|(?:i|we)(?: have|['’]ve)?(?: already)? (?:called|rang|rung|phoned|dial+ed"
    r"|tried(?: calling)?)(?! (?:you )?from)"
    r"|(?:hotline|helpline|kundenhotline|call ?cent(?:er|re))"
    r"|(?:old|former|previous|wrong|incorrect|alte[rn]?|frühere|falsche|ancien|vieux|mauvais"
    r"|antiguo|viejo|anterior|equivocado|vecchio|sbagliato|antigo|errado|oude"
    r"|verkeerde?) (?:\w{1,15} )?(?:number|phone|mobile|nummer|telefonnummer|handynummer|numéro"
    r"|número|numero|telefoonnummer|one)"
)
_MEANING = re.compile(
    rf"\b(?:(?P<nothis>{_NOT_HIS})|(?P<fax>(?:{_FAX})\b)|(?P<other>(?:{_OTHER})\b)|(?P<wish>{_WISH})|(?P<label>(?:{_LABEL})(?!\w)))",
    re.IGNORECASE,
)
_AFTERWARDS = re.compile(
    r"[ ,)(]{0,3}(?:is|was|ist|war|est|es|era|è|é|as|als|come|como|comme)? ?(?:my|the|our|your"
    r"|meine|die|mon|ma|votre|la|el|mi|su|il|mio|a|o|minha|meu|mijn|de|het)? ?"
    rf"(?:{_OTHER})\b",
    re.IGNORECASE,
)
_MOBILE = re.compile(
    r"\b(?:mobil|mob\b|cell|handy|portable|m[óo]vil|telem[óo]vel|gsm|m[:.])", re.IGNORECASE
)
_NEGATED = re.compile(
    r"\b(?:not|don['’]t|never|nicht|kein\w{0,2}|ne|pas|jamais|nunca|non|não|niet|geen)\b.{0,40}$",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?;][ ]|\n[ \t]*\n")

BEFORE, AFTER = 90, 40
"""Letters looked at on either side of a number."""

_REGIONS = {
    "en": ("US", "GB", "CA", "AU", "IE", "NZ", "ZA", "IN"),
    "de": ("DE", "AT", "CH"),
    "fr": ("FR", "BE", "CH", "CA", "LU"),
    "es": ("ES", "MX", "AR", "CO", "CL", "PE", "US"),
    "it": ("IT", "CH"),
    "pt": ("PT", "BR"),
    "nl": ("NL", "BE"),
}
_COUNTRY_DOMAINS = frozenset(
    (
        *("de", "at", "ch", "fr", "be", "lu", "es", "mx", "ar", "cl", "pe", "it", "pt", "br", "nl"),
        *("uk", "ie", "au", "nz", "za", "in", "ca", "us", "pl", "se", "no", "dk", "fi", "cz", "gr"),
    )
)


def regions(site: str, language: str, domain: str) -> tuple[str, ...]:
    """The countries whose numbers a letter may give, likeliest first.

    The author's country domain comes first; the site's region next, unless it speaks another
    language than the letter; then the countries of the letter's language.
    """
    order: list[str] = []
    ending = domain.rpartition(".")[2]
    if ending in _COUNTRY_DOMAINS:
        order.append("GB" if ending == "uk" else ending.upper())
    spoken = _REGIONS.get(language, ())
    order += [site, *spoken] if site in spoken or not spoken else [*spoken, site]
    return tuple(dict.fromkeys(order))


def find(passages: Sequence[Passage], order: Sequence[str]) -> tuple[Phone, ...]:
    """The writer's phone numbers, the best first: each number once."""
    best: dict[str, Phone] = {}
    looked = 0
    for passage in passages:
        if passage.weight < 0 or not _has_digits(passage.text):
            continue
        for match in _RUN.finditer(passage.text):
            looked += 1
            if looked > CANDIDATES_MAX:
                break
            for phone in _read(passage, match, order):
                known = best.get(phone.number)
                if known is None or phone.score > known.score:
                    best[phone.number] = phone
    return tuple(sorted(best.values(), key=lambda phone: -phone.score))


def _has_digits(text: str) -> bool:
    return any(map(text.__contains__, "0123456789"))


def _read(passage: Passage, match: re.Match[str], order: Sequence[str]) -> Iterator[Phone]:
    text = passage.text
    run = match[0]
    before = text[max(0, match.start() - BEFORE) : match.start()]
    after = text[match.end() : match.end() + AFTER]
    score = _score(passage, run, before, after)
    if score is None:
        return
    parts = _SEVERAL.split(run) if _digits(run) > MANY_DIGITS else [run]
    for part in parts:
        number = _number(part, order, certain=score >= passage.weight + 10)
        if number is None and len(parts) == 1:
            for piece in _SEVERAL.split(run):
                number = _number(piece, order, certain=score >= passage.weight + 10)
                if number is not None:
                    break
        if number is not None:
            extension = _EXTENSION.match(after)
            yield Phone(_e164(number), extension[1] if extension else "", score)


_SEVERAL = re.compile(r"[ ]*/[ ]+|[ ]{2,}|[ ][-–][ ]")


def _digits(run: str) -> int:
    return sum(map(str.isdigit, run))


def _score(passage: Passage, run: str, before: str, after: str) -> int | None:
    """How surely this run of digits is the writer's phone number; None if it is none."""
    if after[:1].isalnum() and not _EXTENSION.match(after):
        return None
    if _looks_like_something_else(run, before, after):
        return None
    near = before[_last_end(before) :]
    meaning = ""
    for match in _MEANING.finditer(near):
        meaning = match.lastgroup or ""
    if meaning in ("other", "fax", "nothis") or _AFTERWARDS.match(after):
        return None
    score = passage.weight
    if meaning == "wish":
        score += 40
    elif meaning == "label":
        score += 15
    elif not _stands_alone(run, before, after, passage):
        return None
    if passage.weight == 0 and meaning != "wish":
        return None
    if _MOBILE.search(before[-25:] + "\n" + after[:12]):
        score += 5
    if _NEGATED.search(near[-60:]):
        score -= 20
    return score


def _last_end(before: str) -> int:
    """Where the sentence begins in which the number stands."""
    end = 0
    for match in _SENTENCE_END.finditer(before):
        end = match.end()
    return end


def _looks_like_something_else(run: str, before: str, after: str) -> bool:
    digits = _digits(run)
    if digits < FEW_DIGITS or (digits > MANY_DIGITS and not _SEVERAL.search(run)):
        return True
    if digits >= 13 and not run.lstrip("(").startswith(("+", "00")) and not _SEVERAL.search(run):
        return True
    if _DATE.match(run) or _ADDRESS.fullmatch(run) or _YEARS.fullmatch(run):
        return True
    return bool(_AMOUNT_BEFORE.search(before[-12:]) or _AMOUNT_AFTER.match(after))


def _stands_alone(run: str, before: str, after: str, passage: Passage) -> bool:
    """Whether a number without a label is written as phone numbers are."""
    if run.lstrip("(").startswith(("+", "00")):
        return True
    line_before = before.rpartition("\n")[2].strip(" \t-•*|,")
    line_after = after.partition("\n")[0].strip(" \t-•*|,.")
    alone = not line_before and not line_after
    grouped = len(re.findall(r"\d+", run)) >= 2
    if passage.weight <= 30:
        return grouped or alone
    return grouped or (alone and run.startswith("0"))


def _number(run: str, order: Sequence[str], *, certain: bool) -> PhoneNumber | None:
    """The number in the first country where it is valid; where words name it, where possible."""
    import phonenumbers  # half a second to import: only for letters with numbers

    possible: PhoneNumber | None = None
    run = run.replace("(0)", "") if run.lstrip("(").startswith(("+", "00")) else run
    if run.startswith("00"):
        run = "+" + run[2:].lstrip()
    for region in order:
        try:
            number = phonenumbers.parse(run, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return None if _is_service(number) else number
        if possible is None and phonenumbers.is_possible_number(number):
            reason = phonenumbers.is_possible_number_with_reason(number)
            if reason == phonenumbers.ValidationResult.IS_POSSIBLE:
                possible = number
        if run.startswith("+"):
            break
    international = run.startswith("+")
    return possible if certain or international else None


def _is_service(number: PhoneNumber) -> bool:
    """Free and premium numbers belong to companies, not to their customers."""
    import phonenumbers

    kind = phonenumbers.number_type(number)
    service = (
        phonenumbers.PhoneNumberType.TOLL_FREE,
        phonenumbers.PhoneNumberType.PREMIUM_RATE,
        phonenumbers.PhoneNumberType.SHARED_COST,
        phonenumbers.PhoneNumberType.UAN,
    )
    return kind in service


def _e164(number: PhoneNumber) -> str:
    import phonenumbers

    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
