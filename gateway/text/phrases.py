"""What mail programs, forms and habits write around a customer's words, in seven languages.

Only patterns; `quotes` says what they mean. Each is tried on one bounded line and is linear: no
quantifier stands inside another over the same letters.
"""

from __future__ import annotations

import re
from typing import Any

import re2


def _words(*alternatives: str) -> str:
    return "(?:" + "|".join(alternatives) + ")"


_LABELS = {
    "from": "from|von|de|da|van|expéditeur|remitente|mittente",
    "sent": "sent|date|gesendet|datum|envoyé|envoyé le|enviado|enviado el|enviado em|enviada"
    "|enviada el|enviada em|fecha|inviato|data|verzonden",
    "to": "to|an|à|para|a|aan|per|destinataire",
    "cc": "cc|kopie|bcc|reply-to|antwort an|répondre à",
    "subject": "subject|betreff|objet|asunto|oggetto|assunto|onderwerp",
}
FIELD_NAMES = {label: name for name, labels in _LABELS.items() for label in labels.split("|")}
"""Labels of copied header lines, lower case, to what they stand for."""

FIELD_LINE = re.compile(
    r"\*?("
    + "|".join(sorted(map(re.escape, FIELD_NAMES), key=len, reverse=True))
    + r")[ \t\xa0\u202f]?\*?:\*?(?:[ \t\xa0]|$)",
    re.IGNORECASE,
)

INLINE_FIELDS = re.compile(
    r"\b(?:sent|date|gesendet|datum|envoyé|enviado|fecha|inviato|data|verzonden)[ \xa0]?:.{1,200}"
    r"\b(?:subject|betreff|objet|asunto|oggetto|assunto|onderwerp)[ \xa0]?:",
    re.IGNORECASE,
)
"""Copied header lines that were run together into one."""

_ORIGINAL = _words(
    "original message", "forwarded message", "reply message", "original appointment",
    "ursprüngliche nachricht", "original[- ]?nachricht", "originalnachricht",
    "weitergeleitete nachricht", "weitergeleitete e-?mail",
    "message d['’]origine", "message original", "message transféré", "message transmis",
    "courriel original", "mensaje original", "mensaje reenviado", "messaggio originale",
    "messaggio inoltrato", "mensagem original", "mensagem encaminhada",
    "mensagem reencaminhada", "oorspronkelijk bericht", "origineel bericht",
    "doorgestuurd bericht", "forwarded by .{1,80}", "replied message",
)  # fmt: skip
_BEGIN = _words(
    "begin forwarded message", "begin reply message",
    "anfang der weitergeleiteten (?:nachricht|e-?mail)",
    "début du (?:message|courriel) (?:transféré|réexpédié)", "inicio del mensaje reenviado",
    "inizio (?:del )?messaggio inoltrato",
    "in[ií]cio da mensagem (?:encaminhada|reencaminhada)", "begin doorgestuurd bericht",
)  # fmt: skip
_WROTE_LAST = _words(
    "wrote", "schrieb", "a écrit", "escribió", "ha scritto", "escreveu", "schreef",
)  # fmt: skip
SEPARATOR = re.compile(
    r"[-_=*~ ]{2,80}[ ]?" + _ORIGINAL + r"[ ]?:?[-_=*~ ]{0,80}"
    r"|" + _BEGIN + r"[ \xa0\u202f]?:"
    r"|-{2,8} .{8,300} " + _WROTE_LAST + r"[ ]?:?[ ]?-{2,8}"  # Zoho
    r"|[-#= ]{2,20}(?:please )?(?:reply|type|write|enter) (?:your )?(?:reply "
    r"|response )?above th(?:is|e) line[-#= .]{0,20}",
    re.IGNORECASE,
)
"""A whole line after which an earlier letter stands."""

RULE = re.compile(r"[_\-=*–—]{5,200}")

