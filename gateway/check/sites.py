"""Each site by itself: its hours, its templates, whom it knows, and who is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime

from gateway.acknowledgement.decision import FORM
from gateway.acknowledgement.render import Missing, Templates
from gateway.calendar import DAYS, WorkingHours, read_days, read_stretches
from gateway.call import UNPROVEN_SHARE, cards
from gateway.check.filters import names_are_certain
from gateway.check.words import LANGUAGE, sayable
from gateway.configuration.schema import closest
from gateway.configuration.yaml_values import Sources
from gateway.parts import listed_recipients
from gateway.problems import Problem, Steps, shown
from gateway.reply import Reply
from gateway.routing.recipients import Recipients, canonical
from gateway.settings import Calendar, Settings, Site

NOTHING_KNOWN = "name them under 'recipients', or say 'recipients: {any: true}'"


def places(settings: Settings) -> list[tuple[Steps, Site]]:
    return [(("sites", index), site) for index, site in enumerate(settings.sites)]


# --- hours ---------------------------------------------------------------------------------------


def calendars(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    """Each entry by itself: a mistake hides none of the others."""
    for site_steps, site in places(settings):
        steps = (*site_steps, "calendar")
        calendar = site.calendar
        yield from _zone(calendar, (*steps, "timezone"), sources)
        yield from _hours(calendar, (*steps, "hours"), sources)
        yield from _holidays(calendar, (*steps, "holidays"), sources)


def _zone(calendar: Calendar, steps: Steps, sources: Sources) -> Iterator[Problem]:
    if sources.sound(steps):
        yield from _calendar(Calendar(timezone=calendar.timezone), steps, sources)


def _calendar(part: Calendar, steps: Steps, sources: Sources) -> Iterator[Problem]:
    try:
        WorkingHours(part)
    except ValueError as error:
        yield sources.problem(steps, *sayable(error))


def _hours(calendar: Calendar, steps: Steps, sources: Sources) -> Iterator[Problem]:
    named: dict[int, str] = {}
    found = []
    for days, stretches in calendar.hours.items():
        if sources.sound((*steps, days)):
            wrong = [*_days(days, named), *_stretches(stretches)]
            found += [sources.problem((*steps, days), *sayable(error)) for error in wrong]
    yield from found
    if not found and sources.sound(steps):
        yield from _calendar(Calendar(hours=calendar.hours), steps, sources)


def _days(days: str, named: dict[int, str]) -> Iterator[ValueError]:
    """`named`: the days that stood above, and how they were written there."""
    try:
        read = read_days(days)
    except ValueError as error:
        yield error
        return
    for day in read:
        if day in named:
            what = f"{DAYS[day]} stands under '{shown(named[day])}' already"
            yield ValueError(f"{what}; name each day once")
    named.update({day: days for day in read if day not in named})


def _stretches(text: str) -> Iterator[ValueError]:
    """Each stretch by itself; only then whether they fit each other."""
    pieces = text.split(",")
    wrong = [error for piece in pieces if (error := _unread(piece))]
    whole = None if wrong else _unread(text)
    yield from [*wrong, *([whole] if whole else [])]


def _unread(text: str) -> ValueError | None:
    try:
        read_stretches(text)
    except ValueError as error:
        return error
    return None


def _holidays(calendar: Calendar, steps: Steps, sources: Sources) -> Iterator[Problem]:
    value = calendar.holidays
    items = [((), value)] if isinstance(value, str) else [((n,), v) for n, v in enumerate(value)]
    for step, item in items:
        at = (*steps, *step)
        if sources.sound(at):
            yield from _calendar(Calendar(holidays=(item,)), at, sources)


# --- templates -----------------------------------------------------------------------------------


def templates(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    """What a template says wrong stands in its file, a missing one where it is asked for."""
    named = [(steps, site) for steps, site in places(settings) if sources.sound((*steps, "site"))]
    if not named or not sources.sound(("templates",)):
        return
    readable = settings.model_copy(update={"sites": tuple(_spoken(site) for _, site in named)})
    loaded = Templates.load(readable)
    yield from _once(loaded.problems)
    for steps, site in named:
        lacking = [lack for lack in loaded.missing if lack.site == site.site]
        yield from _missing(site, steps, lacking, loaded.names(site), sources)
        yield from _foreign_words(site, steps, lacking, sources)


def _spoken(site: Site) -> Site:
    """The site with those of its languages that there are."""
    languages = tuple(filter(LANGUAGE.fullmatch, site.languages))
    return site.model_copy(update={"languages": languages or ("en",)})


def _once(problems: Iterable[Problem]) -> Iterator[Problem]:
    """A default template that fails, fails for each site: the first tells it."""
    told = set()
    for problem in problems:
        where = (problem.file, problem.line) if "fails for site" in problem.what else problem
        if where not in told:
            told.add(where)
            yield problem


def _missing(
    site: Site, steps: Steps, lacking: list[Missing], known: list[str], sources: Sources
) -> Iterator[Problem]:
    """Templates that a route asks for and nobody wrote."""
    for number, route in enumerate(site.routes):
        at = (*steps, "routes", number, "acknowledge")
        tongues = [
            each.language
            for each in lacking
            if (each.name, each.instead) == (route.acknowledge, "")
        ]
        if not tongues or not sources.sound(at):
            continue
        close = closest(route.acknowledge, known, 0.6)
        what = f"there is no template {sources.shown(at, route.acknowledge)}"
        if route.acknowledge in known:
            what, close = f"{what} in the language {tongues[0]}", ""
        file = f"templates/{site.site}/{shown(route.acknowledge)}.{tongues[0]}.txt"
        advice = f"write {file}, or use {' or '.join(name for name in known if name != FORM)}"
        yield sources.problem(at, what, f"did you mean '{close}'?" if close else advice)


def _foreign_words(
    site: Site, steps: Steps, lacking: list[Missing], sources: Sources
) -> Iterator[Problem]:
    """Languages whose customers are answered in another."""
    for number, language in enumerate(site.languages):
        at = (*steps, "languages", number)
        found = [lack for lack in lacking if lack.instead and lack.language == language]
        if found and sources.sound(at):
            files = " and ".join(f"{lack.name}.{language}.txt" for lack in found)
            what = f"customers who write '{language}' get {found[0].instead}"
            mend = f"write templates/{site.site}/{files}, or take {language} out"
            yield sources.problem(at, what, mend, warning=True)


# --- whom we know --------------------------------------------------------------------------------


class Known:
    """Who is known at each site, as far as the configuration could be read."""

    def __init__(self, settings: Settings, sources: Sources) -> None:
        self._uncertain = {
            domain
            for steps, site in places(settings)
            for domain in site.domains
            if not _says_who(site, steps, sources)
        }
        # Two sites of one name are told elsewhere, and each still knows its own people.
        apart = [site.model_copy(update={"site": str(n)}) for n, site in enumerate(settings.sites)]
        settings = settings.model_copy(update={"sites": tuple(apart)})
        self._recipients: Recipients | None = None
        with suppress(OSError, ValueError):  # told with the files
            self._recipients = Recipients(settings.sites, listed_recipients(settings))

    def refuses(self, address: str) -> bool:
        """Whether mail to this address, of a domain of ours, would surely be refused here."""
        if self._recipients is None or address.rpartition("@")[2] in self._uncertain:
            return False
        ours = self._recipients.is_ours(address)
        return ours and isinstance(self._recipients.find(address), Reply)


def _says_who(site: Site, steps: Steps, sources: Sources) -> bool:
    """Whether all is sound that says which addresses a site knows."""
    own = [(*steps, key) for key in ("domains", "recipients", "aliases")]
    listed = site.recipients.addresses or site.recipients.file or site.recipients.any
    return sources.sound(*own) and bool(listed or sources.sound((*steps, "routes")))


def recipients(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    """Sites that take mail for addresses nobody has, and addresses outside the site's domains."""
    known = Known(settings, sources)
    for steps, site in places(settings):
        yield from _open(site, steps, sources)
        if sources.sound((*steps, "domains")):
            yield from _foreign(site, steps, sources)
        yield from _aliases(site, steps, known, sources)
        yield from _unknown(site, steps, known, sources)


