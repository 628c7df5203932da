"""Open the store that the settings name."""

from __future__ import annotations

import os
import pwd
from datetime import timedelta
from pathlib import Path

from gateway.settings import Settings
from gateway.store import Store, StoreError, UnreachableError
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


def lacking(path: Path) -> tuple[str, str] | None:
    """Why this process may not write a file or folder, or the place for it, and the mend."""
    there = next((place for place in (path, *path.parents) if place.exists()), Path("/"))
    if os.access(there, os.W_OK):
        return None
    if os.statvfs(there).f_flag & os.ST_RDONLY:
        return "it is mounted read-only", "mount it for writing, or name another place"
    owner = _name_of(there.stat().st_uid)
    return (
        f"this user may not write it, for it belongs to {owner}",
        f"run as {owner} (sudo -u {owner} …), or chown it to the user that runs the gateway",
    )


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _worded(path: Path, error: Exception) -> StoreError:
    """For an administrator: what is wrong with the place, else what the system said."""
    for place in (path, path.parent):
        found = lacking(place)
        if found:
            return StoreError(f"{place}: {found[0]}; {found[1]}")
    detail = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return StoreError(f"{path}: {detail.lower()}")


async def open_store(settings: Settings) -> Store:
    """Raises StoreError when it cannot be had, UnreachableError when later it may."""
    path = state_folder(settings) if is_shared(settings) else store_path(settings)
    try:
        return await _open(settings)
    except UnreachableError:
        raise
    except (OSError, StoreError) as error:
        if is_shared(settings) and isinstance(error, StoreError):
            raise
        raise _worded(path, error) from error


async def _open(settings: Settings) -> Store:
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
    if not path.exists():  # to open and close it would end the locks of who has it open already
        path.touch(mode=0o600)  # customers' addresses and letters: nobody else's business
    return await SqliteStore.open(
        path, limits=settings.acknowledgements, call_budget_periods=periods, sites=sites
    )
