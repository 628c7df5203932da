"""Whether a PostgreSQL store can be used: the driver is here, the server answers and is safe."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from gateway.configuration.yaml_values import Sources
from gateway.problems import Problem
from gateway.settings import Settings
from gateway.store import StoreError, UnreachableError
from gateway.store.opening import MEND, MISSING, is_shared

_STEPS = ("store",)


def server(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    """Ask the server for a moment; a URL is a secret, so nothing of it is told."""
    if not is_shared(settings) or not sources.sound(_STEPS):
        return
    try:
        from gateway.store import postgres_probe
    except ImportError:
        yield sources.problem(_STEPS, MISSING, MEND)
        return
    try:
        remarks = postgres_probe.look(settings.store.get_secret_value())
    except UnreachableError as error:
        mend = "start it or mend the address; until then mail is answered 451 or not taken"
        yield sources.problem(_STEPS, str(error), mend, warning=True)
    except StoreError as error:
        mend = "mend user, password or database: psql with the same URL must get in"
        yield sources.problem(_STEPS, str(error), mend)
    else:
        for remark in remarks:
            yield sources.problem(_STEPS, remark.what, remark.mend, warning=not remark.wrong)
