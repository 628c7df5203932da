"""Values of a site that cannot be meant together, or that would never do what they seem to say."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import datetime

import phonenumbers

from gateway.check.filters import names_are_certain
from gateway.check.sites import places
from gateway.check.words import LANGUAGE
from gateway.configuration.schema import COUNTRIES
from gateway.configuration.yaml_values import Sources
from gateway.identity.organisation import registered_domain
from gateway.problems import Problem, Steps, shown
from gateway.settings import FormSender, Settings, Site
from gateway.verdict import Action

NAMES = {
    "english": "en", "german": "de", "deutsch": "de", "french": "fr", "spanish": "es",
    "italian": "it", "dutch": "nl", "portuguese": "pt",
}  # fmt: skip


def signing(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    """A signature proves an author only of the same organisation (RFC 9989, 4.4.1)."""
    for steps, site in places(settings):
        at, own = (*steps, "signing", "domain"), (*steps, "domains")
        if site.signing is None or not sources.sound(at, own, (*steps, "address")):
            continue
        home = registered_domain(site.signing.domain)
        author = (site.address or "").rpartition("@")[2]
        froms = [author] if author in site.domains else site.domains
        foreign = [domain for domain in froms if registered_domain(domain) != home]
        if len(foreign) == len(froms):
            what = "signs for none of this site's domains, so its mail counts as unproven"
            mend = f"write {froms[0]}, or a domain above or below it"
            yield sources.problem(at, what, mend)
        elif foreign and not site.address:
            what = f"does not cover {', '.join(map(shown, foreign[:3]))} of this site's domains"
            mend = f"give an 'address' at {shown(site.signing.domain)}, or make a site of its own"
            yield sources.problem(at, what, mend, warning=True)


def orders(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    for steps, site in places(settings):
        for number, pattern in enumerate(site.orders):
            at = (*steps, "orders", number)
            if pattern is None or not sources.sound(at):
                continue
            if "order" not in pattern.groupindex:
                what = "no group is called 'order', so nothing is ever found with it"
                yield sources.problem(at, what, r"write (?P<order>…) round the number itself")
            elif pattern.search("") is not None:
                what = "matches even the empty text, so it is found everywhere"
                yield sources.problem(at, what, r"say how many digits there must be: \d{5,10}")


def thresholds(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    used = {use.use for use in settings.filters}
    certain = names_are_certain(settings, sources)
    for steps, site in places(settings):
        at, lines = (*steps, "thresholds"), site.thresholds
        for less, more in (("unsure", "spam"), ("spam", "refuse_at")):
            low, high = getattr(lines, less), getattr(lines, more)
            sound = sources.sound((*at, less), (*at, more))
            if sound and high is not None and low > high:
                key = less if sources.has((*at, less)) else more
                what = f"'{less}' ({low}) is above '{more}' ({high})"
                mend = f"let '{less}' be at most '{more}'"
                yield sources.problem((*at, key), what, mend)
        if lines.refuse_at is not None and certain and "spam" not in used and sources.sound(at):
            what = "has no effect: spam does not run"
            mend = "add '- {use: spam}' under 'filters'"
            yield sources.problem((*at, "refuse_at"), what, mend, warning=True)


def answers(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    """Actions that no site will ever see: a classifier turns nobody away by itself."""
    everywhere = [
        (("filters", index, "then"), use.use, use.then, settings.sites)
        for index, use in enumerate(settings.filters)
    ]
    own = [
        ((*steps, "then", name), name, then, (site,))
        for steps, site in places(settings)
        for name, then in site.then.items()
    ]
    for steps, name, then, sites in [*everywhere, *own]:
        for word, action in then.items():
            at = (*steps, word)
            if action < Action.DEFER or not sources.sound(at):
                continue
            if word in ("temperror", "permerror"):
                what = "our own trouble never turns a customer away: this letter is tagged"
                yield sources.problem(at, what, "write tag", warning=True)
            elif name == "tone" or (name == "spam" and not _refusing(sites)):
                what = "a classifier turns nobody away by itself: this letter is held at most"
                mend = "write quarantine" + (
                    ", or give the site 'thresholds: {refuse_at: 0.999}'" if name == "spam" else ""
                )
                yield sources.problem(at, what, mend, warning=True)


def _refusing(sites: tuple[Site, ...]) -> bool:
    return any(site.thresholds.refuse_at is not None for site in sites)


def forms(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    used = {use.use for use in settings.filters}
    certain = names_are_certain(settings, sources)
    for site_steps, site in places(settings):
        for number, form in enumerate(site.form_senders):
            steps = (*site_steps, "form_senders", number)
            if sources.sound(steps):
                yield from _form(form, steps, sources)
                if form.dkim and certain and "dkim" not in used:
                    what = "never proven: dkim does not run"
                    yield sources.problem((*steps, "dkim"), what, "add '- {use: dkim}'")


def _form(form: FormSender, steps: Steps, sources: Sources) -> Iterator[Problem]:
    if not form.ip and not form.dkim:
        what = "anybody could write in this form's name, so it is never believed"
        mend = "say how it is known: 'ip: [192.0.2.7]' or 'dkim: shop.example'"
        yield sources.problem(steps, what, mend)
    for index, network in enumerate(form.ip):
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            at = (*steps, "ip", index)
            what = f"{sources.shown(at, network)} is no IP address or network"
            yield sources.problem(at, what, "write 192.0.2.7 or 192.0.2.0/24")


def countries(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    """Countries, languages and telephone numbers that there are not."""
    for steps, site in places(settings):
        at = (*steps, "region")
        known = site.region in phonenumbers.SUPPORTED_REGIONS
        if not known and sources.sound(at):
            right = COUNTRIES.get(site.region)
            mend = f"did you mean {right}?" if right else "write two letters such as US or DE"
            yield sources.problem(at, f"'{site.region}' is no country", mend)
        for number, language in enumerate(site.languages):
            at = (*steps, "languages", number)
            if sources.sound(at) and not LANGUAGE.fullmatch(language):
                what = f"{sources.shown(at, language)} is no language"
                yield sources.problem(at, what, _language(language))
        for step, phone in ((("phone",), site.phone), (("calls", "phone"), site.calls.phone)):
            at = (*steps, *step)
            if phone and known and sources.sound(at, (*steps, "region")):
                yield from _phone(phone, site.region, at, sources)


def _language(written: str) -> str:
    """The code that is meant by `en_GB`, `EN` or `German`."""
    code = NAMES.get(written.lower()) or written.replace("_", "-")
    code = code.partition("-")[0].lower() + code[len(code.partition("-")[0]) :]
    return f"write {code}" if LANGUAGE.fullmatch(code) else "write a code such as en or de"


def _phone(phone: str, region: str, at: Steps, sources: Sources) -> Iterator[Problem]:
    try:
        possible = phonenumbers.is_possible_number(phonenumbers.parse(phone, region))
    except phonenumbers.NumberParseException:
        possible = False
    if not possible:
        what = f"{sources.shown(at, phone)} is no telephone number"
        yield sources.problem(at, what, 'write it as "+1 212 555 0100"', warning=True)


CHECKS = (signing, orders, thresholds, answers, forms, countries)
