"""What a node tells of itself: the digests of the models by which it judges."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.node import describe
from gateway.settings import Settings

SHOP = {"site": "shop", "domains": ["shop.example"], "next_hop": "mailbox", "routes": [{}]}


@pytest.mark.parametrize(
    ("options", "models"),
    [
        ({}, {"tone"}),
        ({"second_look": False}, {"tone"}),
        ({"second_look": True}, {"tone", "second look"}),
        ({"second_look": "./nowhere"}, {"tone"}),
    ],
)
def test_models_that_nodes_may_differ_in(options: dict[str, Any], models: set[str]) -> None:
    settings = Settings.model_validate(
        {
            "hostname": "mx.gateway.example",
            "listen": [{"protocol": "smtp", "address": "127.0.0.1:0"}],
            "store": "sqlite:///x.db",
            "filters": [{"use": "spf"}, {"use": "tone", **options}],
            "next_hops": {"mailbox": {"address": "lmtp://127.0.0.1:24"}},
            "sites": [SHOP],
        }
    )
    node = describe(settings, "", datetime(2026, 11, 24, tzinfo=UTC))
    assert set(node.models) == models
