"""What a template should not say is found, on its line; what it may say is left in peace."""

from pathlib import Path

import pytest

from gateway.acknowledgement.lint import check, seen
from gateway.acknowledgement.lint_rules import RULES

FINE = {
    "en": "Subject: Here\n\nThank you. A person will answer. This is automatic.\n",
    "de": "Subject: Da\n\nVielen Dank. Ein Mensch antwortet Ihnen. Automatisch verschickt.\n",
    "fr": "Subject: Là\n\nMerci. Une personne vous répondra. Réponse automatique.\n",
    "es": "Subject: Aquí\n\nGracias. Una persona le responderá. Enviado automáticamente.\n",
    "it": "Subject: Qui\n\nGrazie. Una persona Le risponderà. Inviata automaticamente.\n",
    "pt": "Subject: Aqui\n\nAgradecemos. Uma pessoa vai responder. Enviada automaticamente.\n",
    "nl": "Subject: Hier\n\nBedankt. Iemand antwoordt u. Automatisch verstuurd.\n",
}

BAD: list[tuple[str, str, str, str]] = [
    # rule, tone, language, sentence
    ("nice day", "irate", "en", "Have a great day!"),
    ("nice day", "upset", "de", "Wir wünschen Ihnen einen schönen Tag."),
    ("nice day", "upset", "fr", "Nous vous souhaitons une bonne journée."),
    ("nice day", "irate", "es", "Que tenga un buen día."),
    ("nice day", "irate", "it", "Le auguriamo una buona giornata."),
    ("nice day", "irate", "pt", "Tenha um ótimo dia."),
    ("nice day", "irate", "nl", "Wij wensen u een fijne dag."),
    ("thanks a customer", "irate", "en", "Thank you for your patience."),
    ("thanks a customer", "irate", "de", "Vielen Dank für Ihre Geduld."),
    ("thanks a customer", "irate", "nl", "Bedankt voor uw geduld."),
    ("blames", "neutral", "en", "You failed to name the order."),
    ("blames", "neutral", "en", "As stated, we need it."),
    ("blames", "neutral", "de", "Wie bereits erwähnt, fehlt sie."),
    ("blames", "neutral", "fr", "Comme indiqué, il manque."),
    ("blames", "neutral", "es", "Como ya se indicó, falta."),
    ("blames", "neutral", "it", "Come già detto, manca."),
    ("blames", "neutral", "pt", "Como já informado, falta."),
    ("blames", "neutral", "nl", "Zoals eerder vermeld, ontbreekt het."),
    ("talks down", "neutral", "en", "Obviously it is late."),
    ("talks down", "neutral", "en", "Simply send it again."),
    ("talks down", "neutral", "de", "Das ist offensichtlich spät."),
    ("talks down", "neutral", "fr", "Il suffit de le renvoyer."),
    ("passes the matter", "neutral", "en", "This is not our responsibility."),
    ("passes the matter", "neutral", "en", "Please contact the courier."),
    ("passes the matter", "neutral", "de", "Wenden Sie sich bitte an den Hersteller."),
    ("cause", "neutral", "en", "Due to unusually high demand it takes longer."),
    ("cause", "neutral", "en", "We are experiencing a high volume of messages."),
    ("cause", "neutral", "de", "Aufgrund des hohen Aufkommens dauert es länger."),
    ("cause", "neutral", "fr", "En raison d'un grand nombre de demandes, c'est long."),
    ("offers money", "neutral", "en", "You will get a refund."),
    ("offers money", "neutral", "en", "Here is a discount."),
    ("offers money", "neutral", "de", "Wir erstatten den Betrag."),
    ("offers money", "neutral", "pt", "Faremos o reembolso."),
    ("time of its own", "neutral", "en", "We answer within 24 hours."),
    ("time of its own", "neutral", "en", "We answer within two working days."),
    ("time of its own", "neutral", "en", "We answer as soon as possible."),
    ("time of its own", "neutral", "de", "Wir antworten innerhalb von 24 Stunden."),
    ("time of its own", "neutral", "de", "Wir antworten umgehend."),
    ("time of its own", "neutral", "fr", "Nous répondons sous 48 heures."),
    ("time of its own", "neutral", "es", "Respondemos en 24 horas."),
    ("time of its own", "neutral", "nl", "Wij antwoorden zo snel mogelijk."),
    ("jokes", "pleased", "en", "See you :-)"),
    ("jokes", "neutral", "en", "Yay 🎉"),
    ("shouts", "neutral", "en", "We will answer!!"),
    ("shouts", "neutral", "en", "PLEASE wait."),
    ("apologises", "irate", "en", "We are sorry."),
    ("apologises", "upset", "de", "Wir entschuldigen uns."),
    ("apologises", "upset", "fr", "Nous sommes désolés."),
    ("apologises", "neutral", "es", "Lo sentimos."),
    ("apologises", "neutral", "it", "Ci dispiace."),
    ("apologises", "neutral", "pt", "Pedimos desculpas."),
    ("apologises", "neutral", "nl", "Sorry voor de overlast."),
    ("mixes", "neutral", "de", "Sende uns dein Bild."),
    ("mixes", "neutral", "fr", "Vous ou toi."),
    ("mixes", "neutral", "nl", "Stuur ons je foto."),
]


