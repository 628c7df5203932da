"""The words around a reference, and the shapes of one, in seven languages. For `references`."""

from __future__ import annotations

import re
from typing import Any

import re2


def _any_of(table: str) -> str:
    """One pattern of many: bars and ends of lines stand between them, # begins a comment."""
    lines = map(str.strip, table.split("\n"))
    return "|".join(line for line in lines if line and not line.startswith("#"))


_KINDS = _any_of(
    r"""
    # English
    orders?|purchase orders?|p\.?o\.?|tickets?|cases?|booking|reservation|confirmation|contract
    invoices?|bill|reference|ref\.?|complaint|claim|rma|return|job|incident|outage|fault|tkt
    work order|wo|policy|policies|permit|appeal|request|quote|application|enquiry|query|agreement
    dispute|listing|repair|report|citation|notice|docket|delivery|shipment|appointment|appt\.?|file
    form|lease|tenancy|receipt|estimate|guarantee|warranty|exchange|sale|collection|pick-?up|rental
    hire|itinerary|trip|referral|matter|chat|mandate|proposal|submission|enrolment|enrollment
    project|quotation|subscription|callout|call-out|visit|licen[cs]e|auction|s\.o\.|w\.o\.
    service requests?|pre-?order|backorder|replacement|credit note|debit note|pro ?-?forma|protocol
    pcn|penalty charge|summons|grievance|petition|filing|inspection|survey|escalation|task|issue
    swap|chargeback|e-?ticket|record locator|locator|conf|assignment|shift|tour|cruise|holiday|stay
    crossing|sailing|ferry|slot|admission|evaluation|job ?(?:card|sheet)
    # German
    bestell(?:ung|ungen|nummern?|-?nr\.?|-?id)?|auftr(?:ag|äge|ags-?nummer|ags-?nr\.?|agsnr)
    order-?(?:nummer|nr)|rechnung(?:en|s-?nummer|s-?nr\.?)?|vertrag(?:s-?nummer|s-?nr\.?)?
    buchung(?:s-?nummer|s-?nr\.?|s-?code)?|reservierung(?:s-?nummer|s-?nr\.?)?
    vorgang(?:s-?nummer|s-?nr\.?)?|ticket-?(?:nummer|nr)|fall(?:-?nummer|-?nr\.?)?|aktenzeichen
    az\.?|gz\.?|geschäftszeichen|referenz(?:-?nummer|-?nr\.?)?|reklamation(?:s-?nummer)?|zeichen
    antrag(?:s-?nummer|s-?nr\.?)?|anfrage(?:-?nummer)?|meldung(?:s-?nummer)?|angebot(?:s-?nummer)?
    police(?:n-?nummer)?|versicherungsschein(?:-?nummer|-?nr\.?)?|schaden(?:s?-?nummer)?
    störung(?:s-?nummer)?|widerspruch|bescheid|anzeige|akte|retoure|lieferung|mahnung|lieferschein
    rücksendung|reparatur|termin|beschwerde|kündigung|verfahren|beleg|quittung|reise|inserat
    mietvertrag|garantie|austausch|projekt|einsatz|auftr\.?|best\.?|bestell-nr\.?|anmeldung
    schadens?fall(?:nummer)?|gutschrift|storno|kassenzeichen|rückgabe|ersatz|abo|kommission|rezept
    befund|überweisungsschein|bußgeldbescheid|fahrkarte|fahrschein|umtausch|nachbestellung|leihe
    miete|eilantrag|eingabe|bewerbung|kauf|schlichtung|meldungen|aufträgen|auftrags-?id
    buchungs-?id|vorgangs-?id|vorgangskennung|fahndung|abholung|gebot|voranschlag|kostenvoranschlag
    # French
    commandes?|cde|police|dossier|réservation|contrat|factures?|référence|réf\.?|réclamation|billet
    intervention|demande|sinistre|devis|panne|contrats|dossiers|demandes|litige|retour|vente
    annonce|avis|résa|reçu|colis|prélèvement|convocation|résiliation|mise en demeure|virement
    signalement|livraison|expédition|visite|rdv|rendez-vous|permis|plainte|amende|contravention
    recours|inscription|location|séjour|voyage|échange|réparation|ordonnance|mandat|attestation
    quittance|avoir|fiche|offre|projet|consultation|rapport|constat|expertise|autorisation|requête
    abonnement|bon de commande|ordre|ticket de caisse|souscription
    bon de (?:livraison|retour|réduction)|mission|procès-verbal|pv|déclaration|adhésion
    pré-?commande|rétractation|remplacement|relance|achat|e-?billet|rendez vous|procédure|tâche
    enchère|bordereau|formulaire|arrêté|décision|permission|option
    # Spanish
    pedidos?|compras?|reserva|contrato|facturas?|referencia|caso|incidencia|expediente|localizador
    reclamación|reclamos?|folio|solicitud|póliza|orden|boleto|siniestro|presupuesto|aver[ií]a
    reclamacion|poliza|tiquete|trámite|tramite|legajo|cita|venta|anuncio|devolución|disputa|queja
    incidencias|contratos|expte\.?|exp\.?|radicado|multa|sanción|guía|convenio|recibo|recogida
    entrega|reparación|visita|turno|licencia|permiso|denuncia|recurso|albarán|garantía|inscripción
    reporte|gestión|servicio|parte|cotización|remisión|ficha|acta|consulta|autorización|resolución
    incidente|requerimiento|viaje|alquiler|suscripción|préstamo|proyecto|orden de trabajo|ot|nota
    nota de crédito|pqrs|petición|oficio|diligencia|boletín|billete|resguardo|encargo|remito
    comprobante|cambio|canje|atestado|radicación|preventa|prerreserva|ocurrencia|demanda|alta|baja
    subasta|proceso|procedimiento|pasaje|hoja de reclamaciones|ped\.?|ord\.
    # Italian
    ordin[ei]|pratica|polizza|prenotazione|contratto|fattur[ae]|riferimento|segnalazione|rif\.?
    reclamo|richiesta|intervento|guasto|sinistro|preventivo|biglietto|bolletta|contratti|ordini
    pratiche|cup\b|annuncio|disdetta|ricevuta|verbale|scontrino|appuntamento|referto|consegna
    riparazione|permesso|ricorso|contravvenzione|domanda|istanza|ddt|garanzia|reso|noleggio|viaggio
    soggiorno|protocollo|prot\.?|incarico|commessa|bolla|nota di credito|preordine|fascicolo
    contestazione|esposto|conferma|ricetta|chiamata|sostituzione|ritiro|lavoro|commissione|odl
    procedimento|asta|avviso|impegnativa|acquisto|codice prenotazione|delibera|comunicazione
    accertamento
    # Portuguese
    encomendas?|apólice|faturas?|referência|processo|protocolo|nota fiscal|reclamação|chamado
    ocorrência|bilhete|contestaç[ãa]o|contestacao|guia|loc|processos|requerimento|anúncio|venda
    reclamações|talão|orçamento|solicitação|marcação|reparação|reparo|assistência|avaria|licença
    queixa|denúncia|coima|inscrição|devolução|troca|garantia|ordem|requisição|viagem|participação
    atendimento|registo|registro|proposta|cotação|assinatura|adesão|serviço|auto|senha|comprovante
    comprovativo|n\.?f\.?|o\.s\.|ordem de serviço|agendamento|manifestação|estorno|pré-?venda
    ofício|leilão|nota de encomenda|cédula de crédito|passagem|intimação|portabilidade|vistoria
    exame|guia de remessa
    # Dutch
    bestelling(?:en)?|bestelnummer|bestelnr|ordernummer|ordernr|zaak(?:nummer)?
    dossier(?:nummer|nr)|boeking(?:snummer|snr)?|reservering(?:snummer)?|contract(?:nummer|nr)
    factuur(?:nummer|nr)?|ticketnummer|referentie(?:nummer)?|kenmerk|melding(?:snummer)?
    klacht(?:nummer)?|aanvraag(?:nummer)?|schade(?:nummer)?|storing(?:snummer)?|advertentie
    afspraak|geschil|bezwaar|betaling|levering|reparatie|vergunning|beschikking|boete|reis|huur
    opdracht|verzoek|(?:kassa)?bon(?:nummer)?|polis(?:nummer)?|offerte(?:nummer)?|pakbon|werkbon
    vordering|aanslag|bekeuring|overboeking|ruil|retouraanvraag|zaken|klachten|meldingen|machtiging
    besluit|aankoop|veiling|order-?id|keuring|inschrijving|kavel|bod
    """
)
"""The words for what a number may be a reference to, each in the first language that has it."""

