"""What the words beside a run of digits make of it, in seven languages.

The meanings are tried together by RE2, which takes them all in one pass over the letters. A space
in an entry stands for white space; `~` for up to two words in between.
"""

from __future__ import annotations

import re
from typing import Any

import re2

_NOT_HIS = r"""
(?:your|the|that|this|ihren?|ihrer|ihrem|eure|deine|die|votre|vos|le|su|sus|tu|la|el|vostr[oa]|il
|tuo|suo|vossa?|sua|a|seu|uw|jullie|je)~ (?:(?:kunden)?hotline|helpline|help ?desk|support|service
|customer services?|call ?cent(?:er|re)|premium|toll-?free|kundendienst|kundenservice
|servicenummer|klantenservice|servizio clienti|numero verde|servicio|atención|atendimento|linha
|centralino|centralita|standard téléphonique)
(?:your|ihre|eure|deine|votre|vos|su|tu|vostro|tuo|vosso|vossa|seu|uw|jullie)
 (?:phone |telephone |contact |telefon)?(?:number|line|nummer|numéro|número|numero|telefone)
(?:his|her|their|driver['’]?s?|courier['’]?s?|fahrers?|kuriers?|livreur|repartidor|corriere|estafeta
|bezorger|chauffeur)~ (?:number|phone|mobile|nummer|numéro|número|numero)
(?:the )?(?:driver|courier|fahrer|kurier|livreur|repartidor|corriere|estafeta|bezorger|koerier)
(?:le|votre|vos|du|el|del|su|o|do|seu|il|vostro) (?:chauffeur|conductor|chofer|motorista|autista)
 \pL{2,12}
(?:i|we)(?: have|['’]ve)?(?: already| also)? (?:called|rang|rung|phoned|dial+ed|keep calling
|tried ?$|tried on ?$|tried (?:calling|ringing|phoning|dial+ing|your|the|this
|to (?:call|ring|phone|reach|dial)))
(?:kunden)?hotline|helpline|call ?cent(?:er|re)
(?:my |our |meine |mon |mi |il mio |o meu |meu |mijn )?(?:old|former|previous|wrong|incorrect
|alte[rn]?|frühere|falsche|ancien|vieux|mauvais|antiguo|viejo|anterior|equivocado|vecchio|sbagliato
|antigo|errado|oude|verkeerde?)~ (?:number|phone|mobile|one
|nummer|handynummer|telefonnummer|numéro|número|numero|telefoonnummer)
numéro (?:surtaxé|vert)|numero verde|número gratuito|gratisnummer
"""
"""A number that is somebody else's: the company's, a driver's, one he has no longer."""

_FAX = r"(?:tele)?fax(?:nummer|nr)?|télécopie"

