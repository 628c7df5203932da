"""The object of `explain` as lines for a person: who, what, why, in ten seconds. Pure.

Every value from the message goes through `show.terminal`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.show import terminal

Found = Mapping[str, Any]


def lines(found: Found) -> Iterator[str]:
    """One message: sender, spam, tone, call, routes, answer, fields, times."""
    message = found["message"]
    author = message["from"]
    yield f"{terminal(message['subject']) or '(no subject)'}"
    yield f"  from {terminal(author['name'])} <{terminal(author['address'])}>"
    for defect in message["defects"]:
        yield f"  defect: {terminal(defect)}"
    yield from _sender(found["authentication"], author["address"])
    yield from _words(found)
    yield from _call(found["call"])
    yield from _routes(found)
    yield from _answer(found["acknowledgement"])
    yield "fields"
    for name, value in found["headers"]:
        yield f"  {name}: {terminal(value, limit=400)}"
    times = ", ".join(f"{name} {value:.1f}" for name, value in found["timings_ms"].items())
    yield f"milliseconds: {times}"


def _sender(checks: Found, address: str) -> Iterator[str]:
    domain = terminal(address.rpartition("@")[2]) or "(no domain)"
    if checks["aligned"]:
        yield f"sender: PROVEN to be of {domain}"
    else:
        yield f"sender: NOT PROVEN to be of {domain}"
    for name in ("spf", "dmarc", "arc"):
        yield _check(name, checks[name])
    for signature in checks["dkim"]:
        yield _check("dkim", signature)
    if not checks["dkim"]:
        yield "  dkim   none: not signed"


def _check(name: str, check: Found) -> str:
    domain = f" for {terminal(str(check['domain']))}" if check.get("domain") else ""
    policy = f", policy {check['policy']}" if check.get("policy") else ""
    reason = f": {terminal(str(check['reason']))}" if check.get("reason") else ""
    return f"  {name:<6} {check['result']}{domain}{policy}{reason}"


def _words(found: Found) -> Iterator[str]:
    spam, tone = found["spam"], found["tone"]
    yield f"spam: {spam['verdict']} ({spam['score']:.3f}){_because(spam['reasons'])}"
    urgent = ", urgent" if tone["urgent"] else ""
    yield f"tone: {tone['label']} ({tone['score']:.2f}){urgent}{_because(tone['reasons'])}"
    shares = ", ".join(f"{name} {value:.2f}" for name, value in tone["probabilities"].items())
    yield f"  {shares}; urgency {tone['urgency']:.2f}"


def _because(reasons: list[str]) -> str:
    shown = ", ".join(terminal(str(reason)) for reason in reasons[:8])
    return f" because of: {shown}" if shown else ""


def _call(call: Found) -> Iterator[str]:
    wanted = f"WANTED, due {call['due']}" if call["wanted"] else "not wanted"
    yield f"call: {wanted} ({terminal(call['reason'])}); the customer: {call['asked']}"
    phone = terminal(str(call["phone"])) if call["phone"] else "none found"
    orders = ", ".join(map(terminal, call["orders"])) or "none found"
    yield f"  phone {phone}; orders {orders}"
    for number, question in enumerate(call["questions"], 1):
        yield f"  question {number}: {terminal(question)}"


def _routes(found: Found) -> Iterator[str]:
    yield f"action: {found['action']}"
    for route in found["routes"]:
        recipient = terminal(route["recipient"])
        if route["site"] is None:
            yield f"  {recipient}: refused at RCPT with {terminal(route['reply'])}"
            continue
        to = ", ".join(map(terminal, route["deliver_to"]))
        tags = f"; tags {', '.join(route['tags'])}" if route["tags"] else ""
        yield (
            f"  {recipient}: site {route['site']}, {terminal(route['rule'])} -> {route['action']},"
            f" next hop {route['next_hop']}, to {to}{tags}"
        )


def _answer(answer: Found) -> Iterator[str]:
    if answer["send"]:
        promise = f", promising {answer['promise']}" if answer["promise"] else ", no time promised"
        yield f"acknowledgement: yes, {answer['template']} in {answer['language']}{promise}"
    else:
        others = ", ".join(answer["reasons"][1:])
        yield f"acknowledgement: no, {answer['reason']}" + (f" (also {others})" if others else "")
