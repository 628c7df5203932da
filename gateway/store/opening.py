"""Open the store that the settings name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from gateway.settings import Settings
from gateway.store import Store, StoreError
from gateway.store.sqlite import SqliteStore

STATE = Path("/var/lib/gateway")
MISSING = "psycopg is not installed"
MEND = "pip install 'customer-mail-gateway[postgres]'"


def is_shared(settings: Settings) -> bool:
    """Whether other machines may share the store: then it is not a file."""
    return settings.store.get_secret_value().startswith(("postgresql://", "postgres://"))


def store_path(settings: Settings) -> Path:
    """The file of `sqlite:///absolute/path.db`; the configuration makes every path absolute."""
    return Path(settings.store.get_secret_value().removeprefix("sqlite://"))


def state_folder(settings: Settings) -> Path:
    """Where this machine keeps what is its own: mail coming in, what is being examined."""
    if settings.state is not None:
        return settings.state
    return STATE if is_shared(settings) else store_path(settings).parent


def exists(settings: Settings) -> bool:
    """Whether there is a store to read from; a shared one is taken to be there."""
    return is_shared(settings) or store_path(settings).exists()


def follow(store: Store, settings: Settings) -> None:
    """A reload: the store's limits, budgets and sites are those of the new settings."""
    store.follow(settings.acknowledgements, _periods(settings), _sites(settings))


def _periods(settings: Settings) -> dict[str, timedelta]:
    return {site.site: site.calls.budget.period for site in settings.sites}


def _sites(settings: Settings) -> dict[str, str]:
    return {domain: site.site for site in settings.sites for domain in site.domains}


async def open_store(settings: Settings) -> Store:
    """Raises StoreError when it cannot be had, UnreachableError when later it may."""
    folder = state_folder(settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    periods, sites = _periods(settings), _sites(settings)
    if is_shared(settings):
        try:
            from gateway.store.postgres import PostgresStore
        except ImportError:
            raise StoreError(f"{MISSING}; {MEND}") from None
        return await PostgresStore.open(
            settings.store.get_secret_value(),
            folder=folder,
            limits=settings.acknowledgements,
            call_budget_periods=periods,
            sites=sites,
        )
    path = store_path(settings)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)  # customers' addresses and letters: nobody else's business
    return await SqliteStore.open(
        path, limits=settings.acknowledgements, call_budget_periods=periods, sites=sites
    )
