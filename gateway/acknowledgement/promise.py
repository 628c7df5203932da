"""By when a person answers: never tighter than the site's calendar. Pure."""

from __future__ import annotations

from datetime import datetime

from gateway.calendar import WorkingHours
from gateway.settings import Route, Site, WorkingTime


def promise(site: Site, route: Route, now: datetime, hours: WorkingHours) -> datetime | None:
    """The time an acknowledgement may state, in UTC; None when the route promises nothing.

    A plain duration runs from the next opening; one that ends while the site is closed is
    promised for the closing time of the next open day.
    """
    span = route.answer_within
    if span is None:
        return None
    if isinstance(span, WorkingTime):
        return hours.add(now, span)
    end = hours.next_opening(now) + span
    return end if hours.is_open(end) else hours.closing(end)