TIMES = [
    ("en", "You hear from us within 24h."),
    ("en", "You hear from us within 24 hrs."),
    ("en", "You hear from us in 2 hours, in two hours."),
    ("en", "You hear from us within an hour."),
    ("en", "You hear from us within the hour."),
    ("en", "You hear from us in 2-3 days."),
    ("en", "You hear from us by tomorrow."),
    ("de", "Sie hören binnen 24 Stunden von uns."),
    ("de", "Sie hören in 24 Stunden von uns."),
    ("de", "Sie hören bis morgen von uns."),
    ("fr", "Sous 24 h."),
    ("fr", "Nous le ferons d'ici demain."),
    ("fr", "Dans la journée."),
    ("es", "Dentro de 24 horas."),
    ("es", "En un plazo de 24 horas."),
    ("it", "Lo sapremo in 24 ore."),
    ("it", "Entro domani."),
    ("pt", "Dentro de 24h."),
    ("nl", "Binnen 24u."),
]
OFFERS = [
    ("en", "We reimburse you."), ("en", "You get store credit."), ("en", "We credit your account."),
]  # fmt: skip


@pytest.mark.parametrize(("language", "sentence"), TIMES)
def test_a_time_is_found_however_it_is_told(language: str, sentence: str) -> None:
    found = findings(FINE[language] + f"\n{sentence}\n", language, "upset")
    assert found
    assert all("promises a time of its own" in text for text in found)


@pytest.mark.parametrize(("language", "sentence"), OFFERS)
def test_money_is_found_however_it_is_called(language: str, sentence: str) -> None:
    (found,) = findings(FINE[language] + f"\n{sentence}\n", language, "upset")
    assert "offers money" in found


def findings(source: str, language: str, tone: str) -> list[str]:
    return [str(problem) for problem in check(Path("x.txt"), source, language, tone)]


@pytest.mark.parametrize(("rule", "tone", "language", "sentence"), BAD)
def test_it_is_found_on_its_line(rule: str, tone: str, language: str, sentence: str) -> None:
    clean = FINE[language] if tone != "irate" else without_thanks(language)
    found = findings(clean + f"\n{sentence}\n", language, tone)
    assert [text for text in found if rule in text] == found
    assert len(found) == 1
    assert found[0].startswith("x.txt:5: warning: ")


def without_thanks(language: str) -> str:
    first, _, rest = FINE[language].partition("\n\n")
    return f"{first}\n\n{rest.partition('. ')[2]}"


@pytest.mark.parametrize("language", FINE)
@pytest.mark.parametrize("tone", ["neutral", "pleased", "upset"])
def test_a_fine_one_is_left_in_peace(language: str, tone: str) -> None:
    assert findings(FINE[language], language, tone) == []


@pytest.mark.parametrize("language", FINE)
def test_a_fine_one_for_the_irate(language: str) -> None:
    assert findings(without_thanks(language), language, "irate") == []
    assert any("thanks" in text for text in findings(FINE[language], language, "irate"))