WROTE = re.compile(
    r"(?:\b(?:wrote|writes|schrieb|schreibt|schrieben|écrivait|escribió|escribio|scrisse"
    r"|escreveu|schreef|schreven|geschreven)\b|\ba écrit\b|\bha scritto\b|\bha escrit\b"
    r"|\bhat\b.{1,160}\bfolgendes geschrieben\b).{0,160}:$",
    re.IGNORECASE,
)
ATTRIBUTION_START = re.compile(
    r"(?:on|at|am|um|le|el|il|em|op|no dia|den|a la\(s\)|vom|il giorno|in data|de|da)\b.{0,80}\d"
    r"|\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{4}年|quoting ",
    re.IGNORECASE,
)

CLOCK = re.compile(
    r"\d:\d\d|\d ?h ?\d\d|\d ?[ap]\.?m\b|\d uhr\b|\b(?:ore|kl\.?|um|at) \d{1,2}\.\d\d",
    re.IGNORECASE,
)
"""A time of day, which a program never leaves out where it tells who wrote and no address."""
TOLD = re.compile(
    r"(?<!\S)(?:your|you|me|us|my|I|we|our|[Ii]hr(?:e[nrms]?)?|mir|uns|ich|wir|votre|vos|m['’]a|nous"
    r"|su|sus|nos|vuestr[oa]|vostr[oa]|mi|ci|seu|sua|vosso|vossa|uw|jullie|ons|mij|me|ik)(?!\S)"
)
"""Small words of a story about who wrote what; a program speaks of nobody so."""
RUN_ON = re.compile(
    r"[ \t]{0,8}(?:on|am|le|el|il|em|op)\b.{0,80}\d:\d\d.{0,120}<[^<>\s]{3,100}> ?"
    + _words(
        "wrote", "schrieb", "hat folgendes geschrieben", "a écrit", "escribió", "ha scritto",
        "escreveu", "schreef",
    ) + r"[ \xa0\u202f]?:[ \t]",
    re.IGNORECASE,
)  # fmt: skip
"""The beginning of a line in which a phone put a whole earlier letter behind its attribution."""

_DEVICE = _words(
    "iphone", "ipad", "ipod", "mac", "galaxy", "samsung", "huawei", "xiaomi", "redmi", "pixel",
    "nokia", "sony", "motorola", "oneplus", "fairphone", "blackberry", "android", "smartphone",
    "handy", "phone", "mobil", "telefon", "tablet", "gerät", "surface", "windows", "outlook",
    "mail", "app", "computer", "laptop", "pc",
)  # fmt: skip
PHONE_MADE = re.compile(
    _words(
        r"sent from my [\w+.’' -]{2,40}[ ,.;:!–-]{1,3}(?:please |so )?(?:excuse|forgive|pardon"
        r"|apologi|sorry).{0,60}$",
        r"sent (?:from|via) the [\w+.’' -]{2,40}, an? [\w&+.’' -]{2,40}(?:phone|device|tablet)$",
        r"sent (?:from|via|with|using) (?:my |the |a )?[\w+.’' -]{2,50}(?: (?:for"
        r"|on) \w{2,20})?\.?$",
        r"get outlook for \w+", r"(?:yahoo mail|gmail|aol)[:,] .{0,60}$",
        r"von (?:meine[mr](?:/meine[mr])? )?(?:.{1,40} )?" + _DEVICE + r".{0,40}"
        r" (?:gesendet|gesandt|verschickt)\.?$",
        r"(?:gesendet|diese nachricht wurde) (?:mit|von|aus|über|vom) .{2,70}$",
        r"outlook für \w+ (?:beziehen|herunterladen|abrufen)",
        r"(?:holen sie sich|hol dir|laden sie) outlook für",
        r"envoyé (?:de(?:puis)?|à partir de|avec) .{2,60}$", r"télécharge[rz] outlook pour",
        r"obten(?:ez|ir) outlook pour", r"provenance[ \xa0]: courrier",
        r"enviad[oa] (?:desde|con|do|a partir d[eo]|pelo|com) .{2,60}$",
        r"obt[eé]n(?:er|ga)? outlook para", r"obt(?:er|enha) (?:o )?outlook para",
        r"inviato (?:da|dal|con|tramite) .{2,60}$", r"scarica outlook per", r"ottieni outlook per",
        r"(?:verstuurd|verzonden|gestuurd) (?:vanaf|vanuit|met|via|van) .{2,60}$",
        r"outlook voor \w+ (?:ophalen|downloaden)", r"(?:download|haal) outlook voor",
    ),
    re.IGNORECASE,
)  # fmt: skip
"""What phones and programs sign with."""

