"""Which language a customer writes, also in one short sentence.

Small words decide where they are clear, which they are in most letters of the seven languages the
gateway was made for; the rest, and every other language, is py3langid's. That one takes half a
second and a hundred megabytes to load: `warm` does it at start-up instead of at the first odd
letter.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl")
UNKNOWN = "und"
"""ISO 639: undetermined."""
READ = 400
"""Letters of text that are looked at."""

_SMALL_WORDS = {
    "en": "the and you your for with have has had not this that was were been are from but they"
    " it's i'm i've don't didn't can't my me we our us is am it of to on at be will would could"
    " please order when where what why how who which been i thanks hello hi never any still now"
    " just than there yes refund received",
    "de": "der die das und ich nicht ist ein eine einen mit auf für sie ihr ihre ihnen wir uns mir"
    " mich mein meine haben habe hat bei von zu dem den des im am wo wie was warum wann noch"
    " aber auch bitte seit nach werden wurde kein keine sehr schon immer hallo danke oder wenn",
    "fr": "le la les et je vous nous mon ma mes pas est une un des du que qui pour dans sur avec"
    " ne ai avez j'ai n'est c'est suis votre vos notre ce cette ces au aux par plus mais où"
    " quand comment pourquoi bonjour merci depuis toujours colis commande été jamais rien",
    "es": "el la los las y yo usted ustedes que no es un una de del por para con mi mis su sus me"
    " se lo le ha he han pero como cuándo dónde qué cómo más este esta estoy está muy hola gracias"
    " pedido todavía desde ya nunca nada al sin señor cuando donde tengo hace favor",
    "it": "il lo la gli le e io voi che non è un una di del della per con mio mia mi si ho ha hanno"
    " ma come quando dove perché più questo questa sono sto molto ciao grazie buongiorno ordine"
    " ancora da dal nel alla al già mai niente anche pacco avete vostro vostra",
    "pt": "o os as e eu você vocês que não é um uma de do da dos das por para com meu minha seu sua"
    " me se em no na ao foi tenho está mas como quando onde porque mais este esta muito olá"
    " obrigado obrigada encomenda pedido ainda desde já nunca nada sem até recebi estou são",
    "nl": "de het een en ik niet is van voor met mijn u uw jullie wij we ons dat die dit op aan te"
    " heb heeft hebben maar ook waar wanneer waarom hoe wat nog al bij naar zijn was werd geen"
    " zeer graag hallo bedankt bestelling sinds nooit kan om er als pakket ontvangen",
}  # fmt: skip


def _weights() -> dict[str, tuple[tuple[int, float], ...]]:
    """Word -> (language, weight): a word of several languages counts less in each."""
    owners: dict[str, list[int]] = {}
    for number, language in enumerate(LANGUAGES):
        for word in dict.fromkeys(_SMALL_WORDS[language].split()):
            owners.setdefault(word, []).append(number)
    return {
        word: tuple((number, 1.0 / len(numbers) ** 1.5) for number in numbers)
        for word, numbers in owners.items()
    }


_WEIGHTS = _weights()
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_ASCII_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
"""The same of lower-case ASCII, in a third of the time."""
_LETTERS_OF = {"ß": "de", "ñ": "es", "¿": "es", "¡": "es", "ã": "pt", "õ": "pt"}
_ELSEWHERE = re.compile(r"https?://\S{1,500}|\S{1,64}@\S{1,255}")


def of(text: str) -> str:
    """The ISO 639-1 code of the language of a text, `und` when it cannot be told."""
    text = text[: READ * 2]
    if "@" in text or "://" in text:  # 14 us, for nothing in most letters
        text = _ELSEWHERE.sub(" ", text)
    text = text[:READ]
    words = (_ASCII_WORD if text.isascii() else _WORD).findall(text.lower().replace("’", "'"))
    if not words:
        return UNKNOWN
    scores = _scores(words, text)
    order = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)
    first, second = scores[order[0]], scores[order[1]]
    if first >= 2.0 and first >= 1.6 * second and first >= 0.12 * len(words):
        return LANGUAGES[order[0]]
    return _by_model(text, scores, order[0])


def _scores(words: list[str], text: str) -> list[float]:
    scores = [0.0] * len(LANGUAGES)
    for word in words:
        for number, weight in _WEIGHTS.get(word, ()):
            scores[number] += weight
    if not text.isascii():
        for letter, language in _LETTERS_OF.items():
            if letter in text:
                scores[LANGUAGES.index(language)] += 0.7
    return scores


def _by_model(text: str, scores: list[float], best: int) -> str:
    """py3langid's opinion, weighed with the small words when it hesitates."""
    ranked: list[tuple[str, float]] = _identifier().rank(text)
    code, confidence = ranked[0]
    if code == "zxx":  # ISO 639: no linguistic content
        return UNKNOWN
    letters = sum(map(str.isalpha, text))
    if code in LANGUAGES and confidence >= 0.5:
        return code
    if code not in LANGUAGES and letters >= 12 and confidence >= (0.5 if scores[best] < 1 else 0.9):
        return str(code)
    shares = {one: share for one, share in ranked if one in LANGUAGES}
    total = sum(shares.values())
    if not total:
        return UNKNOWN
    weighed = {
        one: share / total + min(scores[LANGUAGES.index(one)], 2.0) for one, share in shares.items()
    }
    order = sorted(weighed, key=weighed.__getitem__, reverse=True)
    clear = weighed[order[0]] >= weighed[order[1]] + 0.3
    return order[0] if clear and (total >= 0.15 or scores[best] >= 0.5) else UNKNOWN


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # heavy: only when needed

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def warm() -> None:
    """Load the model now."""
    _identifier()
