"""What the bandit learns in whole runs: which model is better, and that a free one does not win by being free."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from evolve.api import Search
from evolve.archive import Archive
from evolve.replay import replay
from evolve.task import load
from evolve.testing import ScriptedServer, Staircase
from tests.ensemble.conftest import Launch, model


def pulls(db: Path, run: str) -> list[str]:
    with Archive(db, create=False) as archive:
        return [ask.arm for ask in archive.asks(run)]


def test_the_better_of_two_models_gets_most_pulls_in_nine_of_ten_seeds(stairs: Path, tmp_path: Path) -> None:
    shares = []
    for seed in range(10):
        models = {"good": Staircase.model(0.5, seed=seed), "poor": Staircase.model(0.1, seed=seed)}
        with ScriptedServer(models) as server:
            settings = {"arms": {}, "models": {name: model(server.url, name) for name in models}}
            place = {"db": tmp_path / "a.db"}
            with Search(stairs, **place, settings=settings, seed=seed, executor="inline", evaluations=60) as search:
                while not search.spent():
                    search.tell(search.work(search.ask()))  # one at a time: no thread's luck is in it
        shares.append(pulls(tmp_path / "a.db", search.name)[30:60].count("good") / 30)
    assert sum(share >= 0.6 for share in shares) >= 9, shares


@pytest.mark.parametrize("seed", range(3))
def test_a_free_model_of_no_use_does_not_starve_a_good_one_that_costs(
    launch: Launch, tmp_path: Path, seed: int
) -> None:
    models = {"free": Staircase.model(0.0, seed=seed), "good": Staircase.model(0.5, seed=seed)}
    with ScriptedServer(models) as server:
        settings = {"free": model(server.url, "free", price_input=0, price_output=0), "good": model(server.url, "good")}
        done = launch(settings, seed=seed, evaluations=80, usd=0.5, workers=2)
    made = Counter(pulls(tmp_path / "a.db", done.name))
    assert made["good"] > made["free"], made


def test_a_run_begins_with_what_earlier_runs_learnt_if_it_is_told_to(launch: Launch, tmp_path: Path) -> None:
    models = {"good": Staircase.model(0.6), "poor": Staircase.model(0.0)}
    with ScriptedServer(models) as server:
        settings = {name: model(server.url, name) for name in models}
        launch(settings, evaluations=60, workers=1)
        made = {}
        for worth in (0, 60):
            done = launch(settings, evaluations=12, workers=1, seed=3, settings={"bandit": {"priors": worth}})
            arms = pulls(tmp_path / "a.db", done.name)
            made[worth] = arms.count("good") / len(arms)
            with Archive(tmp_path / "a.db", create=False) as archive:
                assert replay(archive, done.name, load(tmp_path / "stairs")).differences == ()
    assert made[60] > made[0], made
