"""The words around a reference, and the shapes of one, in seven languages. For `references`."""

from __future__ import annotations

from typing import Any

import re2

_KINDS = """
orders?|purchase orders?|p\\.?o\\.?|tickets?|cases?|booking|reservation|confirmation|contract
|invoices?|bill|reference|ref\\.?|complaint|claim|rma|return|job|incident|outage|fault|tkt
|work order|wo|policy|policies|permit|appeal|request|quote|application
|enquiry|query|agreement|dispute|listing|repair|report|citation|notice|docket|delivery|shipment
|appointment|appt\\.?|file|form|lease|tenancy|receipt|estimate|guarantee|warranty|exchange|sale
|collection
|pick-?up|rental|hire|itinerary|trip|referral|matter|chat|mandate|proposal|submission|enrolment
|enrollment
|project|quotation|subscription|callout|call-out|visit|licen[cs]e|auction
|bestell(?:ung|ungen|nummern?|-?nr\\.?|-?id)?|auftr(?:ag|äge|ags-?nummer|ags-?nr\\.?|agsnr)
|order-?(?:nummer
|nr)|rechnung(?:en|s-?nummer|s-?nr\\.?)?|vertrag(?:s-?nummer|s-?nr\\.?)?|buchung(?:s-?nummer
|s-?nr\\.?|s-?code)?
|reservierung(?:s-?nummer|s-?nr\\.?)?|vorgang(?:s-?nummer|s-?nr\\.?)?|ticket-?(?:nummer|nr)
|fall(?:-?nummer
|-?nr\\.?)?|aktenzeichen|az\\.?|gz\\.?|geschäftszeichen|referenz(?:-?nummer|-?nr\\.?)?
|reklamation(?:s-?nummer)?|zeichen|antrag(?:s-?nummer
|s-?nr\\.?)?|anfrage(?:-?nummer)?|meldung(?:s-?nummer)?|angebot(?:s-?nummer)?|police(?:n-?nummer)?
|versicherungsschein(?:-?nummer|-?nr\\.?)?|schaden(?:s?-?nummer)?|störung(?:s-?nummer)?|widerspruch
|bescheid|anzeige|akte|retoure|lieferung|mahnung|lieferschein|rücksendung|reparatur|termin
|beschwerde|kündigung|verfahren|beleg
|quittung|reise|inserat|mietvertrag|garantie|austausch|projekt|einsatz|auftr\\.?|best\\.?
|bestell-nr\\.?|anmeldung
|commandes?|cde|police|dossier|réservation|contrat|factures?|référence|réf\\.?|réclamation|billet
|intervention
|demande|sinistre|devis|panne|contrats|dossiers|demandes|litige|retour|vente|annonce|avis|résa|reçu
|colis
|prélèvement|convocation|résiliation|mise en demeure|virement|signalement|livraison|expédition
|visite|rdv
|rendez-vous|permis|plainte|amende|contravention|recours|inscription|location|séjour|voyage|échange
|garantie
|réparation|ordonnance|mandat|attestation|quittance|avoir|incident|fiche|offre|projet|consultation
|rapport
|constat|expertise|autorisation|requête|abonnement|bon de commande|ordre|ticket de caisse
|souscription
|pedidos?|compras?|reserva|contrato|facturas?|referencia|caso|incidencia|expediente|localizador
|reclamación
|reclamos?|folio|solicitud|póliza|orden|boleto|siniestro|presupuesto|aver[ií]a|reclamacion|poliza
|tiquete|trámite|tramite|legajo|cita|venta|anuncio
|devolución|disputa|queja|incidencias|contratos|expte\\.?|exp\\.?|radicado|multa|sanción|guía
|convenio|recibo|recogida|entrega|reparación|visita|turno|licencia|permiso|denuncia
|recurso|albarán|garantía|inscripción|reporte|gestión|servicio|parte|cotización|remisión|ficha|acta
|consulta
|autorización|resolución|incidente|requerimiento|viaje|alquiler|suscripción|préstamo|proyecto
|ordin[ei]|pratica|polizza|prenotazione|contratto|fattur[ae]|riferimento|segnalazione|rif\\.?
|reclamo|richiesta
|intervento|guasto|sinistro|preventivo|biglietto|bolletta|contratti|ordini|pratiche|cup|annuncio
|disdetta
|ricevuta|verbale|scontrino|appuntamento|referto|consegna|riparazione|visita|permesso|denuncia
|ricorso|multa
|contravvenzione|domanda|istanza|ddt|garanzia|reso|noleggio|viaggio|soggiorno|protocollo|prot\\.?
|incarico
|encomendas?|apólice|faturas?|referência|processo|protocolo|nota fiscal|reclamação|chamado
|ocorrência|bilhete|contestaç[ãa]o|contestacao|guia|loc|contratos|processos|requerimento|anúncio
|venda
|reclamações|talão|boleto|orçamento|solicitação|marcação|entrega|visita|reparação|reparo
|assistência|avaria
|licença|queixa|denúncia|recurso|multa|coima|inscrição|devolução|troca|garantia|ordem|requisição
|viagem
|participação|atendimento|registo|registro|proposta|cotação|assinatura|adesão|serviço|incidente
|auto|senha|bestelling(?:en)?|bestelnummer|bestelnr|ordernummer|ordernr|zaak(?:nummer)?
|dossier(?:nummer|nr)
|boeking(?:snummer|snr)?|reservering(?:snummer)?|contract(?:nummer|nr)|factuur(?:nummer|nr)?
|ticketnummer|referentie(?:nummer)?|kenmerk|melding(?:snummer)?|klacht(?:nummer)?
|aanvraag(?:nummer)?
|schade(?:nummer)?|storing(?:snummer)?|advertentie|retour|afspraak|geschil|bezwaar|betaling
|levering|reparatie|vergunning|beschikking|boete|reis
|huur|garantie|opdracht|project|verzoek|incident|(?:kassa)?bon(?:nummer)?|polis(?:nummer)?
|offerte(?:nummer)?
""".strip().replace("\n", "")
"""The words for what a number may be a reference to; a line break stands for nothing."""

