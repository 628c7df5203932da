"""What a template should not say, and what it must, as data: one pattern a line, by language.

From what is known of angry customers: no wish for a nice day, no blame, no passing of the buck,
no cause that nobody has looked for, no money from a machine, thanks by default and not to the
irate, one concrete next step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

COMPLAINING = frozenset(("irate", "upset"))

Patterns = Mapping[str, str]
"""By language; `*` is for every language."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing not to say, or with `wanted` one thing that must be said."""

    code: str
    patterns: Patterns
    what: str
    mend: str
    tones: frozenset[str] = frozenset()
    """The letters it is about; empty: all."""
    wanted: bool = False


def any_of(lines: str) -> str:
    """One pattern of many, one a line."""
    return "|".join(filter(None, map(str.strip, lines.split("\n"))))


RULES: tuple[Rule, ...] = (
    Rule(
        "good day",
        {
            "en": any_of(
                r"""
                \b(?:have|enjoy|wish).{0,20}\b(?:(?:nice|good|great) (?:day|evening|weekend|week))
                \b(?:have|enjoy|wish).{0,20}\b(?:lovely|wonderful) (?:day|evening|weekend|week)
                \b(?:have|enjoy|wish).{0,20}\bpleasant (?:day|evening|weekend|week)
                \benjoy your (?:day|weekend)
                """
            ),
            "de": any_of(
                r"""
                \bsch(?:ö|oe)n(?:en|e|es) (?:tag|abend|woche|wochenende)
                \bangenehmen tag
                """
            ),
            "fr": any_of(
                r"""
                \b(?:bonne|excellente|belle) (?:journée|soirée|semaine)
                \bbon week-end
                """
            ),
            "es": any_of(
                r"""
                \b(?:buen|feliz|lindo|excelente) (?:día|fin de semana)
                \bbuena (?:tarde|semana)
                """
            ),
            "it": any_of(
                r"""
                \bbuona (?:giornata|serata|settimana)
                \bbuon fine settimana
                """
            ),
            "pt": any_of(
                r"""
                \b(?:tenha|desejamos).{0,20}\b(?:(?:bom|ótimo|excelente) (?:dia|fim))
                \b(?:tenha|desejamos).{0,20}\b(?:(?:boa|ótima|excelente) (?:tarde|noite|semana))
                """
            ),
            "nl": r"\b(?:fijne|prettige|goede|mooie) (?:dag|avond|week|weekend)\b",
        },
        "it wishes a nice day to somebody who complains",
        "leave it out",
        COMPLAINING,
    ),
    Rule(
        "thanks",
        {
            "en": any_of(
                r"""
                \bthank(?:s| you)\b
                \bwe appreciate\b
                """
            ),
            "de": any_of(
                r"""
                \bdank(?:e|en)?\b
                \bfreuen uns (?:über|dass)
                """
            ),
            "fr": any_of(
                r"""
                \bmerci\b
                \bremerci
                """
            ),
            "es": any_of(
                r"""
                \bgracias\b
                \bagradec
                """
            ),
            "it": any_of(
                r"""
                \bgrazie\b
                \bringrazi
                """
            ),
            "pt": any_of(
                r"""
                \bobrigad[oa]s?\b
                \bagradec
                """
            ),
            "nl": r"\b(?:be)?dank(?:t|en)?\b",
        },
        "it thanks a customer who is angry at you",
        "say what you do next instead",
        frozenset(("irate",)),
    ),
    Rule(
        "no thanks",
        {
            "en": r"\bthank",
            "de": r"\bdank",
            "fr": any_of(
                r"""
                \bmerci
                \bremerci
                """
            ),
            "es": any_of(
                r"""
                \bgracias
                \bagradec
                """
            ),
            "it": any_of(
                r"""
                \bgrazie
                \bringrazi
                """
            ),
            "pt": any_of(
                r"""
                \bobrigad
                \bagradec
                """
            ),
            "nl": r"\b(?:be)?dank",
        },
        "it does not thank for the letter",
        "begin with thanks",
        frozenset(("neutral", "pleased")),
        wanted=True,
    ),
    Rule(
        "blame",
        {
            "en": any_of(
                r"""
                \byou (?:failed|neglected|forgot|should have|did not|didn't|must have)\b
                \byour (?:mistake|error|fault|failure)\b
                \bas (?:already )?stated\b
                \bas (?:we|you) (?:already )?(?:said|told|know)\b
                """
            ),
            "de": any_of(
                r"""
                \bsie haben (?:versäumt|vergessen|übersehen|nicht)\b
                \bihr(?:e|em)? (?:fehler|versäumnis|schuld)\b
                \bwie bereits (?:erwähnt|gesagt|mitgeteilt)\b
                \bhätten sie\b
                """
            ),
            "fr": any_of(
                r"""
                \bvous (?:avez (?:omis|oublié|négligé)|auriez dû|n'avez pas)\b
                \bvotre (?:erreur|faute|oubli)\b
                \bcomme (?:déjà )?(?:indiqué|dit|précisé)\b
                """
            ),
            "es": any_of(
                r"""
                \busted (?:no ha|olvidó|debió|debería haber)\b
                \bsu (?:error|culpa|descuido)\b
                \bcomo (?:ya )?(?:se (?:dijo|indicó)|le dijimos|indicamos)\b
                """
            ),
            "it": any_of(
                r"""
                \blei (?:non ha|ha (?:dimenticato|omesso)|avrebbe dovuto)\b
                \bil suo errore\b
                \bcolpa sua\b
                \bcome (?:già )?(?:detto|indicato)\b
                """
            ),
            "pt": any_of(
                r"""
                \b(?:você|o senhor|a senhora) (?:não|esqueceu|deveria)\b
                \b(?:seu erro|sua culpa|sua falha)\b
                \bcomo (?:já )?(?:dito|informado|indicado)\b
                """
            ),
            "nl": any_of(
                r"""
                \bu (?:heeft|had|bent) (?:niet|vergeten|verzuimd|moeten)\b
                \buw (?:fout|vergissing|schuld)\b
                \bzoals (?:eerder )?(?:gezegd|vermeld)\b
                """
            ),
        },
        "it blames the customer",
        "say what you do, not what was done wrong",
    ),
    Rule(
        "belittling",
        {
            "en": any_of(
                r"""
                \b(?:obviously|simply|clearly|of course|merely|calm down|as you should know)\b
                """
            ),
            "de": any_of(
                r"""
                \boffensichtlich\b
                \bselbstverständlich\b
                \bnatürlich\b
                \beinfach nur\b
                \blediglich\b
                \bberuhigen sie\b
                """
            ),
            "fr": any_of(
                r"""
                \b(?:évidemment|simplement|bien entendu|bien sûr|il suffit de|calmez-vous)\b
                """
            ),
            "es": any_of(
                r"""
                \b(?:obviamente|simplemente|evidentemente|por supuesto|basta con|cálmese)\b
                """
            ),
            "it": any_of(
                r"""
                \b(?:ovviamente|semplicemente|evidentemente|naturalmente|basta che|si calmi)\b
                """
            ),
            "pt": r"\b(?:obviamente|simplesmente|evidentemente|claro que|basta|acalme-se)\b",
            "nl": r"\b(?:uiteraard|simpelweg|natuurlijk|gewoon|kalmeer)\b",
        },
        "it talks down to the customer",
        "leave the word out",
    ),
    Rule(
        "passing the buck",
        {
            "en": any_of(
                r"""
                \bnot (?:our|my) (?:fault|responsibility|department|problem)\b
                \b(?:courier|carrier|supplier|manufacturer|bank)(?:'s fault| is responsible)\b
                \bour (?:policy|terms) (?:do(?:es)? not|don't|doesn't) allow\b
                \bour hands are tied\b
                \bcontact the (?:courier|carrier|manufacturer|supplier)\b
                """
            ),
            "de": any_of(
                r"""
                \bnicht (?:unsere schuld|zuständig|verantwortlich)\b
                \bwenden sie sich (?:bitte )?an den (?:hersteller|zusteller|versand|lieferant)
                \b(?:hersteller|lieferant|paketdienst) ist (?:schuld|verantwortlich)\b
                \brichtlinien erlauben\b
                """
            ),
            "fr": any_of(
                r"""
                \b(?:pas|aucunement) (?:de )?(?:notre|nos) (?:faute|responsabilité|ressort)
                \badressez-vous au (?:transporteur|fabricant|fournisseur)
                \bnon responsables\b
                """
            ),
            "es": any_of(
                r"""
                \bno es (?:nuestra culpa|responsabilidad nuestra|nuestra responsabilidad)\b
                \bdiríjase al (?:transportista|fabricante|proveedor)
                """
            ),
            "it": any_of(
                r"""
                \bnon è (?:colpa nostra|di nostra competenza|nostra responsabilità)\b
                \bsi rivolga al (?:corriere|produttore|fornitore)
                """
            ),
            "pt": any_of(
                r"""
                \bnão é (?:nossa culpa|nossa responsabilidade|da nossa responsabilidade)\b
                \b(?:contate|contacte|procure) (?:a transportadora|o fabricante|o fornecedor)
                """
            ),
            "nl": any_of(
                r"""
                \bniet onze (?:schuld|verantwoordelijkheid|afdeling)\b
                \bneem contact op met de (?:vervoerder|fabrikant|leverancier)
                """
            ),
        },
        "it passes the matter to somebody else",
        "say what you do about it",
    ),
    Rule(
        "invented cause",
        {
            "en": any_of(
                r"""
                \b(?:due to|because of|owing to).{0,40}\b(?:high|unusual|increased|heavy|demand)\b
                \b(?:experiencing|receiving).{0,40}\b(?:high|unusual|increased|volume)\b
                \b(?:due to|because of|owing to).{0,40}\b(?:technical|circumstances|staff|weather)\b
                """
            ),
            "de": any_of(
                r"""
                \b(?:aufgrund|wegen|infolge|derzeit).{0,40}(?:aufkommen|nachfrage|auslastung)
                \b(?:aufgrund|wegen|infolge|derzeit).{0,40}hohe[nrms]?\b
                \b(?:aufgrund|wegen|infolge|derzeit).{0,40}(?:technische|umstände|krankheit)
                """
            ),
            "fr": any_of(
                r"""
                \b(?:en raison|à cause|suite à).{0,40}\b(?:afflux|nombre|demande|volume)
                \b(?:en raison|à cause|suite à).{0,40}\b(?:technique|circonstances)
                """
            ),
            "es": any_of(
                r"""
                \b(?:debido|a causa|por).{0,30}\b(?:alto volumen|gran volumen|alta demanda)
                \b(?:debido|a causa|por).{0,30}\b(?:problemas técnicos|circunstancias)
                """
            ),
            "it": any_of(
                r"""
                \b(?:a causa|per via|dovuto|a seguito).{0,40}\b(?:elevat|alto|richieste)
                \b(?:a causa|per via|dovuto|a seguito).{0,40}\b(?:tecnic|circostanze)
                """
            ),
            "pt": any_of(
                r"""
                \b(?:devido|por causa|em razão).{0,40}\b(?:alto volume|grande volume|demanda)
                \b(?:devido|por causa|em razão).{0,40}\b(?:técnic|circunstâncias)
                """
            ),
            "nl": any_of(
                r"""
                \b(?:vanwege|wegens|door).{0,40}\b(?:drukte|grote aantal|hoge aantal)\b
                \b(?:vanwege|wegens|door).{0,40}\b(?:technische|omstandigheden)\b
                """
            ),
        },
        "it gives a cause that the machine cannot know",
        "leave the cause out",
    ),
    Rule(
        "money",
        {
            "en": any_of(
                r"""
                \brefund\b
                \bdiscount\b
                \bvoucher\b
                \bcoupon\b
                \bcompensat\w*\b
                \breimburs\w*\b
                \bstore credit\b
                \bcredit (?:you|your account)\b
                \bgift card\b
                \bmoney back\b
                \bfree of charge\b
                """
            ),
            "de": any_of(
                r"""
                \b(?:erstatt\w*|rabatt\w*|gutschein\w*|entschädig\w*|geld zurück|kostenlos\w*)\b
                """
            ),
            "fr": any_of(
                r"""
                \b(?:rembours\w*|remise|réduction|bon d'achat|dédommag\w*|indemnis\w*|gratuit\w*)\b
                """
            ),
            "es": any_of(
                r"""
                \b(?:reembols\w*|descuento\w*|cupón|vale de|compens\w*|indemniz\w*|gratis)\b
                """
            ),
            "it": r"\b(?:rimbors\w*|sconto|buono|risarci\w*|indennizz\w*|gratuit\w*)\b",
            "pt": any_of(
                r"""
                \b(?:reembols\w*|desconto\w*|cupom|vale-\w+|compensa\w*|indeniza\w*|grátis)\b
                """
            ),
            "nl": r"\b(?:terugbetal\w*|korting\w*|tegoedbon\w*|vergoed\w*|compens\w*|gratis)\b",
        },
        "a machine offers money",
        "leave it to a person",
    ),
    Rule(
        "hard-coded time",
        {
            "en": any_of(
                r"""
                \b(?:with)?in (?:the next )?(?:\d+|an?|one|two|three|a few)(?:-\d+)? minutes?\b
                \b(?:with)?in (?:the next )?(?:\d+|an?|one|two|three|a few)(?:-\d+)? hours?\b
                \b(?:with)?in (?:the next )?(?:\d+|one|two|three|a few)(?:-\d+)? (?:\w+ )?days?\b
                \b(?:with)?in (?:the next )?\d+ ?(?:h|hrs?)\b
                \bwithin (?:the (?:hour|day)|twenty-four hours)\b
                \b(?:by tomorrow|by tonight|later today|the same day)\b
                \b(?:immediately|right away|as soon as possible|asap|shortly)\b
                """
            ),
            "de": any_of(
                r"""
                \binnerhalb (?:von )?(?:\d+|ein\w*|zwei|drei|wenige\w*) ?(?:minuten|stunden?)\b
                \binnerhalb (?:von )?(?:\d+|ein\w*|zwei|drei|wenige\w*) ?\w{0,7}tage?n?s?\b
                \bbinnen (?:\d+|ein\w*|zwei|drei|wenige\w*) ?(?:minuten|stunden?|\w{0,7}tage?n?s?)\b
                \bin (?:den nächsten )?(?:\d+|einer|zwei|drei|wenigen) ?(?:minuten|stunden?)\b
                \bin (?:den nächsten )?(?:\d+|zwei|drei|wenigen) ?(?:h|tagen)\b
                \b(?:bis morgen|noch heute)\b
                \b(?:umgehend|sofort|schnellstmöglich|in kürze|so schnell wie möglich)\b
                """
            ),
            "fr": any_of(
                r"""
                \b(?:sous|dans les|en) (?:\d+|un|deux|trois|quelques) ?(?:minutes?|heures?|jours?)
                \b(?:sous|dans les|en) \d+ ?h\b
                \b(?:d'ici (?:demain|\d+)|dans la journée|sous vingt-quatre heures)
                \b(?:immédiatement|dans les plus brefs délais|dès que possible|sous peu)\b
                """
            ),
            "es": any_of(
                r"""
                \ben (?:las próximas )?(?:\d+|un[oa]?|dos|tres|poc[ao]s) (?:minutos?|horas?|días?)
                \b(?:dentro|plazo) de (?:\d+|un[oa]?|dos|tres|poc[ao]s) (?:minutos?|horas?|días?)
                \b(?:inmediatamente|de inmediato|lo antes posible|en breve|a la mayor brevedad)\b
                """
            ),
            "it": any_of(
                r"""
                \b(?:entro|in) (?:\d+|un[oa]?|due|tre|poch[ie]) ?(?:minuti|or[ae]|giorn[oi])
                \bentro domani\b
                \b(?:immediatamente|subito|al più presto|il prima possibile|a breve)\b
                """
            ),
            "pt": any_of(
                r"""
                \b(?:em|dentro de) (?:até )?(?:\d+|uma?|dois|duas|três) (?:minutos?|horas?|dias?)
                \b(?:em|dentro de) (?:até )?\d+ ?h\b
                \bimediatamente\b
                \bo mais rápido possível\b
                \bem breve\b
                \bo quanto antes\b
                \bassim que possível\b
                """
            ),
            "nl": any_of(
                r"""
                \bbinnen (?:\d+|een|één|twee|drie|enkele) (?:minuten|uur|uren|(?:werk)?dag(?:en)?)\b
                \bbinnen \d+ ?u\b
                \b(?:onmiddellijk|zo snel mogelijk|zo spoedig mogelijk|spoedig|binnenkort)\b
                """
            ),
        },
        "it promises a time of its own",
        "use {{ promise }}, which keeps to the site's hours",
    ),
    Rule(
        "humour",
        {
            "*": any_of(
                r"""
                [:;]-?[)D(P](?![A-Za-z])
                [\U0001F300-\U0001FAFF☀-⛿]
                \b(?:haha|lol|hihi|jaja)\b
                """
            ),
        },
        "it jokes, or smiles, in a letter that nobody has read yet",
        "leave it out",
    ),
    Rule(
        "shouting",
        {
            "*": any_of(
                r"""
                !!
                \b(?!SMS\b|FAQ\b|PDF\b|USA\b)[A-ZÄÖÜÉ]{5,}\b
                """
            ),
        },
        "it shouts",
        "write it in small letters, with one mark at the end",
    ),
    Rule(
        "not automatic",
        {
            "en": r"\bautomat",
            "de": r"\bautomat",
            "fr": r"\bautomat",
            "es": r"\bautom[aá]t",
            "it": r"\bautomat",
            "pt": r"\bautom[aá]t",
            "nl": r"\bautomat",
        },
        "it does not say that it is automatic",
        "say so in one sentence",
        wanted=True,
    ),
    Rule(
        "no next step",
        {
            "*": r"\{\{\s*(?:promise|site_phone)\b",
            "en": r"\b(?:will (?:read|answer|call|reply|get)|next\b)",
            "de": r"\b(?:liest|antworte\w*|meldet|rufen)\b",
            "fr": r"\b(?:lira|répond\w*|appeler\w*|contact)\b",
            "es": r"\b(?:leerá|responder\w*|llamar\w*)\b",
            "it": r"\b(?:leggerà|rispond\w*|chiamer\w*|contatt\w*)\b",
            "pt": r"\b(?:vai ler|respond\w*|ligar\w*)\b",
            "nl": r"\b(?:leest|antwoord\w*|belt|bellen)\b",
        },
        "it names no next step",
        "say what a person does with the letter, and by when",
        wanted=True,
    ),
    Rule(
        "mixed address",
        {
            "de": r"\b(?:du|dein\w*|dir|dich|euch|euer|eure\w*)\b",
            "fr": r"\b(?:tu|toi|ton|tes)\b",
            "es": r"\b(?:tú|tus?|te|ti|contigo)\b",
            "it": r"\b(?:tu|tuo|tua|tuoi|tue|ti)\b",
            "nl": r"\b(?:jij|je|jou|jouw|jullie)\b",
        },
        "it mixes the formal and the familiar address",
        "write one of them throughout",
    ),
)

FORMAL = {
    "de": r"\b(?:Sie|Ihnen|Ihre?[mnrs]?)\b",
    "fr": r"\b(?:vous|votre|vos)\b",
    "es": r"\b(?:usted|ustedes|su|sus|le)\b",
    "it": r"\b(?:Lei|Suo|Sua|Suoi|Sue|Le|La)\b",
    "nl": r"\b(?:u|uw)\b",
}
"""Both kinds together are a mistake; either alone is the site's choice."""

APOLOGY = {
    "en": r"\b(?:sorry|apolog\w*|regret\w*)\b",
    "de": r"\b(?:entschuldig\w*|tut (?:uns|mir) leid|bedauern|verzeih\w*)\b",
    "fr": r"\b(?:désolée?s?|excus\w*|regrett\w*|navrée?s?)\b",
    "es": r"\b(?:lo sentimos|lament\w*|disculp\w*|perd[oó]n\w*)\b",
    "it": r"\b(?:scus\w*|ci dispiace|spiacenti|rammaric\w*)\b",
    "pt": r"\b(?:desculp\w*|lament\w*|sentimos muito|perdão)\b",
    "nl": r"\b(?:sorry|excus\w*|spijt\w*|verontschuldig\w*)\b",
}