_OTHER = r"""
(?:order|purchase|booking|reservation|confirmation|invoice|bill|ticket|case|claim|complaint|return
|ref|reference|contract|policy|customer|client|account|acct?|member|membership|tracking|parcel
|shipment|consignment|serial|model|part|product|item|article|sku|ean|isbn|upc|imei|iccid|sim|meter
|supply|mpan|mprn|tax|vat|ein|ssn|social security|passport|licen[cs]e|card|visa|mastercard|amex|iban
|bic|sort code|routing|transaction|payment|registration|reg|flight|pnr|voucher|coupon|loyalty
|patient|insurance|nhs|pin|code|version|zip|postcode|id|po|rma|job)
 ?(?:no|nr|number|num|id|code|ref|reference)?
(?:bestell(?:ungs?|ungen)?|auftr(?:ag|ags|äge)|buchung(?:s|en)?|reservierung(?:s|en)?
|rechnung(?:s|en)?|vorgangs?|ticket|fall|vertrags?|kunden|konto|mitglieds?|sendungs?|paket|artikel
|serien|ger(?:ä|ae)te|z(?:ä|ae)hler|markt|steuer|ust|umsatzsteuer|ausweis|karten?|kreditkarten?
|versicherten|versicherungs?|personal|referenz|transaktions?|gutschein|policen?|aktenzeichen|hrb
|kundennr|iban|blz|ust-id)-?(?:nummern?|nr|id|code|stand)?
(?:n[°ºo]\.? |num[ée]ro |n\.? )?(?:de |d['’]|di |da |do |del? )?(?:la |votre )?(?:commande|facture
|dossier|r[ée]servation|contrat|client|compte|colis|suivi|compteur|carte|siret|siren|tva|s[ée]rie
|r[ée]f[ée]rence|réf|s[ée]curit[ée] sociale|adh[ée]rent|abonn[ée]|pdl|pce)
(?:n[°º]\.? |n[úu]mero |n[úu]m\.? )?(?:de |del )?(?:pedido|factura|reserva|contrato|cliente|cuenta
|env[ií]o|seguimiento|contador|tarjeta|nif|cif|dni|nie|cups|serie|referencia|expediente
|incidencia|socio|localizador)
(?:n[°º]\.? |numero |n\.? )?(?:di |d['’])?(?:ordine|fattura|prenotazione|contratto|pratica|conto
|spedizione|tracciamento|contatore|carta|partita iva|p\.? ?iva|codice(?: fiscale| cliente)?
|matricola|riferimento|pod|pdr|tessera|polizza|cliente)
(?:n[°º]\.? |n[úu]mero )?(?:de |da |do )?(?:encomenda|fatura|conta|rastreio|rastreamento|cart[ãa]o
|contribuinte|cpf|cnpj|refer[êe]ncia|processo|protocolo|apólice|nota fiscal|instala[çc][ãa]o
|contador|cliente|contrato)
(?:bestelling|bestelnummer|bestelnr|ordernummer|ordernr|factuur(?:nummer|nr)?|boeking(?:snummer)?
|reservering(?:snummer)?|contract(?:nummer)?|klant(?:nummer|nr)?|rekening(?:nummer)?
|zending(?:nummer)?|track ?(?:&|and|en) ?trace|meter(?:nummer|stand)|kaart(?:nummer)?|btw|bsn|kvk
|serienummer|kenmerk|dossier(?:nummer)?|zaaknummer|polis(?:nummer)?|ean-?code|lidnummer)
"""

_WISH = r"""
(?:call|ring|(?:tele)?phone|reach|contact|text|dial|whatsapp)(?: me| us)?(?: back)?~ (?:on|at|under
|via|is|to)
(?:call|ring|(?:tele)?phone|reach|text|message) (?:me|us)
(?:get|catch|find)(?: hold of)? (?:me|us) (?:on|at|under|via)
(?:my|our|new|correct|right|best)(?: (?:new|current|correct|right|best|direct|private|personal
|mobile|cell|phone|telephone|contact|work|home|office|daytime|evening|uk|us)){0,3} (?:number|phone
|line|mobile|cell|cell ?phone)
(?:called|calling|rang|phoned)(?: you)? from|mine(?:['’]s| is)?|i(?:['’]m| am) on
erreich\pL{0,6}|r(?:ü|ue)ckruf\pL{0,4}|rufe?n? (?:sie )?(?:mich|uns)|anruf\pL{0,3}|anzurufen
zur(?:ü|ue)ck(?:zu)?rufen|meldet? (?:sie )?(?:sich|euch)
mein\pL{0,2}(?: neue| aktuelle| private| direkte| mobile)? (?:handy|mobil|telefon|tel)?-?(?:nummer
|nr|handy|telefon)
(?:r?appel(?:er|ez|lez)|joindre|joignable|contacter)(?:[ -]moi)?|mon (?:num[ée]ro|portable
|t[ée]l[ée]phone
|mobile|tél)
ll[aá]m(?:ar|e|en|a)\pL{0,4}|ll[aá]m[ae]me|contactar(?:me)?|localizar(?:me)?|comunicar\pL{0,4}
mi (?:nuevo )?(?:n[úu]mero|m[óo]vil|tel[ée]fono|celular|tel)
(?:ri)?chiam(?:ar|at|i)\pL{0,4}|contattar\pL{0,4}|raggiungibile|recapito
(?:mio|nostro) (?:numero|cellulare|telefono|recapito)
(?:lig(?:ar|ue|uem|a)|telefon(?:ar|e|em)|contact(?:e|em|ar))(?:-me|-nos)?
meu (?:novo )?(?:n[úu]mero|telefone|telem[óo]vel|celular|contacto|contato)
bel(?:len|t)?(?: me| mij| ons)?|terug ?(?:te )?bellen|bereikbaar|bereiken
mijn (?:nummer|telefoonnummer|mobiel|mobiele nummer|06)
"""
"""Words that ask to be called, or say whose number it is."""