_CLOSING = (
    r"[ ]?(?:"
    # English
    r"(?:(?:with )?(?:my |our )?(?:kind|best|warm|kindest|warmest|many|sincere)(?:est)? )?regards"
    r"|rgds|kr"
    r"|(?:with )?(?:all )?(?:the )?best(?: wishes)?|(?:yours|your) (?:sincerely|faithfully|truly"
    r"|respectfully|in anger)"
    r"|sincerely(?: yours)?|respectfully(?: yours)?|cordially|cheers|greetings"
    r"|many thanks|with thanks|thanks(?: (?:so much|very much|a lot|again|in advance|and regards))?"
    r"|thank you(?: (?:so much|very much|again|in advance|and .{1,20}regards))?|thx|ta|take care"
    # German
    r"|(?:mit )?(?:den )?(?:freundlich|best|viel|lieb|herzlich|schön)\w{0,4} gr(?:ü|ue)(?:ß"
    r"|ss)\w{0,2}"
    r"|m ?f ?g|lg|vg|glg|gr(?:ü|ue)(?:ß|ss)e?(?: aus \w{2,20})?|gru(?:ß|ss)|hochachtungsvoll"
    r"|(?:vielen|besten|herzlichen|schönen) dank(?: im voraus)?|danke(?: im voraus| schön)?"
    # French
    r"|(?:bien |très )?cordialement|cdlt|bien à (?:vous|toi)|salutations(?: distinguées)?"
    r"|(?:mes |nos )?(?:sincères|meilleures|cordiales) salutations|respectueusement|sincèrement"
    r"|bonne (?:journée|soirée|réception)|merci(?: d['’]avance| beaucoup| par avance)?"
    r"|(?:veuillez|je vous prie d['’]) (?:agréer|recevoir|croire).{0,80}"
    # Spanish
    r"|(?:un |reciba un |reciban un )?(?:cordial |atento )?saludos?(?: cordial(?:es)?"
    r"| atentamente)?"
    r"|(?:muy )?atentamente|cordialmente|(?:muchas |mil )?gracias(?: de antemano| por todo)?|atte"
    # Italian
    r"|(?:i miei )?(?:cordiali|distinti|migliori) saluti|(?:un )?(?:cordiale )?saluti?|in fede"
    r"|(?:molte |mille )?grazie(?: mille| in anticipo)?|buona giornata"
    # Portuguese
    r"|(?:com )?(?:os )?(?:melhores|meus) cumprimentos|(?:os meus )?cumprimentos|atenciosamente|att"
    r"|(?:um )?abraços?|(?:muito )?obrigad[oa](?: desde já)?|grat[oa]|desde já (?:grat"
    r"|agradeç)\w{1,3}"
    # Dutch
    r"|(?:met )?(?:vriendelijke|hartelijke|de beste|beste|lieve) groet(?:en|jes)?|groet(?:en|jes)?"
    r"|m\.?v\.?g\.?|hoogachtend|(?:alvast |hartelijk )?(?:bedankt|dank)(?: voor .{1,30}| alvast)?"
    r"|dank (?:u|je)(?: wel)?"
    r")"
)  # fmt: skip
CLOSING = re.compile(_CLOSING + r"(?![\w'’-])", re.IGNORECASE)
"""The formula that closes a letter."""