@pytest.mark.parametrize(
    ("source", "tone", "told"),
    [
        ("Subject: x\n\nA person will answer. Automatic.\n", "neutral", "does not thank"),
        ("Subject: x\n\nThank you. A person will answer.\n", "neutral", "is automatic"),
        ("Subject: x\n\nThank you. Automatic.\n", "neutral", "no next step"),
        (FINE["en"] + "word " * 500, "neutral", "it is long"),
    ],
)
def test_what_is_missing_is_told(source: str, tone: str, told: str) -> None:
    found = findings(source, "en", tone)
    assert len(found) == 1
    assert told in found[0]


def test_an_apology_may_stand_beside_its_remedy() -> None:
    text = "{# remedy: a new one #}\n" + FINE["en"] + "We are sorry and send a new one.\n"
    assert findings(text, "en", "upset") == []
    assert findings(text.replace("a new one.", "another."), "en", "upset") != []


def test_a_promise_is_a_next_step() -> None:
    text = "Subject: x\n\nThank you, automatic{% if promise %} {{ promise }}{% endif %}.\n"
    assert findings(text, "en", "neutral") == []


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "Call us at any time, PDF or FAQ."),
        ("en", "To add something, reply to this message."),
        ("en", "We answer within our opening hours, in the order in which letters come."),
        ("en", "Write today, or in one of the next days."),
        ("de", "Guten Morgen, in den Stunden danach wird geantwortet."),
        ("fr", "De 9 h à 17 h, une personne répond."),
        ("de", "Antworten Sie auf diese Nachricht, wenn etwas fehlt."),
        ("de", "Der Preis einfach zu nennen hilft."),
        ("es", "Buenos días, llame cuando quiera."),
        ("pt", "Bom dia, ligue para nós."),
        ("fr", "Bonjour, appelez-nous."),
        ("sv", "Ha en bra dag!"),
    ],
)
def test_ordinary_sentences_pass(language: str, sentence: str) -> None:
    base = FINE.get(language, FINE["en"])
    assert findings(base + f"\n{sentence}\n", language, "upset") == []


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("An answer comes by {{ promise }}.", "promise"),
        ("Dear {{customer_name|title}},", "customer_name"),
        ("{% if promise %}x{% endif %} {{- opens -}}", "opens"),
        ("{% if promise %}{% if opens %}x{% endif %}{% endif %}\n{{ promise }}", "promise"),
    ],
)
def test_a_sentence_that_may_lose_its_end(line: str, name: str) -> None:
    (found,) = findings(FINE["en"] + line + "\n", "en", "upset")
    assert f"it says {{{{ {name} }}}} also where nothing is known" in found
    assert found.startswith(f"x.txt:{4 + line.count(chr(10))}: ")


@pytest.mark.parametrize(
    "line",
    [
        "{% if promise %}by {{ promise }}{% endif %}",
        "{% if opens and promise %}{% if x %}{% endif %}by {{ promise }}, {{ opens }}{% endif %}",
        "{% if x %}{% elif promise %}by {{ promise }}{% endif %}",
        "{%- if customer_name -%}Dear {{ customer_name }},{% else %}Hello,{% endif %}",
        "by {{ promise or 'then' }}, {{ opens|default('soon', true) }}",
        "{{ ('by ' ~ promise) if promise }}",
        "{# {{ promise }} #}{{ site_name }} {{ recipient }} {{ hours }}",
        "{% endif %}{% elif x %}",
    ],
)
def test_what_is_asked_for_first_may_be_said(line: str) -> None:
    assert findings(FINE["en"] + line + "\n", "en", "upset") == []


def test_tags_are_not_words() -> None:
    assert seen("a{# sorry\nrefund #}b{% if x %}c{{ sorry }}\n") == "a\nbc\n"


def test_every_rule_has_a_bad_sentence() -> None:
    whats = " ".join(rule.what for rule in RULES if not rule.wanted)
    for rule in {case[0] for case in BAD} - {"apologises"}:
        assert rule in whats
    told = {case[0] for case in BAD}
    assert all(any(word in rule.what for word in told) for rule in RULES if not rule.wanted)