_BETWEEN = """
(?:(?:no|nr|num|nbr|n|nos|nrs|id|ref|réf|rif)\\.?|(?:numbers?|nummer|numéro|numero|número|núm|reference
|code|date|is|was|are|ist|lautet|lauten|war|est|es|è|é|of|with|mit|der|die|the|con|com|met|avec|le|la
|el|il|o|a|het|de|do|da|di|my|mein|meine|under|unter|sous|bajo|in question|último|última|last)
|(?:de|of|di|for|für|voor|pour) [^\\s\\d:#.,;()]{3,15})
""".strip().replace("\n", "")
_GAP = r"(?:[\s:#°º()\[\]\"'’„“]|\s[–-]\s)"
_WRITTEN = (
    r"(?:[A-ZÄÖÜ]{0,8}[-/_.]?[0-9](?:[0-9A-Z]|[-/_][0-9A-Z]|\.[0-9]){2,24}"
    r"|(?-i:[A-Z]{1,5}[0-9][A-Z0-9]{2,10}|[A-Z]{2,5}-[0-9]{2}))"
)
_JOINT = (
    r"(?:[ ]?(?:,|;|&|/|\b(?:and|und|et|y|e|en|or|oder|ou)\b)[ ]?){1,2}"
    r"(?:(?:now|also|then|el|la|le|il|o|a|de|die|der|het|auch|aussi|también)[ ]){0,2}"
)


def compiled(pattern: str) -> Any:
    """An RE2 pattern without regard to case: linear in the text, whatever stands in it."""
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    return re2.compile(pattern, options)


_BEGIN = r"(?:^|[^\pL\pN])"
_BOOKINGS = (
    "booking|reservation|confirmation|réservation|reserva|prenotazione|buchungs?|reservierungs?"
    "|boekings?|reserverings?"
)

