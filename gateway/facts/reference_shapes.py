"""What the numbers look like that shops, banks and offices give to a matter. For `references`.

RE2 finds every run of letters and digits in one pass without groups, which is its fast way. What
a run is, its few letters and those around it tell; they are short, so `re` is quick and safe.
"""

from __future__ import annotations

import re

import re2

_WORD = (
    r"(?:[A-Za-zÄÖÜ]{1,12}[-/._])*[A-Za-zÄÖÜ]{0,12}[0-9][0-9A-Za-z]*"
    r"(?:[-/_][0-9A-Za-z]+|\.[0-9]+[0-9A-Za-z]*)*"
)
_options = re2.Options()
_options.log_errors = False
RUN = re2.compile(
    rf"(?:(?:[A-Z]{{1,5}}\.?|(?:[A-Z]\.){{2,3}})[ \x{{A0}}])?"
    rf"{_WORD}(?:[ \x{{A0}}](?:{_WORD}|[A-Z0-9]{{3}}))*",
    _options,
)
"""Words with a digit in them that follow each other, and a short word in capitals before them:
`40117`, `MT 55812`, `HB7 22019`."""

DIGIT = re.compile(r"[0-9]")

LEFT = frozenset(" \n\t\xa0([,:;\"'„“”«»‘’#*>|")
RIGHT = frozenset(" \n\t\xa0)],.:;?!\"'„“”«»‘’*<|…–—")
"""What a code stands between; an address or a link has other signs around its numbers."""


def _shape(*forms: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{form})" for form in forms))


MIXED = re.compile(
    r"(?=[^A-Z]*[A-Z])(?=(?:[^0-9]*[0-9]){2})[0-9A-Z]{3,4}-(?=[^A-Z]*[A-Z])[0-9A-Z]{3,4}"
)
"""Letters on both sides: two digits are enough."""

STRONG = _shape(
    r"[A-Z]{1,8}(?:[-/_.][0-9A-Z]+){1,5}(?:[-/][a-z])?",  # `HB-22019`, `INV/2026/118-a`
    r"[A-Z]{2,6}[-_][0-9][0-9A-Za-z]{4,9}",  # `KD-4f81c2`
    r"[A-Z]{2}[0-9]{5,8}[A-Z]{0,2}",  # `MT55812`, `MT55812A`
    r"[A-Z]{3,5}[0-9]{5,10}[A-Z]{0,2}",  # `SHOP55812`
    r"[A-Z][0-9]{5,9}",  # `R55812`
    r"[A-Z]{2,5}[0-9]{4}[A-Z]",  # `MT5581A`
    r"[0-9]{5,9}[A-Z]",  # `55812A`
    r"[0-9]{3,6}[A-Z]{1,3}[0-9]{2,6}",  # `558MT12`
    r"(?=[^A-Z]*[A-Z])(?=(?:[^0-9]*[0-9]){4})[0-9A-Z]+(?:[-/][0-9A-Z]+){1,5}",  # `24B-1180/2`
    r"[A-Za-z]{2,5}-[0-9]{5,9}",  # `ord-55812`
    MIXED.pattern,  # `4KX-M8P`
    r"[0-9]{1,3}-[0-9]{4,6}",  # `22-40117`
    r"[0-9]{4}-[0-9]{2,3}",  # `4011-72`
    r"[0-9]{5}-[0-9]{1,3}",  # `40117-2`
    r"[0-9]{6,7}-[0-9]{1,4}",  # `401172-18`
    r"[0-9]{3,7}/20[0-9]{2}",  # `4011/2026`
    r"[0-9]{2,4}\.[0-9]{2,4}\.[0-9]{5,}",  # `12.2026.40117`
    r"[0-9]{2,6}[./][0-9]{3,6}/[0-9]{2,4}",  # `12.401/26`
    r"20[0-9]{2}/[0-9]{3,7}",  # `2026/4011`
    r"[0-9A-Z]{1,10}(?:-[0-9A-Z]{1,10}){2,4}",  # `12-40117-3`
)
"""One word that is a code wherever it stands, unless the words before it say something else."""

