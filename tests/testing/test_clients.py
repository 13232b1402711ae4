"""The conformance suite, on the package's own client of OpenAI-compatible endpoints."""

from __future__ import annotations

import pytest

from evolve.client import make
from evolve.config import ModelConfig
from evolve.seams import Client
from evolve.testing import ClientConformance

KEY = "sk-canary-6f1d27c0"


class TestCompatible(ClientConformance):
    key = KEY

    @pytest.fixture(autouse=True)
    def _key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CANARY_KEY", KEY)

    def client(self, url: str) -> Client:
        return make(f"openai/scripted@{url}", ModelConfig(max_tokens=1000, timeout=self.timeout, key="CANARY_KEY"))