THANKS = re.compile(
    r"many thanks|with thanks|thank|thx|(?:vielen|besten|herzlichen|schönen) dank|dank|merci"
    r"|(?:muchas |mil )?gracias|(?:molte |mille )?grazie|(?:muito )?obrigad|(?:alvast "
    r"|hartelijk )?bedankt",
    re.IGNORECASE,
)
"""A closing that says something about how the customer feels: it stays among his words."""

POSTSCRIPT = re.compile(r"(?:p\.? ?p?\.?s\.?|n\.?b\.?|ps)[ :.,-]", re.IGNORECASE)

CONTACT = re.compile(
    r"\b(?:tel|phone|mobile|mob|cell|fax|telefon|handy|mobil|tél|téléphone|portable|teléfono|móvil"
    r"|telefono|cellulare|cell|telefone|telemóvel|celular|telefoon|mobiel)\b|[\w.+-]@[\w-]"
    r"|\bwww\.|https?://|[+(]?\d[\d ().\-/]{7,}\d",
    re.IGNORECASE,
)
NAME_LINE = re.compile(r"[^\W\d_][\w.'’-]{0,30}(?:[ ,]{1,2}[^\W\d_][\w.'’-]{0,30}){0,4}")

DISCLAIMER = re.compile(
    r"[*_\[( ]{0,4}(?:"
    r"(?:confidentiality|privacy|e-?mail|legal) (?:disclaimer|statement)|disclaimer[ :.-]"
    r"|(?:confidentiality|privacy) (?:notice|note)"
    r"|(?:legal |important )?(?:notice|note)\b.{0,120}\b(?:confidential|privileged|addressee)"
    r"|(?:this|the information in this|the contents of this|the content of this) (?:e-?mail"
    r"|message|communication|transmission)\b.{0,120}"
    r"\b(?:confidential|privileged|addressee|intended (?:only|solely|exclusively|recipient"
    r"|for the (?:\w+ )?(?:use|person|individual|named))|virus|scanned|monitored)"
    r"|if you (?:are not the intended|have received this|received this) "
    r"|please consider the environment|think before you print|save (?:paper|a tree)|before printing"
    r"|(?:virus-free|virenfrei|garanti sans virus|libre de virus|privo di virus|livre de vírus"
    r"|virusvrij)\.|l['’]absence de virus dans|scanned by "
    r"|this (?:e-?mail|message) (?:has been|was) (?:scanned|checked"
    r"|sent to you because|sent from a notification)"
    r"|(?:caution|warning|external|achtung|attention|attenzione|let op|atención|atenção)\b.{0,40}"
    r"\b(?:external|outside|originated|extern|externe|externo|esterno|buiten)"
    r"|\[(?:external|extern|externe|externo|esterno|ext)\b[^\]]{0,20}\]"
    r"|external(?: e-?mail| sender| message)?:|external (?:e-?mail|sender|message)\b"
    r"|you don['’]t often get (?:e-?mail|email) from"
    r"|some people who received this message don['’]t often get"
    r"|diese (?:e-?mail|nachricht)\b.{0,120}\b(?:vertraulich|(?:nur|allein|ausschließlich) für"
    r"|empfänger|adressat|viren)"
    r"|der inhalt dieser e-?mail|bitte (?:prüfen sie|denken sie an die umwelt"
    r"|beachten sie die umwelt)"
    r"|sie erhalten nicht (?:oft|häufig) e-?mails von"
    r"|(?:ce message|ce courriel|cet e-?mail|ce mail"
    r"|les informations contenues)\b.{0,140}\b(?:confidentiel|destinataire|virus"
    r"|destinée?s? (?:uniquement|exclusivement|seulement|à l['’]usage))"
    r"|(?:pensez à l['’]environnement|avant d['’]imprimer|n['’]imprimez)"
    r"|vous n['’]obtenez pas souvent"
    r"|(?:este (?:mensaje|correo)|esta (?:mensagem|comunicación)|este e-?mail|o conteúdo desta"
    r"|la información contenida)\b.{0,140}"
    r"\b(?:confidencia|destinat[aá]ri|privilegiad|uso exclusivo|exclusivamente|antiv[ií]rus"
    r"|en busca de virus)"
    r"|antes de imprimir|piense en el medio ?ambiente|pense no (?:meio )?ambiente"
    r"|(?:questo messaggio|questa e-?mail|la presente e-?mail|le informazioni contenute"
    r"|il presente messaggio)\b.{0,140}"
    r"\b(?:riservat|confidenzial|destinatari|privacy|antivirus|individuare virus)"
    r"|prima di stampare|rispetta l['’]ambiente"
    r"|(?:dit bericht|deze e-?mail|dit e-?mailbericht|de informatie in (?:dit"
    r"|deze))\b.{0,140}\b(?:vertrouwelijk|(?:alleen|uitsluitend) (?:voor|bestemd)"
    r"|geadresseerde|virussen)"
    r"|denk aan het milieu|u ontvangt niet vaak"
    r")",
    re.IGNORECASE,
)
"""The start of a paragraph that mail systems and lawyers add."""

