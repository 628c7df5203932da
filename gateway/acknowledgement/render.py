"""Templates: found by name, tone, hours and language, compiled once, proven before they are used.

A file is `NAME[.TONE][.HOURS][.LANGUAGE].txt` (templates/README.md): a line `Subject: …`, an empty
line, the text. Each is rendered at load for every site that may use it, with nothing known and
with hostile values; one that fails is told as a problem and never reaches a customer.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gateway.acknowledgement import lint
from gateway.acknowledgement.decision import FORM
from gateway.acknowledgement.octets import clean
from gateway.acknowledgement.words import HOSTILE, NOTHING, Words
from gateway.calendar import WorkingHours
from gateway.problems import Problem
from gateway.settings import Settings, Site

SHIPPED = Path(__file__).parent.parent / "templates" / "default"
TONES = ("irate", "upset", "neutral", "pleased")
UNKNOWN = ("", "und", "unknown")
"""What the language of a letter is called when it cannot be told."""
FILE_MAX = 32 << 10
SUBJECT_MAX = 150
BODY_MAX = 8000

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})?")
_SUBJECT = re.compile(r"\s*Subject:[ \t]*([^\n]*)\n(.*)", re.DOTALL)


def environment() -> ImmutableSandboxedEnvironment:
    """Strict about unknown names, without a loader.

    Nothing is escaped for HTML: the result is text/plain, where `&amp;` would be wrong words.
    What may not stand in a line of text is taken out of every value before (`words.py`).
    """
    return ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )


@dataclass(frozen=True, slots=True)
class Text:
    """The words of one acknowledgement, and where they came from."""

    subject: str
    body: str
    template: str
    """`received.irate`: for tags and the journal."""
    language: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A template that a site acknowledges with and that nobody wrote in one of its languages."""

    site: str
    name: str
    language: str
    instead: str = ""
    """The file whose words customers get, empty when there is none."""


@dataclass(frozen=True, slots=True)
class Source:
    """One template file, compiled."""

    path: Path
    stem: str
    """`received.irate.de`: the file's name without `.txt`."""
    template: Template
    source: str
    name: str = ""
    tone: str = ""
    hours: str = ""
    language: str = ""

    def render(self, words: Words) -> Text:
        """Raises TemplateError or ValueError when the words cannot be had from it."""
        whole = self.template.render(words.variables())
        match = _SUBJECT.fullmatch(whole.strip("\n") + "\n")
        if match is None:
            raise ValueError("it does not begin with a line 'Subject: …'")
        subject, body = clean(match[1]), tidy(match[2])
        if not subject or len(subject) > SUBJECT_MAX:
            raise ValueError(f"its subject must have 1 to {SUBJECT_MAX} letters")
        if not body or len(body) > BODY_MAX:
            raise ValueError(f"its text must have 1 to {BODY_MAX} letters")
        return Text(subject, body, self.stem.removesuffix(f".{self.language}"), self.language)