def _open(site: Site, steps: Steps, sources: Sources) -> Iterator[Problem]:
    known = site.recipients
    if not sources.sound((*steps, "recipients")):
        return
    wildcard = any("*" in route.to for route in site.routes)
    anybody = wildcard and sources.sound((*steps, "routes"))
    if anybody and not (known.addresses or known.file or known.any):
        what = "mail for any address is taken, for nothing says which exist"
        yield sources.problem(steps, what, NOTHING_KNOWN, warning=True)
    if known.any and (known.addresses or known.file):
        what = "every address is taken, so the list and the file say nothing"
        at = (*steps, "recipients", "any")
        yield sources.problem(at, what, "remove 'any', or the list and file", warning=True)


def _ours(address: str, site: Site) -> bool:
    return address.rpartition("@")[2] in site.domains


def _foreign(site: Site, steps: Steps, sources: Sources) -> Iterator[Problem]:
    """Addresses that must be of the site's domains and are not."""
    places = [
        *(((*steps, "recipients", "list", n), a) for n, a in enumerate(site.recipients.addresses)),
        *(((*steps, "aliases", alias), alias) for alias in site.aliases),
        *([((*steps, "address"), site.address)] if site.address else []),
    ]
    for at, address in places:
        if sources.sound(at) and not _ours(address, site):
            mend = "mend the address, or add its domain to 'domains'"
            yield sources.problem(at, "not an address of this site's domains", mend)