SPACED = _shape(
    r"[A-Z]{2,4}\.? [0-9]{5,8}",  # `MT 55812`
    r"(?:[A-Z]\.){2,3} [0-9]{4,8}",  # `P.O. 4011`
    r"[A-Z]{2,4} [0-9]{2,3}\.[0-9]{3}",  # `MT 55.812`
    r"[A-Z]{2,4} [0-9]{1,6}[-/][0-9A-Z]{1,7}(?:[-/][0-9A-Z]{1,6})?",  # `MT 558/26-A`
    r"[A-Z] [0-9]{2,4}/[0-9]{2,7}",  # `K 558/26`
    r"[A-Z] [0-9]{2,6}-[0-9]{2,6}",  # `K 558-4011`
    r"[A-Z]{2,3}[0-9]{1,3} [0-9]{5,6}",  # `HB7 22019`
    r"[A-Z]{1,8}-[0-9]{1,3} [0-9]{3,6}",  # `HB-7 22019`
    # `MT 55 81 20`
    r"[A-Z]{2,4} (?=(?: ?[0-9]){6,8}$|[1-9](?: ?[0-9]){5,9}$)[0-9]{1,4}(?: [0-9]{2,4}){1,3}",
    r"[A-Z]{2,4}(?: [0-9]{2,4}){2,3}-[0-9A-Z]{1,3}",  # `MT 55 812-A`
    r"[A-Z]{2} (?!19|20)[1-9][0-9]{3}",  # `MT 5581`
)
"""The same with a space in it."""

GROUPS = re.compile(r"[0-9]{1,2} [0-9]{3} [0-9]{3}")
"""Bare digits in groups: only where a sentence begins."""

TITLED = re.compile(
    r"(?!Jan|Feb|M[aä]r|Apr|Ma[iy]|Jun|Jul|Aug|Sep|O[ck]t|Nov|De[cz])[A-Z][a-z]{2,9}(?:-[0-9]{2,6}){2}"
)
"""A word and two numbers, where it stands on its own: `Learn-240-88`."""

SERIES = re.compile(r"[A-Z]{2,4}[0-9]{3,5}")
"""A code behind what was confirmed or booked: `the confirmation for HJK8821`."""

PAIR = re.compile(r"[0-9]{3,6}-[0-9]{4,6}")
"""A code if something is asked of it: `I canceled 9917-2204`."""

LOOSE = _shape(
    r"(?=[0-9A-Z]*[0-9])(?=[^A-Z]*[A-Z])[0-9A-Z]{3,5}[- ](?=[A-Z]*[0-9])[0-9A-Z]{3,5}",
    r"[A-Z]{1,4} [0-9]{1,4} [0-9]{2,4}|[0-9A-Z]{2,3} [0-9]{4,6}",
)
"""A code only behind the word for what it is: `reserva CR9-LLM4`, `locator KQ9 M4P`."""

_SIX = "|".join(f"[0-9A-Z]{{{n}}}[0-9][A-Z][0-9A-Z]{{{4 - n}}}" for n in range(5))
BOOKING = re.compile(_SIX)
"""Six characters are a booking code if a letter follows a digit: `XW7PL3`, but not `LH2048`."""

PARTS = re.compile(r"[0-9A-Z]{1,10}(?:[-/][0-9A-Z]{1,10}){1,4}|[A-Z]{2,5} [0-9]{4,8}")
"""A code where a code stands: alone, in brackets, behind `under` or `for`."""

CALLED = re.compile(r"[1-9][0-9]{4,8}|[0-9]{1,4}-[0-9]{3,6}|[A-Z]{1,3}-[0-9]{3,6}")
"""A number, if it is called one."""

DIGITS = re.compile(r"[0-9]{5,8}")
LETTER_ASIDE = re.compile(r"[A-Z] [0-9]{4,8}")
TAIL = re.compile(r"[0-9]{1,6}(?:-[0-9A-Z]{1,6}){0,2}-[A-Z]{1,3}")
"""A number that is a sentence, a line, a last clause, or stands in brackets."""

SUBJECT = _shape(
    r"[0-9A-Z]{1,10}(?:[-/][0-9A-Z]{1,10}){1,4}",  # `24-1180`
    r"[A-Z]{2,4}-[0-9]{2}",  # `HB-22`
    r"[A-Za-z]{0,5}[-/]?[0-9]{4,}",  # `40117`, `ord4011`
    r"[0-9]+\.[0-9]+[-/][0-9/-]+",  # `12.40-7`
    r"[0-9A-Z]{6}",  # `XW7PL3`
    r"[A-Z]{2,3} [0-9]{4,8}",  # `MT 5581`
)
"""A number in a subject says what the letter is about."""

SHORT_CODE = re.compile(
    r"[A-Z]{2,6}-[A-Z]{2,6}-[0-9]{2,}|[A-Z]{2,5}-[0-9]+-[0-9A-Z]+|[0-9A-Z]{5,8}|[A-Z]{3,5}-[0-9]{2,3}"
)
"""Booking codes and serial numbers, which have few digits."""