_SPACED = (
    "dossier|facture|annonce|commande|contrat|réclamation|litige|sinistre|billet|demande|vente"
    "|order|invoice|ticket|case|booking|expediente|pedido|factura|contrato|pratica|ordine|fattura"
    "|encomenda|processo|fatura|auftrag|rechnung|vertrag|bestelling|factuur"
)
NAMED = (
    compiled(
        rf"{_BEGIN}(?:{_SPACED}) (?:n[°ºo]?\.? ?)?(?P<order>[0-9]{{1,3}}(?: [0-9]{{3}}){{1,2}})"
        r"(?:[^\pL\pN ]|$)"
    ),
    compiled(
        rf"{_BEGIN}(?:{_KINDS})(?:{_GAP}{{1,4}}|(?:{_GAP}{{1,3}}{_BETWEEN}){{1,4}}{_GAP}{{1,4}})"
        rf"(?:(?-i:[A-Z]{{2}}) )?#?(?P<order>{_WRITTEN})"
    ),
    compiled(
        rf"{_BEGIN}(?:pnr|localizador|(?:{_BOOKINGS})"
        r"(?:-?[ ]?(?:ref|reference|code|no|nr|number|nummer)|[ ]?[:#]))"
        r"[\s:#.°º]{1,3}(?P<order>(?-i:[A-Z]{6}))(?:[^\pL\pN]|$)"
    ),
    compiled(r"(?:^|[\s(\[:])#[ ]?(?P<order>[A-Z]{0,5}-?[0-9][0-9A-Z-]{3,19})"),
)
"""A number behind the word for what it is, behind a #, and a booking code of letters only."""

FURTHER = compiled(rf"{_JOINT}#?(?P<order>{_WRITTEN})")
"""One more of `orders 10423, 10424 and 10425`; tried step by step, since a pattern for all of them
is too large for RE2's fast way (82,000 instructions, 400 us a letter)."""

CODES = compiled(
    r"(?:^|[\s(\[,:;\"'])(?P<order>(?-i:"
    r"[A-Z]{1,5}[-/][0-9]+(?:[-/][0-9A-Z]+){0,4}|[A-Z]{2,4}[0-9]{5,8}|[A-Z]{2,3} [0-9]{6,8}"
    r"|[A-Z]{2,3} [0-9]{1,6}-[0-9]{2,6}|[A-Z]{1,3}[0-9]{1,2}-[0-9]{3,6}|[0-9]{4,8}-[A-Z]{2,4}"
    r"|[0-9]{1,3}-[0-9]{4,6}|[A-Z][0-9]{5,9}|[0-9]{5,9}[A-Z]|[0-9]{2,6}/[A-Z]{1,4}/[0-9]{2,6}"
    r"|[0-9]{3,7}/20[0-9]{2}|[0-9]{2,4}\.[0-9]{2,4}\.[0-9]{5,}|[A-Z]{2,4}\. ?[0-9]{5,8}"
    r"|[0-9]{3,6}[A-Z]{1,3}[0-9]{2,6}|[A-Z]{2,4}-[A-Z]{0,3}[0-9]{2,6}[A-Z]{0,3}"
    r"|[A-Z]{1,3} [0-9]{2,4}/[0-9]{2,7}|[0-9]{5}-[0-9]{1,3}|[0-9]{6,7}-[0-9]{1,4}"
    r"|[A-Z]{2} [1-9][0-9]{3}|[A-Z]{2} [0-9]{2}-[0-9])|[A-Z]{2,5}-[0-9]{5,9})"
    r"(?:[\s)\],.:;?!\"']|$)"
)
"""What shops number with: MKT-20931, OD/22/7719034, ZX48120, MK 300417, 8841-GAS, 55-20816."""

_PARTS = r"(?-i:[0-9A-Z]{1,10}(?:[-/][0-9A-Z]{1,10}){1,4})"
_REFER = (
    "under|re|ref|for|from|on|about|regarding|is|was|unter|zu|für|wegen|war|sous|pour|para|por|per"
    "|onder|voor"
)
CODES_IN_PLACE = compiled(
    rf"(?:^|[.!?][ ]+|\n[ ]*|[(\[][ ]?|\b(?:{_REFER})[: ]+)"
    rf"(?P<order>{_PARTS}|(?-i:[A-Z]{{2,3}} [0-9]{{4,8}}))(?:[)\],.;?!\n]|[ ][^0-9]|$)"
)
"""Codes of any shape where a code stands: alone, in brackets, behind `under` or `for`."""

