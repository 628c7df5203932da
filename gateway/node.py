"""What a serving process tells those who share its store: who it is and what it runs."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import gateway
from gateway.settings import Settings
from gateway.shipped import named
from gateway.store import Node

LENGTH = 12
"""Signs of a digest: enough to see whether two nodes run the same."""


def describe(settings: Settings, configuration: str, started: datetime) -> Node:
    """`configuration` is the digest of its files, as `files_digest` makes it."""
    return Node(
        host=platform.node() or settings.hostname,
        pid=os.getpid(),
        version=gateway.__version__,
        configuration=configuration,
        models=_models(settings),
        started=started,
    )


def files_digest(files: Iterable[Path]) -> str:
    """Of the YAML files in their order; certificates, keys and secrets may differ between nodes."""
    found = hashlib.sha256()
    for path in files:
        if path.suffix in (".yaml", ".yml"):
            found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:LENGTH]


def _models(settings: Settings) -> dict[str, str]:
    """By filter: the digest of its model's sidecar, which holds that of the weights."""
    found = {}
    for use in settings.filters:
        again = use.options.get("second_look", False)
        models = {use.use: use.options.get("model", use.use)}
        if again:
            models["second look"] = "second_look" if again is True else again
        for name, model in models.items():
            try:
                octets = (named("models", str(model)) / "model.json").read_bytes()
            except OSError:
                continue  # a filter without a model
            found[name] = hashlib.sha256(octets).hexdigest()[:LENGTH]
    return found