BANNER = re.compile(
    r"[*_\[( ]{0,4}(?:caution|warning|external|extern|achtung|attention|attenzione|let op|atención"
    r"|atenção|you don['’]t often|some people who|sie erhalten nicht|vous n['’]obtenez|u ontvangt)",
    re.IGNORECASE,
)
"""A DISCLAIMER that stands above a letter, often without an empty line between."""
BANNER_WORDS = re.compile(
    r"\b(?:click|links?|attachments?|sender|learn (?:why|more)|content is safe|absender|anhänge"
    r"|pièces jointes|expéditeur|liens|adjuntos|remitente|enlaces|allegati|mittente|anexos"
    r"|remetente|bijlagen|afzender)\b",
    re.IGNORECASE,
)
"""What the further lines of such a warning speak of."""

BOILERPLATE = re.compile(
    r"(?:leave a (?:reply|comment)|cancel reply|post (?:a )?comment|submit(?: comment)?"
    r"|your (?:e-?mail|email) address will not be"
    r" published\.?.{0,60}|required fields are marked ?\*?|save my name, e-?mail.{0,80}"
    r"|(?:this (?:e-?mail|message) was sent (?:from|via|by|through)|sent (?:from|via) the"
    r"|new (?:message|submission|enquiry|inquiry) (?:from|via|on))"
    r" .{0,30}(?:contact|form|website|web ?site|page).{0,60}"
    r"|(?:view|read) (?:this )?(?:e-?mail|message|it)? ?(?:in|online"
    r"|on) (?:your )?(?:a )?(?:web ?)?browser.{0,20}"
    r"|(?:to )?unsubscribe(?: from this list| here)?.{0,60}|manage (?:your )?preferences.{0,40}"
    r"|share this|tweet|(?:like|follow) us on .{1,20}"
    r"|kommentar (?:hinterlassen|abschicken)|schreibe einen kommentar|antwort(?:en)? abbrechen"
    r"|diese e-?mail wurde über das kontaktformular.{0,80}"
    r"|deine e-?mail-adresse wird nicht veröffentlicht.{0,60}"
    r"|erforderliche felder sind (?:mit \* )?markiert.{0,20}"
    r"|laisser un commentaire|annuler la réponse|votre adresse e-?mail ne sera pas publiée.{0,80}"
    r"|les champs obligatoires.{0,60}"
    r"|(?:ce message|cet e-?mail) a été envoyé (?:via|depuis|par) le formulaire.{0,80}"
    r"|deja una respuesta|deja un comentario|cancelar (?:la )?respuesta"
    r"|tu dirección de correo electrónico no será publicada.{0,80}"
    r"|este (?:mensaje|correo) (?:se ha enviado|fue enviado|se envió) desde (?:el"
    r"|un) formulario.{0,80}|los campos (?:necesarios|obligatorios).{0,60}"
    r"|lascia un commento|annulla risposta|il tuo indirizzo e-?mail non sarà pubblicato.{0,80}"
    r"|i campi obbligatori.{0,60}"
    r"|questa e-?mail è stata inviata (?:dal|tramite il) (?:modulo|form).{0,80}"
    r"|deixe um(?:a)? (?:comentário|resposta)|cancelar resposta"
    r"|o seu endereço de e-?mail não será publicado.{0,80}|campos obrigatórios.{0,60}"
    r"|(?:esta mensagem|este e-?mail) foi enviad[oa] (?:a partir do|através do"
    r"|pelo) formulário.{0,80}"
    r"|laat een (?:reactie|antwoord) achter|reactie annuleren"
    r"|je e-?mailadres wordt niet gepubliceerd.{0,80}|vereiste velden zijn gemarkeerd.{0,30}"
    r"|(?:dit bericht|deze e-?mail) is verzonden (?:via|vanaf) het contactformulier.{0,80}"
    r"|message body:|\[(?:image|cid|inline image|logo)[:\]].{0,80}|<image\d{3}\.\w{3}>|_{5,}|-{5,}"
    r"|={5,}|\*{5,}"
    r")",
    re.IGNORECASE,
)
"""A whole line that a form, a page or a mail program wrote."""

