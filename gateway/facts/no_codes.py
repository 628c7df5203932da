"""What is written like the number of a matter, but is none whatever stands around it. As data: a
pattern a line, matched whole, beside it what it is and one of the kind. For `references`.
"""

from __future__ import annotations

import re

_MONEY = (
    "eur|usd|gbp|chf|cad|aud|nzd|ngn|kes|ksh|zar|inr|pkr|pln|ron|czk|huf|sek|nok|dkk|brl|mxn|ars"
    "|cop|clp|pen|jpy|cny|rmb|krw|sgd|myr|php|idr|rp|thb|vnd|aed|sar|egp|ghs|tzs|tsh|ugx|ush"
    "|xof|xaf|cfa|fcfa|mad|dzd|tnd|uah|ils|nis|lkr|bdt"
)
_PHONES = "tel|fax|mob|gsm|ph|cel"
_REGISTERS = "nif|cif|nie|dni|nss|cpf|vat|tva|iva|kvk|hrb|hra|rcs|siret|siren|bic"
_VAT_LANDS = (
    "at|be|bg|cy|cz|de|dk|ee|el|es|fi|fr|gb|hr|hu|ie|it|lt|lu|lv|mt|nl|pl|pt|ro|se|si|sk|xi|ch|no"
)
_NORMS = "covid|iso|din|rfc|sha|utf"
_DEVICES = "win|usb"


def _table(*rows: str, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{row})" for row in rows), flags)


NO_CODE = _table(
    # a word and its number
    rf"(?:{_MONEY})\.? [0-9].*",  # an amount: `EUR 1200`
    rf"(?:{_PHONES}|{_REGISTERS})[. ]{{1,2}}[0-9].*",  # `Tel. 5551234`, `KvK 12345678`
    rf"(?:{_PHONES}|{_REGISTERS})/ ?(?=(?:[/-]?[0-9]){{7}})[0-9].*",  # `Tel/5551234`
    rf"(?:{_PHONES}|{_REGISTERS})-(?=(?:-?[0-9]){{7}})[0-9].*",  # `CIF-12345678`
    rf"(?:{_VAT_LANDS}) ?(?=(?: ?[0-9]){{8,12}}$)[0-9 ]+",  # value added tax: `DE 123 456 789`
    r"(?:ttl|nmls|dob|zip|plz)\.? [0-9].*",  # a time to live, a lender, a birthday, a postal code
    r"(?:ral|s/?n)[.:]? [0-9].*",  # a colour, a serial number
    rf"(?:{_DEVICES}|rtx|gtx)(?:\.? [0-9].*|-[0-9]{{1,4}})",  # `RTX 4070`, `USB-3`
    rf"(?:{_NORMS}|sdk|ios|http|tls|ipv)(?:[-/ ]|[0-9]).*",  # `ISO 9001`, `SHA256`, `IPv6`
    r"(?:en|ue|eu|ce|art|par) .*",  # norms and laws: `EN 13814`, `UE 2019/771`
    # things that have numbers of their own
    r"r[0-9]{1,3} [0-9]{3}(?: .*)?",  # an amount in rand: `R12 500`
    r"[abe][2-7][0-9]{2}-[0-9]{3}[a-z]{0,2}|7[0-9]7-[0-9]{3}[el]r|[0-9]{3}/a[0-9]{3}",  # aircraft
    r"1099-[a-z]+|w-[0-9]",  # forms of the American revenue service: `1099-K`, `W-2`
    r"978-[0-9-]+",  # a book
    r"[a-z]{2}[0-9]{9}[a-z]{2}",  # a parcel abroad: `RR123456785DE`
    r"[0-9]{3,4}x[0-9]{3,4}",  # a picture: `1920x1080`
    # people and firms
    r"[xyz][0-9]{7}[a-z]|(?:atu|es[a-z])[0-9]{8}|che-?[0-9.]{9,11}",  # taxpayers: `X1234567L`
    r"[0-9]{3}-[0-9]{2}-[0-9]{4}",  # American social security
    r"(?:1-)?[2-9][0-9]{2}-[2-9][0-9]{2}-[0-9]{4}",  # American phones
    r"0(?=(?:-?[0-9]){7})[0-9]+(?:-[0-9]+)+",  # other phones: `020-7946-0018`
    # days, banks' sort codes, ages of children
    r"[0-9]{1,2}(?:-[0-9]{1,2}){2,}",  # `20-45-17`
    r"[0-9]{1,2}[a-z]{3}-[0-9]{1,2}[a-z]{3}",  # `12Jan-15Jan`
    # postal codes
    r"[0-9]{4}[a-z]{2}",  # Dutch
    r"[a-z][0-9][a-z] ?[0-9][a-z][0-9]",  # Canadian
    r"[a-z]{1,2}[0-9]{1,2}[a-z]? [0-9][a-z]{2}",  # British
    r"[a-z][0-9]{1,2}w? [0-9a-z]{4}",  # Irish
    flags=re.IGNORECASE,
)
"""No code, nor is a part of it."""

_NOT_A_SERIES = (
    "id|no|nr|of|in|is|it|at|on|to|or|by|my|me|am|pm|we|us|he|as|so|the|and|for|was|are|has|had|but"
    "|not|now|you|our|out|all|from|with|than|over|only|just|plus|code"  # English
    "|und|der|die|das|ist|war|von|bis|ab|im|page|year|jahr"  # German; pages and years
    "|les|des|est|sur|de|du|la|el|en|es|del|los|con|por|che|per|da|do|em|na|van|het|een"
    "|cp|cep|cap|box|apt|lot|fy|nt"  # postal codes, addresses, and the like
)
NO_SERIES = re.compile(rf"(?:{_NOT_A_SERIES})\.? [0-9].*", re.IGNORECASE)
"""A word before a number, rather than the letters of a code: `from 4011`."""

STATE = _table(
    r"(?:CT|MA|ME|NH|NJ|PR|RI|VT)\.? 0[0-9]{4}",
    r"(?:DE|NY|PA)\.? 1[0-9]{4}",
    r"(?:DC|MD|NC|SC|VA|WV)\.? 2[0-9]{4}",
    r"(?:AL|FL|GA|MS|TN)\.? 3[0-9]{4}",
    r"(?:IN|KY|MI|OH)\.? 4[0-9]{4}",
    r"(?:IA|MN|ND|SD|WI)\.? 5[0-9]{4}|MT\.? 59[0-9]{3}",
    r"(?:IL|KS|MO|NE)\.? 6[0-9]{4}",
    r"(?:AR|LA|OK|TX)\.? 7[0-9]{4}",
    r"(?:AZ|CO|ID|NM|NV|UT|WY)\.? 8[0-9]{4}",
    r"(?:AK|CA|HI|OR|WA)\.? 9[0-9]{4}",
)
"""A state of the USA and a postal code in it."""

STANDARD = _table(rf"(?:{_NORMS.upper()})-.*", rf"(?:{_DEVICES.upper()})-[0-9A-Z]{{1,3}}")
"""A short code that has a meaning everywhere, even behind the word for an order."""