SHORT_NAMED = re.compile(r"[A-Z]{2,5}-[0-9]{2}|[A-Z]{3,5}-[0-9]")
"""Two digits are enough behind the word for what it is."""

_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:(?:19|20)?\d\d)"
DATE = _shape(
    rf"{_DAY}[./-]{_MONTH}[./-]{_YEAR}|{_MONTH}[./-]{_DAY}[./-]{_YEAR}",
    rf"{_DAY} {_MONTH} {_YEAR}|[^\W\d]+/(?:19|20)\d\d",
    rf"(?:19|20)\d\d[./-]{_MONTH}[./-]{_DAY}(?:T.*)?|\d{{1,3}}[.,]\d{{1,2}}|{_DAY}[./-]{_MONTH}",
    r"(?:19|20)\d\d[-/](?:19|20)?\d\d|\d{1,2}(?:st|nd|rd|th).*",
)
"""A date, an amount or a year rather than a reference."""

POSTAL = re.compile(r"(?:A|B|L|N|CH|FL|DK|NL)-[0-9]{4}|IS-[0-9]{3}|(?:D|F|I|E|SE|FI|CZ)-[0-9]{5}")
"""Postal codes with the country's letter."""

RANGE = re.compile(r"([0-9]+)[-/]([0-9]+)")
LOCAL_PHONE = re.compile(r"[2-9][0-9]{2}-[0-9]{4}")

_UNITS = (
    "euros?|dollars?|pounds?|quid|pesos?|soles|reais|real|francs?|franken|naira|shillings?|rupees?"
    "|rand|eur|usd|gbp|chf|km|miles?|kg|kwh|kw|gb|mb|ml|mm|cm|m[23²³]|people|persons?|personen"
    "|personnes|personas|pessoas|persone|mensen|followers|hours?|stunden|points?|punkte|steps|views"
    "|items|words|volts?|watts?|rpm|lbs?|ft|sq"
)
AMOUNT_BEHIND = re.compile(rf"[ \xa0]?(?:[€$£¥₦₹%°]|(?:{_UNITS})\b)|[.,][0-9]", re.IGNORECASE)
"""What makes `1 204` an amount, not a reference."""

THOUSANDS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{3})+")
"""An amount as the mainland of Europe writes it: `1.140`."""

SENTENCE = re.compile(r"[^\W\d_]{4}[.!?…][ \n]$")
"""The end of a sentence, rather than of an abbreviation such as `no.`."""

TOWN = re.compile(r"[ ][A-ZÄÖÜÉ][a-zäöüéèß]")
"""What follows a postal code."""

START = re.compile(r"(?:^|[.!?…][\"'”’)]?[ ]+|\n[ \t>*•-]*)$")
"""A sentence or a line begins."""

BRACKET = re.compile(r"[(\[][ ]?$")
CLAUSE = re.compile(r",[ ]$")
CLOSED = re.compile(r"[ ]?[)\],.;?!\n]|[ ]*$")
ENDS = re.compile(r"[.!)\]]|[ ]*(?:\n|$)")
GOES_ON = re.compile(
    r"[,:]?[ ](?:[-–—][ ]|(?:is|was|has|had|never|still|came|arrived|again|now|please|finally|went"
    r"|ist|war|kam|wurde|wird|est|a|n['’]a|es|fue|ha|llegó|sigue|è|era|foi|chegou|continua|werd|kwam"
    r"|heeft|can|cannot|kann|peut|puede|può|pode|kan)\b)|,[ ][a-zäöüéèàñ]|:[ ]"
)
"""How a sentence goes on that begins with a reference: `40019, you wrote`, `40019 is here`."""

IS_ONE = re.compile(r"[ ](?:is|ist|est|es|è|é)[ ]", re.IGNORECASE)
"""`220-8817 is the order`."""