_LABEL = r"""
(?:tele)?phone(?: number| no)?|tel|telefon(?:nummer|nr)?|telefoon(?:nummer)?|t[ée]l(?:[ée]phone)?
tel[ée]fono|mobile?(?: number)?|mobil(?:nummer|nr|funk)?|mob|mobiel\pL{0,6}|cell(?:ulare|phone)?
handy(?:nummer|nr)?|portable|m[óo]vil|celular|telem[óo]vel|telefone|whats ?app|direct(?: line)?
festnetz(?:nummer)?|privat|fixe|fijo|natel|gsm|viber|signal|sms|texto|zap|[tpmch][.:)]
"""


def _alternatives(entries: str) -> str:
    """Entries over several lines as one pattern: a line break before `|` or a space is none."""
    joined = entries.strip().replace("\n|", "|").replace("\n ", " ").replace("\n", "|")
    joined = joined.replace(r"\pL{", _LETTER + "{")
    return joined.replace("~", rf"(?:\s+{_WORDS}{{1,20}}){{0,2}}?").replace(" ", r"[\s ]+")


# Repeated, `\pL` would make a pattern of 240,000 instructions, too many for RE2's fast way: what
# is no letter is told by what it is instead.
_LETTER = r"[^\s0-9.,;:!?()/<>\"'’-]"
_WORDS = r"[^\s0-9.,;:!?()/<>\"]"


def _pattern(pattern: str) -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    return re2.compile(pattern, options)


_BEGIN, _END = r"(?:^|[^\pL\pN])", r"(?:[^\pL\pN]|$)"
_MEANINGS = ("nothis", "fax", "other", "wish", "label")
_LAST = _pattern(
    "(?s)^(?:.*[^\\pL\\pN])?(?:"
    + "|".join(f"({_alternatives(entries)})" for entries in (_NOT_HIS, _FAX, _OTHER, _WISH, _LABEL))
    + ")"
    + _END
)
"""The last of the words, since what comes before it is as long as can be."""

_ANY_WISH = _pattern(f"{_BEGIN}(?:{_alternatives(_WISH)}){_END}")
_AFTERWARDS = _pattern(
    r"^[ ,)(]{0,3}(?:(?:is|was|ist|war|est|es|era|è|é|as|als|come|como|comme) )?"
    r"(?:(?:my|the|our|your|meine|die|mon|ma|votre|la|el|mi|su|il|mio|a|o|minha|meu|mijn|de|het) )?"
    f"(?:{_alternatives(_OTHER)}){_END}"
)


LABEL_GAP = 20
"""Letters between the word for a phone and its number: `I bought a phone from one of your sellers,
11-77-40912` names none."""
_NEW_LINE = re.compile(r"\n[ \t]*[^\W\d_]{2,30}[ \t]+[^\W\d_]{2}")
"""What is named and its number stand in one line; words of the next line speak of another."""
_ANOTHER = re.compile(
    r"\d[\w/-]{2,30}(?:[,;|.)]|[ ]*\n|[ ](?:and|und|et|y|e|en)[ ][^\W\d])", re.IGNORECASE
)


def meaning(before: str) -> str:
    """What the words before a number say it is; of several the nearest counts.

    One of `nothis`, `fax`, `other` (an order, a card …), `wish`, `label`; empty without any.
    What has a number of its own between does not speak of this one: `Order 10423, 212 555 0142`.
    """
    match = _LAST.search(before)
    if match is None:
        return ""
    found = _MEANINGS[match.lastindex - 1]
    if found == "label":
        if _ANY_WISH.search(before):
            return "wish"
        return found if len(before) - match.end(match.lastindex) <= LABEL_GAP else ""
    if found != "wish" and _ANOTHER.search(before, match.end(match.lastindex)):
        return ""
    if found == "other" and _NEW_LINE.search(before, match.end(match.lastindex)):
        return ""
    return found


def is_named_afterwards(after: str) -> bool:
    """Whether the words behind a number say that it is an order, a card and so on."""
    return after[1:4].strip(" ,)(-–")[:1].isalpha() and bool(_AFTERWARDS.search(after))
