"""What briefs say of sizes and limits is what the judges hold to, in every variant: a model that is told otherwise is misled."""

from __future__ import annotations

import pytest

from evolve.records import Task
from evolve.task import library, load

pytest.importorskip("torch")

from evolve.kit import graph


def every() -> list[Task]:
    """Return the library's tasks with all their variants."""
    bases = [load(root) for root in library().values()]
    return [*bases, *(load(f"{base.root}@{name}") for base in bases for name in base.variants)]


def test_briefs_tell_what_a_graph_may_bring_along() -> None:
    traced = [task for task in every() if task.harness and "trace" in task.harness]
    assert len(traced) >= 10
    for task in traced:
        brief = " ".join(task.brief.split())
        assert f"{graph.NUMBERS} numbers" in brief, task.name
        assert f"{graph.BYTES} bytes" in brief, task.name


@pytest.mark.parametrize("variant", ["", "@route", "@gpu"])
def test_sizes_of_the_mixture_of_experts(variant: str) -> None:
    task = load(f"losses/moe_balance{variant}")
    brief, said = " ".join(task.brief.split()), task.settings
    for words in (
        f"{said['layers']} layers, each with {said['experts']} experts",
        f"({64 * said['sequences']} tokens x {said['experts']} experts, float32)",
        f"`state` ({said['experts']} numbers, float32)",
        f"{said['experts'] // 2} experts",
    ):
        assert words in brief, words
    assert f"{said['steps']} steps" in brief or variant == "@route"


@pytest.mark.parametrize("variant", ["", "@gpu"])
def test_sizes_of_the_training_on_wrong_labels(variant: str) -> None:
    task = load(f"losses/robust{variant}")
    brief, said = " ".join(task.brief.split()), task.settings
    samples = said["samples"][said["data"]]
    for words in (
        f"on {samples:,} " if samples > 9999 else f"on {samples} ",
        f"first of {said['epochs']} epochs",
        f"batches of {said['batch']}",
        f"{said['epochs'] * samples // said['batch']:,} steps",
    ):
        assert words in brief, words
