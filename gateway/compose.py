"""From a plan to the letters that are kept: the agents' own, copies, answers, call cards.

Words are chosen before anything is stamped, so that `X-Gateway-Acknowledged` says what really
goes out: a letter for which no template works is told as silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from gateway.acknowledgement import octets
from gateway.acknowledgement.decision import AUTOMATIC, FORM
from gateway.acknowledgement.message_ids import MessageIds
from gateway.acknowledgement.names import plain_name
from gateway.acknowledgement.render import Templates, Text
from gateway.acknowledgement.target import declared_form
from gateway.acknowledgement.words import Words, name_of
from gateway.calendar import WorkingHours
from gateway.call import card, cards
from gateway.facts import find
from gateway.identity.signing import Signer
from gateway.message import Message, contact_key
from gateway.plan import (
    Acknowledgement,
    Call,
    Claim,
    Group,
    History,
    Letter,
    Memory,
    Plan,
    acknowledgement_id,
    call_id,
    card_id,
)
from gateway.routing.recipients import canonical
from gateway.settings import FormSender, Settings, Site
from gateway.stamp import Stamper
from gateway.text import read
from gateway.verdict import Verdicts


@dataclass(frozen=True, slots=True)
class Draft:
    """The acknowledgement of one group, and without the time if it promises one."""

    text: Text
    late: Text | None


class Composer:
    """Everything of ours that a message brings about."""

    def __init__(
        self,
        *,
        settings: Settings,
        stamper: Stamper,
        templates: Templates,
        ids: MessageIds,
        signers: Mapping[str, Signer],
    ) -> None:
        """`signers` by site; a site without one sends its mail unsigned."""
        self._settings = settings
        self._stamper = stamper
        self._templates = templates
        self._ids = ids
        self._signers = signers
        self._sites = {site.site: site for site in settings.sites}
        self._hours = {site.site: WorkingHours(site.calendar) for site in settings.sites}

    def compose(
        self, message: Message, verdicts: Verdicts, plan: Plan, history: History
    ) -> tuple[Sequence[Letter], Plan]:
        """The letters to keep, and the plan as it was really carried out."""
        plan, drafts = self.word(message, plan)
        groups = plan.groups
        remember = tuple(self._memories(message, verdicts, groups, history))
        calls = {memory.site: memory.call.id for memory in remember if memory.call}
        letters = [
            self._stamper.letter(
                message, verdicts, group, seen_by(group, history), call=calls.get(group.site, "")
            )
            for group in groups
        ]
        letters += self._copies(letters, groups)
        for group in groups:
            if group.suffix in drafts:
                letters.append(self._acknowledgement(message, group, drafts[group.suffix]))
        for memory in remember:
            group = next(group for group in groups if group.site == memory.site)
            card_ = self._card(message, memory, seen_by(group, history))
            if card_:
                letters.append(card_)
        return letters, replace(plan, remember=remember)

    # --- acknowledgement ---

    def word(self, message: Message, plan: Plan) -> tuple[Plan, Mapping[int, Draft]]:
        """Choose the words of every acknowledgement; the drafts are by the group's suffix."""
        drafts: dict[int, Draft] = {}
        if not any(group.acknowledgement.send for group in plan.groups):
            return plan, drafts
        groups = []
        for group in plan.groups:
            worded, draft = self._word(message, group)
            groups.append(worded)
            if draft:
                drafts[group.suffix] = draft
        return replace(plan, groups=tuple(groups)), drafts

    def _word(self, message: Message, group: Group) -> tuple[Group, Draft | None]:
        """Choose the words; without any the group is silent and says so."""
        found = group.acknowledgement
        if not found.send:
            return group, None
        site, hours = self._sites[group.site], self._hours[group.site]
        now = message.arrival.time
        language = read(message).language
        is_open = hours.is_open(now)
        words = Words(
            site=site,
            calendar=hours,
            recipient=canonical(group.recipients[0]),
            customer_name="" if found.template == FORM else greeting(message, group),
            promise=found.promise,
            opens=None if is_open else hours.next_opening(now),
            reference=message.arrival.queue_id,
            call=_call_word(group),
        )
        tone = group.decision.tone

        def write(words: Words) -> Text | None:
            return self._templates.write(
                site, found.template, words, tone=tone, is_open=is_open, language=language
            )

        text = write(words)
        late = write(replace(words, promise=None)) if words.promise else None
        if text is None:
            silent = Acknowledgement(reason="policy", reasons=("policy",))
            return replace(group, acknowledgement=silent), None
        told = replace(found, template=text.template, language=text.language or language)
        return replace(group, acknowledgement=told), Draft(text, late)

    def _acknowledgement(self, message: Message, group: Group, draft: Draft) -> Letter:
        site, to = self._sites[group.site], group.acknowledgement.to
        id_ = acknowledgement_id(message.arrival.queue_id, group)
        sender = site.address or canonical(group.recipients[0])

        def octets_of(text: Text) -> bytes:
            return self._signed(
                site,
                octets.compose(
                    sender=(name_of(site), sender),
                    to=to,
                    subject=text.subject,
                    body=text.body,
                    message_id=self._ids.make(message.arrival.queue_id, "ack"),
                    at=message.arrival.time,
                    in_reply_to=message.message_id,
                    references=message.references or message.in_reply_to,
                ),
                message,
            )

        return Letter(
            id=id_,
            kind="acknowledgement",
            site=site.site,
            next_hop=self._settings.outbound_hop(site),
            reverse_path="",  # RFC 3834, 3.3: so that no answer answers it
            recipients=(to,),
            own=octets_of(draft.text),
            late=octets_of(draft.late) if draft.late else None,
            waits_for=f"{message.arrival.queue_id}.{group.suffix}",
            delay=self._settings.acknowledgements.delay,
            smtputf8=octets.needs_smtputf8(to) or octets.needs_smtputf8(sender),
        )

    def _signed(self, site: Site, content: bytes, message: Message) -> bytes:
        signer = self._signers.get(site.site)
        return signer.sign(content, message.arrival.time) + content if signer else content

    # --- copies, memories, cards ---

    def _copies(self, letters: Sequence[Letter], groups: Sequence[Group]) -> list[Letter]:
        """Letters of their own, so that a copy that fails never counts against the customer's."""
        return [
            replace(
                letter,
                id=f"{letter.id}.copy",
                recipients=tuple(dict.fromkeys(group.copy_to)),
                origin=(),
                answerable=False,
            )
            for letter, group in zip(letters, groups, strict=True)
            if group.copy_to
        ]

    def _memories(
        self, message: Message, verdicts: Verdicts, groups: Sequence[Group], history: History
    ) -> list[Memory]:
        """One for each site."""
        by_site: dict[str, list[Group]] = {}
        for group in groups:
            by_site.setdefault(group.site, []).append(group)
        return [self._memory(message, verdicts, each, history) for each in by_site.values()]

    def _memory(
        self, message: Message, verdicts: Verdicts, groups: Sequence[Group], history: History
    ) -> Memory:
        """Of one site's groups one may want the call and another be the one that answers."""
        group = next((group for group in groups if group.call.wanted), groups[0])
        answering = next((group for group in groups if group.acknowledgement.send), None)
        form = declared_form(message, verdicts, self._sites[group.site])
        contact = contact_of(message, form=group.form)
        conversation = history.conversation or message.message_id or message.arrival.queue_id
        # An out-of-office or a bounce changes no count.
        automatic = AUTOMATIC & set(group.acknowledgement.reasons)
        counts = not automatic and history.counts(group.decision)
        return Memory(
            site=group.site,
            contact=contact,
            proven=group.decision.aligned and not group.form,
            message_id=message.message_id,
            conversation=conversation,
            counts=counts,
            tone=group.decision.tone,
            irate=group.decision.irate,
            phone=group.call.phone if counts else None,
            call=self._call(message, verdicts, group) if group.call.wanted else None,
            claim=self._claim(message, answering, conversation, form) if answering else None,
        )

    def _claim(
        self, message: Message, group: Group, conversation: str, form: FormSender | None
    ) -> Claim:
        """Under the address that is written to: a form writes for many people."""
        contact = contact_key(group.acknowledgement.to)
        return Claim(
            site=group.site,
            contact=contact,
            conversation=conversation,
            large_provider=contact.rpartition("@")[2]
            in self._settings.acknowledgements.large_providers,
            form=form.address.lower() if form else "",
            letter_id=acknowledgement_id(message.arrival.queue_id, group),
        )

    def _call(self, message: Message, verdicts: Verdicts, group: Group) -> Call:
        """Behind a form nobody is proven: whoever fills it in may name anybody."""
        call, tone = group.call, verdicts.get("tone")
        return Call(
            id=call_id(message.arrival.queue_id, group),
            site=group.site,
            queue_id=message.arrival.queue_id,
            contact=contact_of(message, form=group.form),
            name=find(message).name_behind_form if group.form else customer_name(message),
            phone=call.phone,
            extension=call.extension,
            orders=call.orders,
            questions=call.questions,
            phrases=tuple(tone.reasons()) if tone else (),
            reason=call.reason,
            due=call.due,
            opened=message.arrival.time,
            proven=group.decision.aligned and not group.form,
            over_budget=call.over_budget,
            updates=call.updates,
            budget=cards(self._sites[group.site]),
        )

    def _card(self, message: Message, memory: Memory, history: History) -> Letter | None:
        """The call card for the agents on duty: over the site's own next hop, to their mailbox.

        The budget counts calls, so whoever cannot be told from a forger gets one card a call. A
        copy says nothing new of an open call; without one it went to another of our sites before.
        """
        site, call = self._sites[memory.site], memory.call
        if call is None or call.over_budget or not site.calls.notify:
            return None
        if call.updates and (history.copy or not call.proven):
            return None
        content = card.compose(
            message, call, history, site=site, hours=self._hours[site.site],
            message_id=self._ids.make(call.id, "card"),
        )  # fmt: skip
        return Letter(
            id=card_id(call.id),
            kind="card",
            site=site.site,
            next_hop=site.next_hop,
            reverse_path="",
            recipients=site.calls.notify,
            own=self._signed(site, content, message),
        )


def seen_by(group: Group, history: History) -> History:
    """What is known of whoever wrote: behind a form that is not its author."""
    return history.behind_form() if group.form else history


def contact_of(message: Message, *, form: bool = False) -> str:
    """Under whom a letter is remembered: its one author, else its reverse-path.

    A form writes for many: each of its customers is somebody else, with a call of her own.
    """
    customer = message.reply_to[0] if form and len(message.reply_to) == 1 else None
    author = customer or message.author
    return author.contact if author else contact_key(message.arrival.envelope.reverse_path)


def _call_word(group: Group) -> Literal["", "refused", "number"]:
    """For the words of an acknowledgement: who forbids calls is not offered one."""
    if group.call.asked == "refused":
        return "refused"
    return "number" if group.call.phone else ""


def greeting(message: Message, group: Group) -> str:
    """The name to greet by: a proven author's only, and only if it is she who is written to."""
    author = message.author
    hers = author is not None and author.contact == contact_key(group.acknowledgement.to)
    return customer_name(message) if hers and group.decision.aligned else ""


def customer_name(message: Message) -> str:
    """The author's display name, if it is plainly a name."""
    return plain_name(message.author.name) if message.author else ""