NUMBERED = compiled(
    rf"{_BEGIN}(?:n[°ºo]\.?|nr\.?|num\.?|n[uú]m[eé]ro|nummer|number|tickets?[^.!?\n]{{1,20}})[ ]?"
    r"(?P<order>(?-i:[1-9][0-9]{4,7}|[0-9]{1,4}-[0-9]{3,6}|[A-Z]{1,3}-[0-9]{3,6}))(?:[\s)\],.:;?!\"']|$)"
)
"""A number that is called one, if nothing says whose: `pedí una lámpara, número 448201`."""

WHOSE = compiled(
    r"(?:\b(?:my|mi|mon|mein\pL*|meu|mijn|mio|your|su|votre|ihre?|tu|seu|uw|phone|tel\pL*|t[ée]l\pL*|mobile"
    r"|mobil|cell\pL*|handy|fax|whatsapp|call|ring|house|door|flat|room|line|bus|platform|haus|casa|calle"
    r"|rue|via|rua|straat|llama\pL*|appel\pL*|chiam\pL*|lig\pL*|bel)[ ,:]*)(?:[^\s]+[ ])?$"
)
"""Words that make a number that is called one a phone's or a house's."""

ALONE = compiled(
    r"(?:(?:^|[.!?][ ]+|\n[ ]*)(?P<order>[0-9]{5,8})"
    r"|[(\[](?P<bracket>[0-9]{5,8})"
    r"|,[ ](?P<clause>(?-i:[0-9]{1,6}(?:-[0-9A-Z]{1,6}){0,2}-[A-Z]{1,3}))"
    r"|[(\[](?P<aside>(?-i:[A-Z] [0-9]{4,8})))(?:[.!)\]]|[ ]*\n|$)"
)
"""A number that is a sentence, a line, a last clause, or stands in brackets."""

THREE_PARTS = compiled(
    r"(?:^"
    r"|[\s(\[,:;\"'„“])(?P<order>(?-i:[0-9A-Z]{1,10}(?:-[0-9A-Z]{1,10}){2}))(?:[\s)\],.:;?!\"'“”]"
    r"|$)"
)
"""Three groups with hyphens are a reference wherever they stand, unless they are something else."""

REFERRED = compiled(r"\b(?:under|re|ref|for|from|about|unter|zu|für|sous|onder|voor)[: ]+$")
"""Words behind which even three and four digits are a reference."""

SUBJECT_CODES = compiled(
    rf"(?:^|[\s(\[,:;#])(?P<order>{_PARTS}|(?-i:[A-Z]{{2,4}}-[0-9]{{2}})|[A-Z]{{0,5}}[-/]?[0-9]{{4,}}|[0-9]+\.[0-9]+[-/][0-9/-]+"
    rf"|(?-i:[0-9A-Z]{{6}}|[A-Z]{{2,3}} [0-9]{{4,8}}))(?:[\s)\],.:;?!]|$)"
)
"""A number in a subject says what the letter is about."""

SENTENCE = compiled(r"\pL{4}[.!?][ ]$")
"""The end of a sentence, rather than of an abbreviation such as `no.`."""

TOWN = compiled(r"^[ ](?-i:\p{Lu}\p{Ll})")
"""What follows a postal code."""

POSTAL = compiled(
    r"^(?:(?:A|B|L|N|CH|FL|DK|NL)-[0-9]{4}|IS-[0-9]{3}|(?:D|F|I|E|SE|FI|CZ)-[0-9]{5})$"
)
"""Postal codes with the country's letter."""

SHORT_CODE = compiled(r"^(?-i:[A-Z]{2,5}-[0-9]+-[0-9A-Z]+|[0-9A-Z]{5,8}|[A-Z]{3,5}-[0-9]{2,3})$")
"""Booking codes and serial numbers, which have few digits."""

SHORT_NAMED = compiled(r"^(?-i:[A-Z]{2,5}-[0-9]{2})$")
"""Two digits are enough behind the word for what it is."""

LOCAL_PHONE = compiled(r"^[0-9]{3}-[0-9]{4}$")