def _aliases(site: Site, steps: Steps, known: Known, sources: Sources) -> Iterator[Problem]:
    names = {canonical(alias) for alias in site.aliases}
    for alias, target in site.aliases.items():
        at = (*steps, "aliases", alias)
        if not sources.sound(at):
            continue
        if canonical(target) in names:
            what = "leads to another alias, and aliases are followed once"
            yield sources.problem(at, what, "name the mailbox itself")
        elif not _ours(target, site) and sources.sound((*steps, "domains")):
            what = "its mailbox is not of this site's domains, so its mail is refused"
            mend = "for mail that goes elsewhere write a route with 'deliver_to'"
            yield sources.problem(at, what, mend)
        elif known.refuses(target):
            what = "no such mailbox is known here, so its mail is refused"
            yield sources.problem(at, what, "add the mailbox to 'recipients', or mend it")
        if canonical(alias) in map(canonical, site.recipients.addresses):
            what = "stands under 'recipients' too, where it never gets mail of its own"
            yield sources.problem(at, what, "keep one of the two", warning=True)


def _unknown(site: Site, steps: Steps, known: Known, sources: Sources) -> Iterator[Problem]:
    """Addresses of ours that somebody is to be reached at, and we would refuse."""
    asked: list[tuple[Steps, str]] = [
        (("calls", "notify", number), address) for number, address in enumerate(site.calls.notify)
    ]
    if site.address:
        asked.append((("address",), site.address))
    for step, address in asked:
        at = (*steps, *step)
        if sources.sound(at) and known.refuses(address):
            what = "mail to this address is refused here: nobody has it"
            yield sources.problem(at, what, "add it to 'recipients', or mend it")


def administrator(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    at: Steps = ("administrator",)
    if settings.administrator is None:
        if sources.sound(at):
            what = "nobody is told of trouble, and postmaster@ goes the way of all mail"
            yield sources.problem((), what, "name an 'administrator'", warning=True)
    elif sources.sound(at) and Known(settings, sources).refuses(settings.administrator):
        what = "mail to this address is refused here: nobody has it"
        yield sources.problem(at, what, "add it to its site's 'recipients', or mend it")


# --- who would never hear of anything ------------------------------------------------------------


def people(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    used = {use.use for use in settings.filters}
    certain = names_are_certain(settings, sources)
    for steps, site in places(settings):
        calls = any(route.call == "always" for route in site.routes) or "tone" in used
        if calls and not site.calls.notify and sources.sound((*steps, "calls")):
            what = "nobody gets the call cards of this site"
            yield sources.problem(steps, what, "name them in 'calls: {notify: […]}'", warning=True)
        budget: Steps = (*steps, "calls", "budget")
        if calls and cards(site).in_all and not cards(site).unproven and sources.sound(budget):
            what = "no card at all for a sender who is not proven, or behind a form"
            mend = f"a part of {UNPROVEN_SHARE} is theirs: allow at least {UNPROVEN_SHARE}"
            yield sources.problem(budget, what, mend, warning=True)
        answers = site.acknowledge and any(route.acknowledge for route in site.routes)
        if certain and "dmarc" not in used and answers:
            what = "nothing will be acknowledged: without dmarc no author is proven"
            mend = "add spf, dkim, arc and dmarc under 'filters'"
            yield sources.problem(steps, what, mend, warning=True)
