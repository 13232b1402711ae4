"""Hypothesis strategies for the nouns."""

from __future__ import annotations

from hypothesis import strategies as st

from evolve.records import Artifact, Draft, Evaluation, Repeat, Status

texts = st.text(st.characters(codec="utf-8"), max_size=60)
"""Text as files hold it: any character but lone surrogates."""

dirty = st.text(max_size=40)
"""Text as a program may print it: lone surrogates and control characters too."""

paths = st.from_regex(r"[a-z]{1,6}(/[a-z]{1,6})?\.py", fullmatch=True)
sources = st.dictionaries(paths, texts, min_size=1, max_size=3)
numbers = st.floats(allow_nan=False, allow_infinity=False)
metrics = st.dictionaries(dirty.filter(lambda name: name.isprintable()), st.floats(allow_nan=False), max_size=4)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | numbers | dirty,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(dirty, inner, max_size=3),
    max_leaves=6,
)
traits = st.dictionaries(dirty, json_values, max_size=3)
drafts = st.builds(Draft, sources, texts, traits)
artifacts = st.lists(
    st.builds(Artifact, st.text("abc", min_size=1), st.just("text/plain"), st.binary(max_size=50)),
    max_size=3,
    unique_by=lambda artifact: artifact.name,
).map(tuple)


repeats = st.lists(st.builds(Repeat, st.integers(0, 2**53), numbers, st.floats(0, 1e6)), max_size=3).map(tuple)


@st.composite
def evaluations(draw: st.DrawFn) -> Evaluation:
    """Return evaluations of any status, with a score if and only if they are ``ok``."""
    statuses: list[Status] = ["ok", "invalid", "crash", "timeout", "memory", "gpu_memory", "protocol"]
    status = draw(st.sampled_from(statuses))
    positive = st.floats(0, 1e6)
    return Evaluation(
        status=status,
        score=draw(numbers) if status == "ok" else None,
        metrics=draw(metrics),
        feedback=draw(texts),
        artifacts=draw(artifacts),
        error=draw(texts),
        output=draw(texts),
        log=draw(texts),
        seconds=draw(positive),
        cpu_seconds=draw(st.none() | positive),
        memory=draw(st.none() | st.integers(0, 2**40)),
        isolation=draw(st.sampled_from(["namespaces", "landlock", "rlimits", "none"])),
        isolation_reason=draw(texts),
        integrity=draw(st.sampled_from(["isolated", "best-effort", "same-process"])),
        stage=draw(st.sampled_from(["screen", "evaluate"])),
        screen=draw(st.none() | numbers),
        repeats=draw(repeats),
        fresh=draw(st.sampled_from([None, "fork", "process"])),
        cached=draw(st.booleans()),
        gpus=draw(st.lists(st.text("ab-", min_size=1), max_size=2).map(tuple)),
    )