NUMBER_LIKE = compiled(
    r"^(?:(?:1-)?[2-9][0-9]{2}-[2-9][0-9]{2}-[0-9]{4}|0[0-9]+(?:-[0-9]+)+"
    r"|[0-9]{3}-[0-9]{2}-[0-9]{4}"
    r"|978-[0-9-]+)$"
)
"""Phone, social security and book numbers."""

_SIX = "|".join(f"[0-9A-Z]{{{before}}}[0-9][A-Z][0-9A-Z]{{{4 - before}}}" for before in range(5))
BOOKINGS = compiled(rf"(?:^|[\s(\[,:;\"'])(?P<order>(?-i:{_SIX}))(?:[\s)\],.:;?!\"']|$)")
"""Six characters are a booking code if a letter follows a digit: `XW7PL3`, but not `LH2048`."""

PLACES = compiled(r"^(?:[0-9]{4}[A-Z]{2}|[A-Z][0-9][A-Z][0-9][A-Z][0-9])$")
"""Dutch and Canadian postal codes without a space."""

AMOUNT_BEHIND = compiled(r"^[ \x{A0}]?(?:[€$£%]|[.,][0-9])")
"""What makes `1 204` an amount, not a reference."""

NO_CODE = compiled(
    r"^(?:(?:tel|fax|mob|gsm|eur|usd|gbp|chf|cad|aud|plz|zip|nif|cif|dni|vat|usb|win|nt|no)"
    r"(?:[-/. ]{1,2}[0-9.]+)?$|(?:iso|en|din|covid|rfc|sha|utf)\b|(?:ue|eu|ce) )"
)
"""Abbreviations before a number that make it something else."""

OTHER_THINGS = compiled(
    rf"{_BEGIN}(?:customer|cust|client|member(?:ship)?|account|acct?|meter|serial|s/n|model|part|article"
    r"|item|product|sku|card|voucher|coupon|tax|vat|ein|tracking|track|batch"
    r"|imei|sim|error|code|flight|version|router|device|type|postcode|zip|iban|bic|plate"
    r"|reg|registration|room|ext|extension|iso|din|rfc|rx|nhs|pin|password|supply|mpan"
    r"|kunden?|kd\.?|konto|mitglieds?|z(?:ä|ae)hler|serien|modell|artikel|karten?|steuer|ust"
    r"|sendungs"
    r"|chargen?"
    r"|fehler|flug|gutschein|ger(?:ä|ae)te?|typ|kennzeichen|hrb"
    r"|client|compte|compteur|série|modèle|article|carte|tva|siret|siren|suivi|erreur|vol"
    r"|adhérent"
    r"|cliente|cuenta|contador|serie|modelo|artículo|tarjeta|nif|cif|dni|nie|cups|seguimiento|lote"
    r"|error"
    r"|vuelo|socio|matrícula|conto|contatore|seriale|modello|articolo|iva|codice|lotto"
    r"|tracciamento"
    r"|errore|volo|tessera|targa|pod|pdr|conta|série|cartão|contribuinte|cpf|cnpj|rastreio|erro|voo"
    r"|klant|rekening|meter|serienummer|artikel|kaart|btw|bsn|kvk|partij|track ?(?:&|and) ?trace"
    r"|fout|vlucht|lid|kenteken)(?:[-. ]?(?:no|nr|number|nummer|num|id|code))?"
    r"[\s:#.°º(-]{1,4}(?:(?:is|was|ist|war|lautet|est|es|è|é|no|nr|n|num|nummer"
    r"|number)[\s:.]{1,2})?$"
)
"""Words right before a code that make it no reference."""

_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:(?:19|20)?\d\d)"
DATE_LIKE = compiled(
    rf"^(?:{_DAY}[./-]{_MONTH}[./-]{_YEAR}|{_MONTH}[./-]{_DAY}[./-]{_YEAR}"
    rf"|(?:19|20)\d\d[./-]{_MONTH}[./-]{_DAY}(?:T.*)?|\d{{1,3}}[.,]\d{{1,2}}|{_DAY}[./-]{_MONTH}"
    r"|(?:19|20)\d\d[-/](?:19|20)?\d\d|\d{1,2}(?:st|nd|rd|th).*)$"
)
