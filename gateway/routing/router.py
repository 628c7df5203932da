"""Make the plan for one message: a group of recipients for each rule that matched. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.acknowledgement.decision import decide as decide_acknowledgement
from gateway.acknowledgement.decision import is_programs_answer
from gateway.acknowledgement.own import OwnIdentity, is_by_our_people
from gateway.acknowledgement.promise import promise
from gateway.acknowledgement.target import writes_for_others
from gateway.calendar import WorkingHours
from gateway.call import plan_call
from gateway.facts import Facts, find
from gateway.message import Message
from gateway.plan import Acknowledgement, CallPlan, Group, History, Plan
from gateway.reply import TRY_LATER, UNKNOWN_RECIPIENT, Reply
from gateway.routing.recipients import Mailbox, Recipients, canonical
from gateway.routing.rules import DEFAULT, Circumstances, Rule, compile_rules
from gateway.settings import Route, Settings, Site
from gateway.verdict import Action, Decision, Verdicts, decide, is_aligned


@dataclass(frozen=True, slots=True)
class Case:
    """All that a plan is made from."""

    message: Message
    verdicts: Verdicts
    history: History
    now: datetime
    released: bool = False
    """A person let it go: it is no spam, whatever the classifier says, and is held no more."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One message as one site sees it; shared by all its recipients."""

    site: Site
    hours: WorkingHours
    decision: Decision
    facts: Facts
    history: History
    """Of whoever wrote: behind a form that is not its author."""
    form: bool


@dataclass(frozen=True, slots=True)
class Match:
    """One recipient and the rule that took it."""

    recipient: str
    mailbox: Mailbox
    rule: Rule
    action: Action
    gone: bool = False
    """Nobody's any more: a reload took it away since RCPT."""