def tidy(body: str) -> str:
    """No space at the end of lines, never two empty lines together."""
    lines = "\n".join(line.rstrip() for line in body.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", lines).strip("\n")


class Templates:
    """All templates of all sites. `problems` is what `gateway check` tells about their files."""

    def __init__(
        self,
        folders: Mapping[str, Sequence[Mapping[str, Source]]],
        problems: Iterable[Problem],
        missing: Iterable[Missing] = (),
    ) -> None:
        """`folders`: for each site its folders in order of look-up, each by stem."""
        self._folders = folders
        self.problems = tuple(problems)
        self.missing = tuple(missing)
        """What routes ask for and no file holds; a file with a mistake is a problem instead."""
        self._found: dict[tuple[str, str, str, bool, str], tuple[Source, ...]] = {}

    @classmethod
    def load(cls, settings: Settings) -> Templates:
        """Read, compile and prove every template. Raises nothing: mistakes are `problems`."""
        return _Loader(settings).load()

    def names(self, site: Site) -> list[str]:
        """What a route of this site may say under `acknowledge`."""
        folders = self._folders.get(site.site, ())
        return sorted({source.name for folder in folders for source in folder.values()})

    def find(
        self, site: Site, name: str, *, tone: str, is_open: bool, language: str
    ) -> tuple[Source, ...]:
        """The templates for a letter, best first; the next is for when one fails."""
        key = (site.site, name, tone, is_open, language)
        known = self._found.get(key)
        if known is None:
            if len(self._found) > 10_000:  # languages come from letters
                self._found.clear()
            folders = self._folders.get(site.site, ())
            stems = tuple(look_up(site, name, tone=tone, is_open=is_open, language=language))
            known = self._found[key] = tuple(
                folder[stem] for folder in folders for stem in stems if stem in folder
            )
        return known

    def write(
        self, site: Site, name: str, words: Words, *, tone: str, is_open: bool, language: str
    ) -> Text | None:
        """The words for one customer; None when no template works."""
        for source in self.find(site, name, tone=tone, is_open=is_open, language=language):
            try:
                return source.render(words.speaking(source.language or site.languages[0]))
            except (TemplateError, ValueError, TypeError, ArithmeticError, LookupError):
                continue
        return None


def look_up(site: Site, name: str, *, tone: str, is_open: bool, language: str) -> Iterator[str]:
    """The stems to try in one folder, in order: the customer's language before the fitting tone.

    A letter in an unknown language gets the neutral words.
    """
    variants = [name]
    if tone in TONES and language not in UNKNOWN:
        variants = [f"{name}.{tone}.{'open' if is_open else 'closed'}", f"{name}.{tone}", name]
    exact = [tongue for tongue in site.languages if tongue == language]
    related = [tongue for tongue in site.languages if base_of(tongue) == base_of(language)]
    for tongue in spread([*exact, *related, site.languages[0]]):
        yield from (f"{variant}.{tongue}" for variant in variants)
    yield from variants


def base_of(language: str) -> str:
    return language.partition("-")[0]


def spread(languages: Iterable[str]) -> dict[str, None]:
    """Each language and then its base: `de-AT`, `de`."""
    return dict.fromkeys(tongue for each in languages for tongue in (each, base_of(each)))


class _Loader:
    """Reads the folders of one configuration and proves what it finds."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._environment = environment()
        self.problems: list[Problem] = []
        self.missing: list[Missing] = []
        self._failed: set[str] = set()
        """Names of which some file cannot be used."""

    def load(self) -> Templates:
        folder = self._settings.templates
        spoken = spread(tongue for site in self._settings.sites for tongue in site.languages)
        shipped = self._read(SHIPPED, spoken)
        default = self._read(folder / "default", None)
        folders: dict[str, list[dict[str, Source]]] = {}
        for site in self._settings.sites:
            own = [self._read(folder / site.site, None), default, shipped]
            examples = [example.at(site, _calendar(site)) for example in (NOTHING, HOSTILE)]
            folders[site.site] = [self._proven(site, examples, sources) for sources in own]
        templates = Templates(folders, ())
        for site in self._settings.sites:
            self._check_use(site, templates)
        return Templates(folders, dict.fromkeys(self.problems), self.missing)

    def _read(self, folder: Path, languages: Iterable[str] | None) -> dict[str, Source]:
        """Every template of one folder, compiled; only some languages of the shipped ones."""
        if not folder.is_dir():
            return {}
        sources = {}
        for path in sorted(folder.glob("*.txt")):
            parts = split_stem(path.stem)
            if parts is None:
                self._tell(
                    path, 1, "no name of a template", "name it NAME[.TONE][.HOURS][.LANGUAGE].txt"
                )
            elif languages is None or not parts[3] or parts[3] in languages:
                source = self._compile(path, parts)
                if source:
                    sources[path.stem] = source
                else:
                    self._failed.add(parts[0])
        return sources

    def _compile(self, path: Path, parts: tuple[str, str, str, str]) -> Source | None:
        try:
            text = path.read_bytes()[: FILE_MAX + 1].decode("utf-8-sig").replace("\r\n", "\n")
            if len(text) > FILE_MAX:
                raise ValueError(f"it is larger than {FILE_MAX >> 10} KB")
            code = self._environment.compile(text, path.stem, str(path))
            template = Template.from_code(self._environment, code, {})  # no globals
        except TemplateSyntaxError as error:
            self._tell(path, error.lineno, f"not a template: {error.message}", "mend this line")
        except UnicodeDecodeError:
            self._tell(path, 1, "it is not UTF-8 text", "save it as UTF-8")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self._tell(path, 1, f"it cannot be read: {reason}", "mend the file or its rights")
        else:
            return Source(path, path.stem, template, text, *parts)
        return None

    def _proven(
        self, site: Site, examples: Sequence[Words], sources: Mapping[str, Source]
    ) -> dict[str, Source]:
        return {
            stem: source for stem, source in sources.items() if self._proves(site, examples, source)
        }

    def _proves(self, site: Site, examples: Sequence[Words], source: Source) -> bool:
        """Whether it can be rendered for this site, whatever is known and whoever wrote."""
        language = source.language or site.languages[0]
        for example in examples:
            try:
                source.render(example.speaking(language))
            except (TemplateError, ValueError, TypeError, ArithmeticError, LookupError) as error:
                self._tell(
                    source.path,
                    line_of(error, source.path),
                    f"it fails for site {site.site}: {error}",
                    f"the names it may use are {', '.join(Words.NAMES)}",
                )
                self._failed.add(source.name)
                return False
        return True

    def _check_use(self, site: Site, templates: Templates) -> None:
        """Lint every template that can be chosen, for the letters it can be chosen for."""
        names = dict.fromkeys(route.acknowledge for route in site.routes if route.acknowledge)
        if site.form_senders:
            names[FORM] = None
        for name in names:
            for language in site.languages:
                self._check_choice(site, name, language, templates)

    def _check_choice(self, site: Site, name: str, language: str, templates: Templates) -> None:
        for tone in TONES:
            for is_open in (True, False):
                found = templates.find(site, name, tone=tone, is_open=is_open, language=language)
                if not found:
                    if name not in self._failed:
                        self.missing.append(Missing(site.site, name, language))
                    return
                # Behind a form nobody is thanked: the address may be a stranger's.
                heard = "" if name == FORM else tone
                self.problems += lint.check(found[0].path, found[0].source, language, heard)
        if base_of(found[0].language) != base_of(language):
            instead = f"{found[0].stem}.txt"
            self.missing.append(Missing(site.site, name, language, instead))

    def _tell(self, path: Path, line: int, what: str, mend: str) -> None:
        self.problems.append(Problem(path, line, "", what, mend))


def _calendar(site: Site) -> WorkingHours | None:
    """None when it cannot be read: the configuration's own check tells of that."""
    try:
        return WorkingHours(site.calendar)
    except ValueError:
        return None


def split_stem(stem: str) -> tuple[str, str, str, str] | None:
    """Name, tone, hours and language of `received.irate.closed.de`; None for another kind."""
    name, *rest = stem.split(".")
    tone = rest.pop(0) if rest and rest[0] in TONES else ""
    hours = rest.pop(0) if tone and rest and rest[0] in ("open", "closed") else ""
    language = rest.pop(0) if rest and _LANGUAGE.fullmatch(rest[0]) else ""
    return None if rest or not _NAME.fullmatch(name) else (name, tone, hours, language)


def line_of(error: BaseException, path: Path) -> int:
    """The template's line that an error came from."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path) and frame.lineno]
    return lines[-1] if lines else 1
