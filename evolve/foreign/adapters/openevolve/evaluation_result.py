"""What an evaluator for OpenEvolve returns where metrics alone do not say enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class EvaluationResult:
    """Metrics, and texts or bytes beside them that the next prompt may show."""

    metrics: dict[str, Any]
    artifacts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, metrics: dict[str, Any]) -> EvaluationResult:
        """Return a result of metrics alone."""
        return cls(metrics)

    def to_dict(self) -> Mapping[str, Any]:
        """Return the metrics alone."""
        return self.metrics

    def has_artifacts(self) -> bool:
        """Return whether there is anything beside the metrics."""
        return len(self.artifacts) > 0

    def get_artifact_keys(self) -> list[str]:
        """Return the artifacts' names."""
        return [*self.artifacts]

    def get_artifact_size(self, key: str) -> int:
        """Return one artifact's size in bytes, 0 where there is none."""
        value = self.artifacts.get(key, b"")
        return len(value if isinstance(value, bytes) else str(value).encode())

    def get_total_artifact_size(self) -> int:
        """Return the size of all artifacts in bytes."""
        return sum(map(self.get_artifact_size, self.artifacts))