class Router:
    """The routes of all sites. Built once from the settings, replaced whole on reload."""

    def __init__(self, settings: Settings, recipients: Recipients, own: OwnIdentity) -> None:
        self.recipients = recipients
        self._own = own
        self._settings = settings
        self._rules = {site.site: compile_rules(site) for site in settings.sites}
        self._hours = {site.site: WorkingHours(site.calendar) for site in settings.sites}
        self._policies = {site.site: settings.policy(site) for site in settings.sites}

    def plan(
        self,
        message: Message,
        verdicts: Verdicts,
        history: History,
        now: datetime,
        *,
        accepted: bool = False,
        released: bool = False,
    ) -> Plan:
        """What happens to each recipient, and to the session: only unanimity turns a letter away.

        `accepted`: it is ours already (a raw hold that runs again) and cannot be turned away.
        `released`: a person took it out of the quarantine.
        Recipients that vanished by a reload since RCPT are held for a person, never lost.
        """
        if released:
            verdicts = {name: found for name, found in verdicts.items() if name != "spam"}
        case = Case(message, verdicts, history, now, released)
        matches, readings = self._matches(case)
        if not matches:
            return Plan(Action.REFUSE, reply=UNKNOWN_RECIPIENT)
        action = _session_action([match.action for match in matches])
        if action in (Action.DEFER, Action.REFUSE) and not (accepted or released):
            groups = self._groups(matches, readings, case)
            return Plan(action, groups, _turn_away(action, message, matches[0].mailbox.site))
        groups = self._groups([_taken(match) for match in matches], readings, case)
        return Plan(max(group.action for group in groups), groups)

    def read(self, case: Case, site: Site) -> Reading:
        """What one site makes of the verdicts and the text."""
        form = writes_for_others(case.message, case.verdicts, site, self._own)
        history = case.history.behind_form() if form else case.history
        known = history.answers_us or (is_aligned(case.verdicts) and history.proven.known)
        decision = decide(
            case.verdicts,
            self._policies[site.site],
            known=known,
            blind=bool(case.history.missing),
        )
        if case.released:
            decision = replace(decision, action=min(decision.action, Action.TAG))
        facts = find(
            case.message, region=site.region, order_patterns=site.orders,
            own_numbers=(site.phone, site.calls.phone),
        )  # fmt: skip
        return Reading(site, self._hours[site.site], decision, facts, history, form)

    def read_for_nobody(self, case: Case) -> tuple[Decision, CallPlan]:
        """What is found in a letter that no recipient here gets, as the first site reads it."""
        site = self._settings.sites[0]
        reading = self.read(case, site)
        call = plan_call(
            case.message, reading.decision, case.verdicts, reading.history, reading.facts,
            site=site, route=Route(call="never"), now=case.now, hours=reading.hours,
            form=reading.form,
        )  # fmt: skip
        return reading.decision, replace(call, reason="no such recipient here")

    def _matches(self, case: Case) -> tuple[list[Match], dict[str, Reading]]:
        """The rule of each recipient; and the message as each of their sites sees it, by name."""
        first = self._settings.sites[0]
        readings: dict[str, Reading] = {}
        matches = []
        for recipient in case.message.arrival.envelope.recipients:
            found = self.recipients.find(recipient)
            site = first if isinstance(found, Reply) else found.site
            if site.site not in readings:
                readings[site.site] = self.read(case, site)
            if isinstance(found, Reply):
                mailbox = Mailbox(first, recipient.lower())
                matches.append(Match(recipient, mailbox, DEFAULT, Action.QUARANTINE, gone=True))
            else:
                matches.append(self._match(recipient, found, readings[site.site], case))
        return matches, readings

    def _match(
        self,
        recipient: str,
        mailbox: Mailbox,
        reading: Reading,
        case: Case,
    ) -> Match:
        contact = reading.history.contact(proven=reading.decision.aligned)
        circumstances = Circumstances(
            message=case.message,
            recipient=mailbox.address,
            decision=reading.decision,
            letters_7_days=contact.letters_7_days + case.history.counts(reading.decision),
            now=case.now,
            hours=reading.hours,
        )
        rules = self._rules[mailbox.site.site]
        rule = next((rule for rule in rules if rule.matches(circumstances)), DEFAULT)
        action = reading.decision.action
        if mailbox.is_role:
            action = min(action, Action.TAG)
        return Match(recipient, mailbox, rule, action)

    def _groups(
        self,
        matches: Sequence[Match],
        readings: Mapping[str, Reading],
        case: Case,
    ) -> tuple[Group, ...]:
        together: dict[tuple[str, int, Action, bool, bool], list[Match]] = {}
        for match in matches:
            key = (
                match.mailbox.site.site, match.rule.number, match.action,
                match.mailbox.is_role, match.gone,
            )  # fmt: skip
            together.setdefault(key, []).append(match)
        groups: list[Group] = []
        for suffix, members in enumerate(together.values(), 1):
            reading = readings[members[0].mailbox.site.site]
            if members[0].gone:
                groups.append(_unroutable(suffix, members, reading.decision))
                continue
            group = self._group(suffix, members, reading, case)
            groups.append(_once(group, groups))
        return tuple(groups)

    def _group(
        self,
        suffix: int,
        members: Sequence[Match],
        reading: Reading,
        case: Case,
    ) -> Group:
        site, first = reading.site, members[0]
        route = first.rule.route
        decision = reading.decision
        if first.action is not decision.action:
            decision = replace(decision, action=first.action)
        stopped = first.action >= Action.QUARANTINE
        acknowledgement, call = self._answers(first, decision, reading, case)
        if first.mailbox.is_role or (stopped and acknowledgement.send):
            acknowledgement = Acknowledgement(reason="policy", reasons=("policy",))
        promised = promise(site, route, case.now, reading.hours)
        if promised is not None:
            acknowledgement = replace(acknowledgement, promise=promised)
        return Group(
            suffix=suffix,
            site=site.site,
            rule=first.rule.name,
            recipients=tuple(member.recipient for member in members),
            next_hop=route.next_hop or site.next_hop,
            deliver_to=self._deliver_to(members, reading, call),
            copy_to=route.copy_to,
            tags=(*decision.tags, *route.tags),
            action=first.action,
            decision=decision,
            call=call,
            acknowledgement=acknowledgement,
            hold="" if case.released else _hold(route.hold, stopped, decision, first.rule.name),
            form=reading.form,
        )

    def _answers(
        self, match: Match, decision: Decision, reading: Reading, case: Case
    ) -> tuple[Acknowledgement, CallPlan]:
        """Whether its author is acknowledged, and whether somebody is to phone her."""
        site, route = reading.site, match.rule.route
        acknowledgement = decide_acknowledgement(
            case.message, case.verdicts, decision, case.history, site=site, route=route,
            recipient=match.mailbox.address, own=self._own, now=case.now,
            per_author=self._settings.acknowledgements.per_author,
            large_providers=self._settings.acknowledgements.large_providers,
        )  # fmt: skip
        by_program = is_programs_answer(
            case.message, case.history, self._own, acknowledgement.reasons
        )
        call = plan_call(
            case.message, decision, case.verdicts, reading.history, reading.facts,
            site=site, route=route, now=case.now, hours=reading.hours,
            form=reading.form, by_program=by_program,
            by_us=is_by_our_people(case.message, self._own),
        )  # fmt: skip
        return acknowledgement, call

    def _deliver_to(
        self, members: Sequence[Match], reading: Reading, call: CallPlan
    ) -> tuple[str, ...]:
        """The recipients on the next hop's envelope; no one twice."""
        route, administrator = members[0].rule.route, self._settings.administrator
        if members[0].mailbox.is_role and administrator and "*" in route.to:
            return (administrator,)
        addresses = route.deliver_to or tuple(map(_mailbox_of, members))
        if reading.site.tags.plus_address:
            mark = _mark(reading.decision, call)
            put = _plus if route.deliver_to else _instead
            addresses = tuple(put(address, mark) for address in addresses)
        if addresses == tuple(member.recipient for member in members):
            return ()
        return tuple(dict.fromkeys(addresses))


