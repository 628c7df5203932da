"""The questions in a letter that want an answer, in the customer's own words.

A sentence that ends with a question mark, or begins as one, or asks to be told something.
Rhetorical ones (`Are you kidding?`) want no answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

QUESTIONS_MAX = 10
LENGTH_MAX = 300
READ_MAX = 20_000
"""Letters of new text that are searched for questions."""

_ITEM = re.compile(r"[ \t]*(?:[-*•–]|\(?\d{1,2}[.):]|[a-zA-Z][.)])[ \t]")
# A full stop behind an abbreviation ends nothing.
_END = re.compile(
    r"(?:[!?…。？！]|(?<![ap]\.m)(?<!\b[nN]o)(?<!\b[nN]r)(?<!\b[MD]r)(?<!\bSt)(?<!\bz\.B)(?<!\be\.g)"
    r"(?<!\bi\.e)(?<!\bca)(?<!\bbzw)\.)[.!?…]*[\"'”’»)\]]*(?=\s|$)"
)
_ASKS = re.compile(
    r"(?:and |so |but |also |hi[, ]|hello[, ]|please |just )?(?:"
    r"(?:where|when|how|why|what|who|which)(?:['’]s| (?:is|are|was|were|will|can|could|do|does|did"
    r"|should|would|has|have|long|much|many|soon|come))\b"
    r"|(?:can|could|would|will|do|does|did|have|has|is|are|may|should) (?:you|i|we|there|it|this"
    r"|my|the|someone|somebody|anyone|anybody)\b"
    r")",
    re.IGNORECASE,
)
_WANTS_TO_KNOW = re.compile(
    r"(?<!not )(?<!n't )(?<!n’t )(?<!never )\b(?:"
    r"let (?:me|us) know|tell (?:me|us)|advise(?: me| us)?|confirm|explain(?: to me)?|clarify"
    r"|state|say|specify"
    r"|(?:would|['’]d) like to know|want to know|need to know|wonder(?:ing)?|inform me)"
    r" (?:(?:by return|please|exactly|as to|also|too|for) ){0,3}"
    r"(?:if|whether|when|where|why|how|what|which|who)\b"
    r"|\b(?:sagen|teilen|erkl(?:ä|ae)ren|schreiben|lassen) sie (?:mir|uns)\b.{0,40}\b(?:ob|wann|wo"
    r"|warum|wie|was|welche\w?|wer)\b"
    r"|\b(?:w(?:ü|ue)rde|m(?:ö|oe)chte|wollte|will) (?:gerne? )?(?:ich )?(?:gerne? )?wissen\b"
    r"|\bich (?:w(?:ü|ue)sste|wüßte) gerne?\b|\bbitte um (?:auskunft|information|mitteilung"
    r"|antwort)\b.{0,20}\b(?:ob|wann|wo|warum|wie|was)\b"
    r"|\b(?:dites|indiquez|expliquez|précisez|confirmez|dire|indiquer|savoir"
    r"|préciser)(?:[ -](?:moi|nous))?\b.{0,20}\b(?:si|quand|où|pourquoi|comment|ce que"
    r"|quel\w{0,3})\b"
    r"|\b(?:d[ií]ga(?:n)?me|expl[ií]que(?:n)?me|ind[ií]que(?:n)?me|saber|decirme|informarme"
    r"|conf[ií]rmeme)\b.{0,20}\b(?:si|cu[aá]ndo|d[oó]nde|por qu[eé]|c[oó]mo|qu[eé]"
    r"|cu[aá]l\w{0,3})\b"
    r"|\b(?:sapere|dirmi|ditemi|spiegarmi|spiegatemi|indicarmi|confermarmi|farmi sapere"
    r"|fatemi sapere)\b.{0,20}\b(?:se|quando|dove|perch[eé]|come|cosa|qual\w{0,2})\b"
    r"|\b(?:saber|dizer-me|digam-me|diga-me|explicar-me|informar(?:-me)?|indicar(?:-me)?"
    r"|confirmar)\b.{0,20}\b(?:se|quando|onde|porqu[eê]|por que|como|o que|qual\w{0,2})\b"
    r"|\b(?:weten|zeggen|vertellen|uitleggen|laten weten|bevestigen)\b.{0,20}\b(?:of|wanneer|waar"
    r"|waarom|hoe|wat|welke|wie)\b",
    re.IGNORECASE,
)
_RHETORICAL = re.compile(
    r"(?:(?:or )?are you (?:calling|kidding|joking|serious|for real|out of your|people)\b"
    r"|you(?:['’]re"
    r"| are) (?:kidding|joking)|is (?:this|that) (?:a|some kind of|your idea of a"
    r"|supposed to be a) (?:joke|prank)"
    r"|(?:really|seriously|honestly|huh|right|hello|what|why|ok|okay|eh|no|yes|and|so|well)\?"
    r"|who do you think you are|what (?:on earth|the (?:hell|heck|f\w+))\b|what is wrong with you"
    r"|what kind of (?:company|business|service|people|outfit)\b"
    r"|how (?:hard|difficult) (?:can|is|could) (?:it|that)|how (?:dare|stupid|dumb)\b|how (?:is"
    r"|was) (?:this|that) (?:acceptable|possible|okay|ok|even)\b|do you (?:even|people|really"
    r"|think|honestly|actually|seriously|take me|care|have any idea|know how|understand how"
    r"|realise|realize)\b"
    r"|does (?:anyone|anybody) (?:even|actually|there|care|read)\b|(?:isn['’]t|wasn['’]t|aren['’]t"
    r"|don['’]t) (?:it|that|you (?:think|care|agree|people))\b|what (?:more|else) (?:do|can) (?:i"
    r"|you) (?:want|have to|need to)|am i (?:supposed|expected|just|meant|really)\b|why (?:bother"
    r"|should i (?:even|trust|believe|pay|wait))\b|who (?:cares|needs|does that|would)\b"
    r"|what(?:['’]s| is) the point\b|guess what|you know what|need i say|can you believe"
    r"|can you imagine|have you (?:no|any) (?:shame|idea)"
    r"|ist das (?:ihr|euer|ein) (?:ernst|scherz|witz|ernst gemeint)|wollen sie mich (?:verarschen"
    r"|veräppeln|auf den arm)|was soll (?:das|der (?:mist|quatsch))|soll das (?:ein witz"
    r"|ihr ernst)|wie (?:kann|konnte) (?:so etwas|so was|das) (?:sein|passieren|sein kann)"
    r"|glauben sie (?:wirklich|ernsthaft|etwa)|finden sie das (?:etwa )?(?:normal|in ordnung"
    r"|lustig)|für wie (?:dumm|blöd)|geht(?:['’]s| es) noch|wirklich\?|ernsthaft\?|oder\?"
    r"|nicht wahr\?"
    r"|vous (?:vous )?(?:moquez|foutez|plaisantez|rigolez)|c['’]est une (?:blague|plaisanterie)"
    r"|est-ce (?:une blague|sérieux|bien sérieux)|de qui (?:vous moquez|se moque)|vous (?:trouvez"
    r"|croyez) (?:ça|cela|que c|vraiment)|sérieusement\?|vraiment\?"
    r"|(?:me )?est[aá]n? (?:de broma|bromeando|tom[aá]ndo\w{0,3} el pelo)|es (?:esto )?una broma"
    r"|se (?:est[aá]n )?(?:burlan|riendo|r[ií]en)|les parece (?:normal|bien|serio)|en serio\?"
    r"|de verdad\?|qu[eé] clase de"
    r"|(?:mi |ci )?(?:state|sta) (?:scherzando|prendendo in giro)|è uno scherzo|(?:mi"
    r"|ci) prend(?:ete|e) in giro"
    r"|vi (?:sembra|pare) (?:normale|serio)|ma (?:siete|scherziamo|stiamo scherzando)|davvero\?"
    r"|sul serio\?|che razza di"
    r"|(?:est[aã]o|está) (?:a )?(?:brincar|gozar|brincando|de brincadeira)"
    r"|isto é (?:uma )?(?:piada|brincadeira)|acham (?:normal|isto)|a s[ée]rio\?|que tipo de empresa"
    r"|(?:maken|maak) (?:jullie|je|u) een grap|is dit een grap|zijn jullie (?:serieus|gek)"
    r"|menen jullie dit|echt\?|serieus\?|wat voor (?:bedrijf|service)|vinden jullie dit normaal)",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"^(?:well|oh|so|and|but|aber|und|also|mais|et|pero|y|ma|e|mas|maar"
    r"|en)?[ ,]{0,2}",
    re.IGNORECASE,
)


def find(new_text: str) -> tuple[str, ...]:
    """At most ten sentences that want an answer, verbatim but for line ends."""
    found: dict[str, None] = {}
    for sentence in _sentences(new_text[:READ_MAX]):
        if _wants_answer(sentence):
            found.setdefault(sentence[-LENGTH_MAX:].strip())
            if len(found) >= QUESTIONS_MAX:
                break
    return tuple(found)


def _wants_answer(sentence: str) -> bool:
    if len(sentence) < 4 or not any(map(str.isalpha, sentence)):
        return False
    opened = sentence.lstrip("¿¡\"'“„«( ")
    start = _LEAD.match(opened)
    bare = opened[start.end() :] if start else opened
    if _RHETORICAL.match(bare) or _RHETORICAL.match(opened):
        return False
    if sentence.rstrip("\"'”’»)] !").endswith(("?", "？")):
        return True
    if len(sentence) > 220:
        return False
    return bool(_WANTS_TO_KNOW.search(sentence) or (_ASKS.match(sentence) and "," not in sentence))


def _sentences(text: str) -> Iterator[str]:
    for paragraph in _paragraphs(text):
        position = 0
        for match in _END.finditer(paragraph):
            yield paragraph[position : match.end()].strip()
            position = match.end()
        rest = paragraph[position:].strip()
        if rest:
            yield rest


def _paragraphs(text: str) -> Iterator[str]:
    """Lines that run on joined into one; an empty line or a list item starts another."""
    lines: list[str] = []
    for line in text.split("\n"):
        stripped = line.strip()
        item = bool(stripped) and _ITEM.match(line)
        if lines and (
            not stripped or item or lines[-1].endswith(("?", ":")) or len(lines[-1]) < 40
        ):
            yield " ".join(lines)
            lines = []
        if stripped:
            lines.append(_ITEM.sub("", line).strip() if item else stripped)
    if lines:
        yield " ".join(lines)