_REFER = (
    "under|re|ref|for|from|on|about|regarding|concerning|is|was|unter|zu|für|wegen|betreffs?|war"
    "|sous|pour|concernant|para|sobre|por|per|riguardo|onder|voor|over|betreft"
)
REFERS = re.compile(rf"\b(?:{_REFER})[: ]+$", re.IGNORECASE)
REFERS_CLOSELY = re.compile(
    r"\b(?:under|re|ref|for|from|about|unter|zu|für|sous|onder|voor)[: ]+$", re.IGNORECASE
)
"""Words behind which even three and four digits are a reference."""
ASKED_OF = re.compile(
    r"\b(?:when|where|where['’]s|wo|wann|où|quand|d[oó]nde|cu[aá]ndo|dove|quando|onde|waar|wanneer"
    r"|cancel|return|track|check(?: on)?|status of|storniere\w*|annul\w+|cancel\w+)"
    r"(?: (?:is|will|does|did|ist|bleibt|kommt|est|está|es|è|is|blijft))? $",
    re.IGNORECASE,
)
"""What is asked about a parcel or an order: `when will 884210 ship`."""
ITEMS_OF = re.compile(
    r"\b(?:items|articles|artikel|artículos|articulos|articoli|artigos|artikelen)"
    r" (?:in|from|of|aus|von|de|da|di|uit|van) $",
    re.IGNORECASE,
)
"""What is part of an order: `three of the five items in 8081-5523`."""
BOOKING_FOR = re.compile(
    r"\b(?:confirmation|booking|reservation|itinerary|\w{0,12}bestätigung|buchung|réservation"
    r"|confirmación|reserva|confirmação|conferma|prenotazione|bevestiging|boeking)"
    r" (?:for|of|für|zu|de|pour|para|di|per|van|voor) $",
    re.IGNORECASE,
)
"""What has a code: `the confirmation for HJK8821`."""
ABOUT = re.compile(
    r"\b(?:under|re|ref|regarding|concerning|unter|betreffs?|wegen|sous|concernant|riguardo|onder"
    r"|betreft)[: ]+$",
    re.IGNORECASE,
)
"""Words behind which bare digits are one."""
CALLS = re.compile(
    r"\b(?:call|ring|phone|text|reach|whatsapp|dial|sms|anruf\w*|erreich\w*|appel\w*|joindre|llam\w*"
    r"|chiam\w*|lig[au]\w*|bel|bellen|bereik\w*|tel\w*|tél\w*|mobil\w*|mob|cell\w*|handy|portable"
    r"|m[óo]vil|av[ií]s[ae]n?me)\b[^\n]*$",
    re.IGNORECASE,
)
"""A number behind one of these is a phone's."""
PHONE_GROUPS = re.compile(r"(?=(?:-?[0-9]){8,12}$)[0-9]{1,4}(?:-[0-9]{3,4}){1,3}")
AMONG_CAPITALS = re.compile(r"\b[A-ZÄÖÜÉ]{2,}[,.!?]?[ ]$")
"""Behind a word in capitals, another one is no part of a code."""

CALLED_ONE = re.compile(
    r"(?:(?<![^\W\d_])(?:n[°ºo]\.?|nr\.?|num\.?|n[uú]m[eé]ro|nummer|numbers?|tickets?[^.!?\n]{1,20})"
    r"|[^\W\d_]{4,20}(?:nummer|-?nr\.?)) ?:? ?$",
    re.IGNORECASE,
)
"""A number that is called one, if nothing says whose: `pedí una lámpara, número 448201`."""

WHOSE = re.compile(
    r"(?:\b(?:my|mi|mon|mein\w{0,2}|meu|mijn|mio|your|su|votre|ihre?|tu|seu|uw|phone|tel\w*|t[ée]l\w*"
    r"|mobile|mobil|cell\w*|handy|fax|whatsapp|call|ring|house|door|flat|room|line|bus|platform"
    r"|haus\w*|casa|calle|rue|via|rua|straat|llama\w*|appel\w*|chiam\w*|lig\w*|bel|huis\w*|post\w*"
    r"|pers\w*|matri\w*|telefo\w*|r(?:ü|ue)ckruf\w*|mobil\w*|versichert\w*|ausweis\w*|relatie\w*"
    r"|burger\w*|kontakt\w*|lizenz\w*)[ ,:]*)(?:[^\s]+[ ])?$",
    re.IGNORECASE,
)
"""Words that make a number that is called one a phone's or a house's."""

QUOTED = re2.compile(
    r"(?:^|[\s(\[:#])[A-Z]{2,5}-[0-9]{4,9}(?:-[0-9A-Z]{1,4})?(?:[\s)\],.;:?!]|$)", _options
)
"""What is a reference even in a quoted letter, without a word for what it is."""

SUBJECT_LINE = re.compile(
    r"^[> *]{0,8}(?:subject|betreff|objet|asunto|oggetto|assunto|onderwerp)[ *]{0,3}:[^\n]{1,300}",
    re.IGNORECASE | re.MULTILINE,
)
TAG = re.compile(r"\[#?([0-9A-Z]{0,8}-?[0-9]{3,12})\]")
"""What a help desk sets into the subjects of its answers: `[884120]`, `[#30417]`."""

YEAR = re.compile(r"(?:19|20)[0-9]{2}")
"""Four digits that are a year, unless a # stands before them."""
