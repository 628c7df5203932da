"""Open the store that the settings name."""

from __future__ import annotations

from pathlib import Path

from gateway.settings import Settings
from gateway.store import Store
from gateway.store.sqlite import SqliteStore


def store_path(settings: Settings) -> Path:
    """The file of `sqlite:///absolute/path.db`; the configuration makes every path absolute."""
    return Path(settings.store.get_secret_value().removeprefix("sqlite://"))


async def open_store(settings: Settings) -> Store:
    """Raises StoreError when it cannot be had."""
    path = store_path(settings)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)  # customers' addresses and letters: nobody else's business
    return await SqliteStore.open(
        path,
        limits=settings.acknowledgements,
        call_budget_periods={site.site: site.calls.budget.period for site in settings.sites},
        sites={domain: site.site for site in settings.sites for domain in site.domains},
    )
