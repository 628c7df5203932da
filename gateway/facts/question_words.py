"""The words of questions in seven languages: asked outright, asked for, and not meant. For
`questions`."""

from __future__ import annotations

import re
from typing import Any

import re2


def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    return re2.compile(pattern, options)


ASKS = re.compile(
    r"(?:and |so |but |also |hi[, ]|hello[, ]|please |just )?(?:"
    r"(?:where|when|how|why|what|who|which)(?:['’]s| (?:is|are|was|were|will|can|could|do|does|did"
    r"|should|would|has|have|long|much|many|soon|come))\b"
    r"|(?:can|could|would|will|do|does|did|have|has|is|are|may|should) (?:you|i|we|there|it|this"
    r"|my|the|someone|somebody|anyone|anybody)\b"
    r"|(?:wo|wann|wie|warum|was|wieso) (?:ist|sind|bleibt|kommt|wird|kann|muss|lange|viel|hat)\b"
    r"|(?:können|könnten|würden|haben) sie\b|(?:où|quand|comment) (?:est|sont|puis|peut|sera)\b"
    r"|(?:est-ce que|pouvez-vous|pourriez-vous|combien de)\b"
    r"|(?:d[oó]nde|cu[aá]ndo|c[oó]mo) (?:est[aá]n?|llega|puedo|va|me)\b|(?:pueden|podr[ií]an)\b"
    r"|cu[aá]nto (?:vale|cuesta|sale|tarda|demora)\b"
    r"|(?:dove|quando|come) (?:è|sono|arriva|posso|si)\b|(?:potete|potreste|può)\b"
    r"|(?:onde|quando|como) (?:est[aá]|chega|posso|vai)\b|(?:podem|poderiam|pode)\b"
    r"|(?:waar|wanneer|hoe) (?:is|komt|blijft|kan|moet|lang)\b|(?:kunt|kan|zou) (?:u|je|jullie)\b"
    r")",
    re.IGNORECASE,
)
"""How a sentence begins that is a question even without its mark."""

_BEGIN, _END = r"(?:^|[^\pL])", r"(?:[^\pL]|$)"
WANTS_TO_KNOW = _compiled(
    rf"{_BEGIN}(?:"
    # English
    r"(?:let (?:me|us) know|tell (?:me|us)|advise(?: me| us)?|confirm|explain(?: to me)?|clarify"
    r"|state|say|specify|(?:would|(?:i|we)['’]d) like to know|want to know|need to know"
    r"|wonder(?:ing)?|inform me) (?:(?:by return|please|exactly|as to|also|too|for) ){0,3}"
    r"(?:if|whether|when|where|why|how|what|which|who)"
    # German
    r"|(?:sagen|teilen|erkl(?:ä|ae)ren|schreiben|lassen) sie (?:mir|uns)\b.{0,40}[ ,]"
    r"(?:ob|wann|wo|warum|wie|was|welche\pL?|wer)"
    r"|(?:w(?:ü|ue)rde|m(?:ö|oe)chte|wollte|will) (?:gerne? )?(?:ich )?(?:gerne? )?wissen"
    r"|ich (?:w(?:ü|ue)sste|wüßte) gerne?"
    r"|bitte um (?:auskunft|information|mitteilung|antwort)\b.{0,20}[ ,]"
    r"(?:ob|wann|wo|warum|wie|was)"
    # French
    r"|(?:dites|indiquez|expliquez|précisez|confirmez|dire|indiquer|savoir|préciser)"
    r"(?:[ -](?:moi|nous))?\b.{0,20}[ ,](?:si|quand|où|pourquoi|comment|ce que|quel\pL{0,3})"
    # Spanish
    r"|(?:d[ií]ga(?:n)?me|expl[ií]que(?:n)?me|ind[ií]que(?:n)?me|saber|decirme|informarme"
    r"|conf[ií]rmeme)\b.{0,20}[ ,]"
    r"(?:si|cu[aá]ndo|d[oó]nde|por qu[eé]|c[oó]mo|qu[eé]|cu[aá]l\pL{0,3})"
    # Italian
    r"|(?:sapere|dirmi|ditemi|spiegarmi|spiegatemi|indicarmi|confermarmi|farmi sapere"
    r"|fatemi sapere)\b.{0,20}[ ,](?:se|quando|dove|perch[eé]|come|cosa|qual\pL{0,2})"
    # Portuguese
    r"|(?:saber|dizer-me|digam-me|diga-me|explicar-me|informar(?:-me)?|indicar(?:-me)?|confirmar)"
    r"\b.{0,20}[ ,](?:se|quando|onde|porqu[eê]|por que|como|o que|qual\pL{0,2})"
    # Dutch
    r"|(?:weten|zeggen|vertellen|uitleggen|laten weten|bevestigen)\b.{0,20}[ ,]"
    r"(?:of|wanneer|waar|waarom|hoe|wat|welke|wie)"
    rf"){_END}"
)
"""A request to be told something."""

DENIED = re.compile(r"(?:\b(?:not|never|cannot|nobody|who)|n['’]t)[ ](?:\w+ )?$", re.IGNORECASE)
"""Right before it: `you cannot tell me what lace is` asks nothing."""

RHETORICAL = re.compile(
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
"""How a sentence begins that is no question, whatever its mark says."""