_BETWEEN = """
(?:(?:no|nr|num|nbr|n|nos|nrs|id|ref|réf|rif)\\.?|(?:numbers?|nummer|numéro|numero|número|núm|reference
|code|date|is|was|are|ist|lautet|lauten|war|est|es|è|é|of|with|mit|der|die|the|con|com|met|avec|le|la
|el|il|o|a|het|de|do|da|di|my|mein|meine|under|unter|sous|bajo|in question|último|última|last)
|(?:de|of|di|for|für|voor|pour) [^\\s\\d:#.,;()]{3,15})
""".strip().replace("\n", "")
_GAP = r"(?:[\s:#°º()\[\]\"'’„“]|\s[–-]\s)"
_WRITTEN = (
    r"(?:[A-ZÄÖÜ]{0,8}(?:[-/_][A-Z]{1,6}){0,2}[-/_.]?[0-9](?:[0-9A-Z]|[-/_][0-9A-Z]|\.[0-9]){2,24}"
    r"|(?-i:[A-Z]{1,5}[0-9][A-Z0-9]{2,10}|[A-Z]{2,5}-[0-9]{1,2}))"
)
_IN_GROUPS = (
    r"[0-9]{1,3}(?: [0-9]{2,3}){1,3}|[0-9](?: [0-9]){4,9}"
    r"|[0-9]{1,3} (?-i:[A-Z][A-Za-z]{0,3}) [0-9]{1,6}/[0-9]{2,4}"
)
"""A number that its writer has spaced, as in `7 540 118` and `7 0 0 4 1 9`, or a court has, as in
`12 O 345/24`."""
_JOINT = (
    r"(?:[ ]?(?:,|;|&|/|\b(?:and|und|et|y|e|en|or|oder|ou)\b)[ ]?){1,2}"
    r"(?:(?:now|also|then|formerly|plus|el|la|le|il|o|a|de|die|der|het|auch|aussi|también)[ ]"
    r"){0,2}"
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

_MONEY = _any_of(
    """
    # English
    payment|transfer|wire|refund|remittance|deposit|money order|fine|purchase|loan
    # German
    gutschrift|überweisung|zahlung|erstattung|kauf|kredit|darlehen
    # French
    virement|paiement|remboursement|achat|prêt
    # Spanish
    transferencia|pago|reembolso|cobro|préstamo
    # Italian
    giro|bonifico|pagamento|rimborso|acquisto|prestito
    # Portuguese
    transferência|pix|empréstimo
    # Dutch
    overboeking|terugbetaling|aankoop|lening
    """
)
"""What has a number too, but more often an amount."""

_TO = (
    rf"(?:{_GAP}{{1,4}}|(?:{_GAP}{{1,3}}{_BETWEEN}){{1,4}}{_GAP}{{1,4}})(?:(?-i:[A-Z]{{1,2}}) )?#?"
)
_KIND = rf"{_BEGIN}(?:{_KINDS})(?:s|es|en|nes)?"
SIGNED = compiled(r"(?:^|[\s(\[:])#[ ]?(?P<order>[A-Z]{0,5}-?[0-9][0-9A-Z-]{3,19})")
BOOKED = compiled(
    rf"{_BEGIN}(?:pnr|localizador|(?:{_BOOKINGS})"
    r"(?:-?[ ]?(?:ref|reference|code|no|nr|number|nummer)|[ ]?[:#]))"
    r"[\s:#.°º]{1,3}(?P<order>(?-i:[A-Z]{6}))(?:[^\pL\pN]|$)"
    rf"|{_BEGIN}(?:{_MONEY})s?{_TO}(?P<paid>(?-i:[A-Z]{{0,4}}[-/]?[0-9]{{6,14}}))(?:[^\pL\pN]|$)"
)
"""The only one that finds a code without a digit."""

NAMED = (
    compiled(rf"{_KIND}{_TO}(?:(?P<order>{_IN_GROUPS})(?:[^\pL\pN]|$)|(?P<written>{_WRITTEN}))"),
    BOOKED,
    SIGNED,
)
"""A number behind the word for what it is, a booking code of letters only, and one behind a #."""

NAMES_IT = compiled(
    rf"(?:{_KIND}|{_BEGIN}(?:locator|record|confirmed|codes?|pnr|itinerary))"
    rf"(?:{_GAP}{{1,4}}|(?:{_GAP}{{1,3}}{_BETWEEN}){{1,4}}{_GAP}{{1,4}})#?$"
)
"""The word for what a number is, right before it."""

FURTHER = compiled(rf"{_JOINT}#?(?P<order>{_WRITTEN})")
"""One more of `orders 10423, 10424 and 10425`; tried step by step, since a pattern for all of them
is too large for RE2's fast way (82,000 instructions, 400 us a letter)."""

_OTHER_THINGS = _any_of(
    r"""
    # English
    customer|cust|client|member(?:ship)?|account|acct?|meter|serial|s/n|model|part|article|item
    product|sku|card|voucher|coupon|tax|vat|ein|tracking|track|batch|imei|sim|error|code|flight
    version|router|device|type|postcode|zip|iban|bic|plate|reg|registration|room|patient|hospital
    student|staff|employee|exemption|check|cheque|apt|unit|suite|store|ext|extension|iso|din|rfc|rx
    nhs|pin|password|supply|mpan|cabin
    # German
    kunden?|kd\.?|konto|mitglieds?|z(?:ä|ae)hler|serien|modell|artikel|karten?|steuer|ust|sendungs
    chargen?|fehler|flug|gutschein|ger(?:ä|ae)te?|typ|kennzeichen|hrb
    kabine|zimmer
    # French
    compte|compteur|série|modèle|carte|tva|siret|siren|suivi|erreur|vol|adhérent|cabine
    # Spanish
    cliente|cuenta|contador|serie|modelo|artículo|tarjeta|nif|cif|dni|nie|cups|seguimiento|lote
    vuelo|socio|matrícula|cabina|habitación
    # Italian
    conto|contatore|seriale|modello|articolo|iva|codice|lotto|tracciamento|errore|volo|tessera
    targa|pod|pdr
    # Portuguese
    conta|cartão|contribuinte|cpf|cnpj|rastreio|erro|voo
    # Dutch
    klant|rekening|serienummer|kaart|btw|bsn|kvk|partij|track ?(?:&|and) ?trace|fout|vlucht|lid
    kenteken|hut|kamer
    """
)
OTHER_THINGS = compiled(
    rf"{_BEGIN}(?:{_OTHER_THINGS})(?:[-. ]?(?:no|nr|number|nummer|num|id|code))?"
    r"[\s:#.°º(-]{1,4}(?:(?:is|was|ist|war|lautet|est|es|è|é|no|nr|n|num|nummer|number)"
    r"[\s:.]{1,2}(?:(?:the|die|der|das|la|el|il|le|a|o|het|de)[\s]{1,2})?)?$"
)
"""Words right before a code that make it no reference."""

OTHER_AFAR = re.compile(
    r"\b(?:serial|s/n|imei|tracking|track|meter|iban|seriennummer|z(?:ä|ae)hler\w*|sendungs\w*|suivi"
    r"|compteur|numéro de série|seguimiento|contador|número de serie|tracciamento|contatore|seriale"
    r"|rastreio|número de série|serienummer|trackingnummer)(?:['’]s)?"
    r"(?: (?!for|of|under|zu|für|de\b|da\b|di\b|para|pour|per\b|voor|van\b)[^\s.,;:!?]+){0,5}:? $",
    re.IGNORECASE,
)
"""`the serial on the box would be …`."""
