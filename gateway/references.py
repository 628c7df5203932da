"""Order, ticket, case, booking, contract and invoice numbers in a letter, in seven languages.

A site's own patterns (RE2, with a group `order`) come first; the default set reads a number that
stands behind the word for what it is. Customer, member, meter, card and tracking numbers are none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import re2

FOUND_MAX = 10
LOOKED_MAX = 100
"""References looked at in one text, the same one again and again included."""

_KINDS = """
orders?|purchase orders?|p\\.?o\\.?|tickets?|cases?|booking|reservation|confirmation|contract
|invoices?|bill|reference|ref|complaint|claim|rma|return|job|incident|request|quote|application|enquiry|query
|bestell(?:ung|ungen|nummern?|-?nr|-?id)?|auftr(?:ag|äge|ags-?nummer|ags-?nr|agsnr)|order-?(?:nummer
|nr)|rechnung(?:en|s-?nummer|s-?nr)?|vertrag(?:s-?nummer|s-?nr)?|buchung(?:s-?nummer|s-?nr|s-?code)?
|reservierung(?:s-?nummer|s-?nr)?|vorgang(?:s-?nummer|s-?nr)?|ticket-?(?:nummer|nr)|fall(?:-?nummer
|-?nr)?|aktenzeichen|az|referenz(?:-?nummer|-?nr)?|reklamation(?:s-?nummer)?|zeichen|antrag(?:s-?nummer
|s-?nr)?|anfrage(?:-?nummer)?|meldung(?:s-?nummer)?|angebot(?:s-?nummer)?|schaden(?:s?-?nummer)?
|commandes?|cde|dossier|réservation|contrat|factures?|référence|réf|réclamation|billet|intervention
|demande|sinistre|devis
|pedidos?|reserva|contrato|facturas?|referencia|caso|incidencia|expediente|localizador|reclamación
|reclamos?|folio|solicitud|orden|boleto|siniestro|presupuesto|avería
|ordin[ei]|pratica|prenotazione|contratto|fattur[ae]|riferimento|segnalazione|rif|reclamo|richiesta
|intervento|sinistro|preventivo|biglietto
|encomendas?|faturas?|referência|processo|protocolo|nota fiscal|reclamação|chamado|ocorrência
|bilhete|bestelling(?:en)?|bestelnummer|bestelnr|ordernummer|ordernr|zaak(?:nummer)?|dossier(?:nummer|nr)
|boeking(?:snummer|snr)?|reservering(?:snummer)?|contract(?:nummer|nr)|factuur(?:nummer|nr)?
|ticketnummer|referentie(?:nummer)?|kenmerk|melding(?:snummer)?|klacht(?:nummer)?|aanvraag(?:nummer)?
|schade(?:nummer)?|offerte(?:nummer)?
""".strip().replace("\n", "")
"""The words for what a number may be a reference to; a line break stands for nothing."""

_BETWEEN = """
(?:(?:no|nr|num|numbers?|nummer|numéro|numero|número|núm|nos?|n|id|ref|reference|code|date|is|was|are
|ist|lautet|lauten|war|est|es|è|é|of|with|mit|der|die|the|con|com|met|avec|le|la|el|il|o|a|het|de|do|da
|di|my|mein|meine|under|unter|sous|bajo|in question|último|última|last)|(?:de|of|di|for|für|voor
|pour) \\pL{3,15})
""".strip().replace("\n", "")
_GAP = r"[\s:#.°º()\[\]\"'’„“–-]"
_WRITTEN = (
    r"(?:[A-Z]{0,8}[-/_.]?[0-9](?:[0-9A-Z]|[-/_.][0-9A-Z]){2,24}"
    r"|(?-i:[A-Z]{1,5}[0-9][A-Z0-9]{2,10}))"
)
_JOINT = r"(?:[ ]?(?:,|;|&|/|\b(?:and|und|et|y|e|en|or|oder|ou)\b)[ ]?){1,2}"


def _compile(pattern: str) -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    return re2.compile(pattern, options)


_DEFAULT = (
    _compile(
        rf"(?:^|[^\pL\pN])(?:{_KINDS})(?:{_GAP}{{1,4}}|(?:{_GAP}{{1,3}}{_BETWEEN}){{1,4}}{_GAP}{{1,4}})"
        rf"(?:(?-i:[A-Z]{{2}}) )?#?(?P<order>{_WRITTEN})(?P<more>(?:{_JOINT}#?{_WRITTEN}){{0,8}})"
    ),
    _compile(
        r"(?:^|[^\pL\pN])(?:pnr|localizador|(?:booking|reservation|confirmation|réservation|reserva"
        r"|prenotazione|buchungs?|reservierungs?|boekings?|reserverings?)"
        r"(?:-?[ ]?(?:ref|reference|code|no|nr|number|nummer)|[ ]?[:#]))"
        r"[\s:#.°º]{1,3}(?P<order>(?-i:[A-Z]{6}))(?:[^\pL\pN]|$)"
    ),
    _compile(r"(?:^|[\s(\[:])#[ ]?(?P<order>[A-Z]{0,5}-?[0-9][0-9A-Z-]{3,19})"),
)
_MORE = _compile(rf"(?:^|[^\pL\pN])#?(?P<order>{_WRITTEN})")


def find(texts: Sequence[str], patterns: Sequence[Any] = ()) -> tuple[str, ...]:
    """References in the order they stand, each once.

    `patterns` are the site's, compiled by RE2, with a group named `order`. A later text (history)
    is read only if the earlier ones give none.
    """
    for text in texts:
        found = dict.fromkeys(islice(_in(text, patterns), LOOKED_MAX))
        if found:
            return tuple(found)[:FOUND_MAX]
    return ()


def _in(text: str, patterns: Sequence[Any]) -> Iterator[str]:
    for pattern in patterns:
        for match in pattern.finditer(text):
            value = match.groupdict().get("order")
            if value:
                yield value.strip()[:60]
    for pattern in _DEFAULT:
        for match in pattern.finditer(text):
            groups = match.groupdict()
            values = [groups["order"]]
            if groups.get("more"):
                values += [more.group("order") for more in _MORE.finditer(groups["more"])]
            yield from (value for value in map(_trimmed, values) if _is_reference(value))


def _trimmed(value: str) -> str:
    return value.rstrip("-/_.")


def _is_reference(value: str) -> bool:
    """A date, a year, a time or an amount behind `order` is no reference."""
    digits = sum(map(str.isdigit, value))
    if 5 <= len(value) <= 8 and value.isalnum() and value.isupper():
        return True  # a booking code
    if digits < 3 or (digits < 4 and value.isdigit()):
        return False
    if value.isdigit() and len(value) == 4 and value[:2] in ("19", "20"):
        return False
    return not _DATE_LIKE.fullmatch(value)


_DATE_LIKE = _compile(
    r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}[./-]\d{1,2}[./-]\d{1,2}|\d{1,3}[.,]\d{1,2}"
)