_COUNTED = re.compile(r"\{\d+,\d+\}")


def _any_line(*patterns: str) -> Any:
    """An RE2 pattern for text of stripped lines some of which may begin as one of the patterns.

    It may match more: without counted repetitions it needs few states, and what RE2 takes for word
    characters and digits is ASCII only.
    """
    loose = _COUNTED.sub("*", "|".join(patterns)).replace(r"\w", r"\S").replace(r"\d", r"\pN")
    return re2.compile(f"(?im)^(?:{loose})")


_BOILERPLATE_LINE = _any_line(DISCLAIMER.pattern, BOILERPLATE.pattern)
_SIGN_OFF_LINE = _any_line(_CLOSING, PHONE_MADE.pattern)


def may_hold_boilerplate(text: str) -> bool:
    """Whether a line of a text may begin as DISCLAIMER or BOILERPLATE; 50 us saved where none does.

    RE2 reads all alternatives in one pass.
    """
    return _BOILERPLATE_LINE.search(text) is not None


def sign_offs(text: str) -> frozenset[int]:
    """The numbers of the lines that may begin as CLOSING or PHONE_MADE.

    6 us for the end of a letter, where trying both on each line took 30.
    """
    numbers = []
    number = at = 0
    for match in _SIGN_OFF_LINE.finditer(text):
        number += text.count("\n", at, match.start())
        at = match.start()
        numbers.append(number)
    return frozenset(numbers)


STUB = re.compile(
    r"(?:does not|doesn['’]t|cannot|can['’]t|unable to|not) (?:support|display|show|view"
    r"|read)\w{0,3}.{0,40}html"
    r"|html.{0,60}(?:not supported|capable|compatible|enabled|fähig|nicht (?:angezeigt"
    r"|unterstützt))"
    r"|(?:view|read|see|open) (?:this |the )?(?:e-?mail|message|newsletter|it)?.{0,30}(?:browser"
    r"|online|html)"
    r"|(?:unterstützt|zeigt|kann).{0,40}html.{0,40}(?:nicht|keine)|(?:html|online"
    r"|browser).{0,30}(?:ansehen|anzeigen|öffnen)"
    r"|(?:ne (?:prend|supporte|gère|peut)|version).{0,60}(?:html|en ligne)|(?:no (?:admite|soporta"
    r"|puede)|versión).{0,60}html"
    r"|(?:non (?:supporta|visualizza)|versione).{0,60}html|(?:não (?:suporta|permite)"
    r"|versão).{0,60}html"
    r"|(?:ondersteunt|kan).{0,40}html.{0,40}(?:niet|geen)",
    re.IGNORECASE,
)
"""A plain part that says no more than that one should look at the other part."""