def _session_action(actions: Sequence[Action]) -> Action:
    """Refuse or defer only when every recipient's plan says so (decisions.md)."""
    strongest = max(actions, default=Action.REFUSE)
    if strongest in (Action.DEFER, Action.REFUSE) and set(actions) != {strongest}:
        return Action.TAG
    return strongest


_INSTEAD = {Action.REFUSE: Action.QUARANTINE, Action.DEFER: Action.TAG}


def _taken(match: Match) -> Match:
    """What a refusal or deferral becomes for one recipient of a message that is taken."""
    instead = _INSTEAD.get(match.action)
    return match if instead is None else replace(match, action=instead)


def _turn_away(action: Action, message: Message, site: Site) -> Reply:
    if action is Action.DEFER:
        return TRY_LATER
    return Reply.refused(message.arrival.queue_id, f"postmaster@{site.domains[0]}")


def _hold(by_rule: bool, quarantined: bool, decision: Decision, rule: str) -> str:
    if quarantined:
        return "quarantined: " + ", ".join(decision.tags)
    return f"held by {rule}" if by_rule else ""


def _mark(decision: Decision, call: CallPlan) -> str:
    """The one word of a plus-tag, the most pressing first; empty for ordinary mail."""
    if call.wanted:
        return "call"
    if decision.spam != "ham":
        return decision.spam
    if decision.tone in ("irate", "upset"):
        return decision.tone
    return "urgent" if decision.urgent else ""


def _plus(address: str, mark: str) -> str:
    """A quoted local part takes no tag: behind the quotation it would be no address any more."""
    local, _, domain = address.rpartition("@")
    return f"{local}+{mark}@{domain}" if mark and not local.startswith('"') else address


MARKS = frozenset({"call", "spam", "unsure", "irate", "upset", "urgent"})


def _instead(address: str, mark: str) -> str:
    """Our mark in place of the sender's own plus-tag; no sender puts a word of ours there."""
    local, _, domain = address.rpartition("@")
    base, _, tag = local.partition("+")
    if base and base[0] != '"' and (mark or tag.lower() in MARKS):
        return _plus(f"{base}@{domain}", mark)
    return address


def _mailbox_of(match: Match) -> str:
    """The recipient as the client wrote it; an alias becomes the mailbox that it names."""
    same = canonical(match.recipient) == match.mailbox.address
    return match.recipient if same else match.mailbox.address


def _once(group: Group, earlier: Sequence[Group]) -> Group:
    """The customer gets one acknowledgement, however many of our addresses were written to."""
    if group.acknowledgement.send and any(other.acknowledgement.send for other in earlier):
        silent = replace(
            group.acknowledgement, send=False, reason="conversation", reasons=("conversation",)
        )
        return replace(group, acknowledgement=silent)
    return group


def _unroutable(suffix: int, members: Sequence[Match], decision: Decision) -> Group:
    site = members[0].mailbox.site
    return Group(
        suffix=suffix,
        site=site.site,
        rule="",
        recipients=tuple(member.recipient for member in members),
        next_hop=site.next_hop,
        deliver_to=(),
        copy_to=(),
        tags=(),
        action=Action.QUARANTINE,
        decision=replace(decision, action=Action.QUARANTINE),
        call=CallPlan(),
        acknowledgement=Acknowledgement(),
        hold="no longer a recipient here",
    )
