"""The normal form: what makes a program another one, and what does not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve import normal
from evolve.normal import digest, normal_form, shingles, similarity

PROGRAM = '''\
import math
SCALE = 2.0

def outer(first, *rest, key=1, **more):
    """Say something."""
    {a} = [{b} * 3 for {b} in rest if {b} > {c0}]
    def inner({c}):
        nonlocal {a}
        {a} = {a} + [{c}]
        return lambda {d}: {d} + {c} + SCALE
    for {b}, {d} in zip({a}, rest):
        with open("x") as {e}:
            {a}.append(({e}, {b}, {d}))
    try:
        inner(first)
    except ValueError as {e}:
        print({e}, math.pi, key=key)
    if ({d} := len({a})) > 2:
        return {{{b}: {d} for {b} in {a}}}
    return {a}
'''
NAMES = st.lists(st.sampled_from("pqrstuvwxyz"), min_size=5, max_size=5, unique=True)


def written(names: list[str], constant: object = 0) -> str:
    return PROGRAM.format(**dict(zip("abcde", names, strict=True)), c0=constant)


def same(a: str, b: str) -> bool:
    return digest({"p.py": a}, "python") == digest({"p.py": b}, "python")


@given(NAMES, NAMES)
def test_renamed_locals_are_the_same_program(one: list[str], other: list[str]) -> None:
    assert same(written(one), written(other))


@given(NAMES, st.integers(0, 10**6), st.integers(0, 10**6))
def test_constants_make_another_program(names: list[str], one: int, other: int) -> None:
    assert same(written(names, one), written(names, other)) == (one == other)
    assert not same(written(names, one), written(names, float(one)))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("x=1 # c\n\n", "x = (1)\n"),
        ('"""Doc."""\nx = 1', "x = 1"),
        ("def f():\n  'd'\n  return 0x10", "def f():\n\n    return 16"),
        ("def f():\n    import numpy as np\n    return np.pi", "def f():\n    import numpy as n\n    return n.pi"),
        ("s = sorted(q, key=lambda a: a[0])", "s = sorted(q, key=lambda b: b[0])"),
        ("def f(x):\n match x:\n  case [a, *b]: return a, b", "def f(x):\n match x:\n  case [b, *a]: return b, a"),
        ("def f(x, /, *a): return x, a", "def f(y, /, *b): return y, b"),
        (
            "def f(n):\n v = [i for i in [j for j in n]]\n return v",
            "def f(n):\n w = [j for j in [i for i in n]]\n return w",
        ),
    ],
)
def test_the_same(a: str, b: str) -> None:
    assert same(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("def f(x): return x", "def f(y): return y"),  # callers may say f(x=1)
        ("def f(): return 1", "def g(): return 1"),
        ("x = 1", "y = 1"),
        ("class A:\n    x = 1", "class A:\n    y = 1"),
        ("def f(q): return q.a", "def f(q): return q.b"),
        ("f(a=1)", "f(b=1)"),
        ("def f():\n    global x\n    x = 1", "def f():\n    global y\n    y = 1"),
        ("def f():\n    x = 1\n    return locals()", "def f():\n    y = 1\n    return locals()"),
        ("def f():\n    x = 1\n    return eval('x')", "def f():\n    y = 1\n    return eval('x')"),
        ("def f():\n    x = 1\n    y = 2\n    return x - y", "def f():\n    x = 1\n    y = 2\n    return y - x"),
        (
            "def f(y):\n    x = 1\n    def g(): x = y\n    return x",
            "def f(y):\n    x = 1\n    def g(): return x == y\n    return x",
        ),
        (
            "def f():\n x = 1\n def g():\n  nonlocal x\n  x = 2\n g()\n return x",
            "def f():\n x = 1\n def g():\n  x = 2\n g()\n return x",
        ),
        ("def f():\n def g(a): return a\n return g(a=1)", "def f():\n def g(b): return b\n return g(a=1)"),
        ("x = 'a b'", "x = 'a  b'"),
        ("x = 1", "x = True"),
        ('"""d"""\nprint(__doc__)', '"""e"""\nprint(__doc__)'),
        ("def f(x):\n    pass", "async def f(x):\n    pass"),
        ("def f(a, b=1): return a", "def f(a, *, b=1): return a"),
        ("def f(a): return a\n", "def f(*, a): return a\n"),
        ("def f(a, b=1, *, c): pass", "def f(a, b, *, c=1): pass"),
    ],
)
def test_different(a: str, b: str) -> None:
    assert not same(a, b)


def test_class_names_are_not_seen_by_methods() -> None:
    text = "def f():\n    {v} = 1\n    class A:\n        x = 2\n        def g(self, d=x): return {v}\n    return A"
    assert same(text.format(v="p"), text.format(v="q"))
    assert same(text.format(v="p"), text.format(v="x"))
    assert not same(text.format(v="p"), text.replace("=x)", "=p)").format(v="p"))


def test_paths_count_and_the_order_of_files_does_not() -> None:
    a, b = "x = 1\n", "y = 2\n"
    assert digest({"a.py": a, "b.py": b}, "python") == digest({"b.py": b, "a.py": a}, "python")
    assert digest({"a.py": a, "b.py": b}, "python") != digest({"a.py": b, "b.py": a}, "python")
    assert digest({"a.py": a}, "python") != digest({"c.py": a}, "python")


def test_what_does_not_parse_and_other_languages_go_by_lines() -> None:
    assert normal_form("def f(:\n\n  x  \n", "python") == "def f(:\n  x"
    assert normal_form("a = 1; // c  \n\n\nb = 2\n", "c") == "a = 1; // c\nb = 2"
    deep = "x = " + "(" * 500 + "1" + ")" * 500
    assert digest({"p.py": deep}, "python") == digest({"p.py": deep + "\n\n"}, "python")
    assert digest({"p.py": "x = 1" + " + 1" * 5000}, "python")
    assert digest({"p.py": "x = '\\d'\0"}, "python")


@settings(max_examples=50)
@given(st.text(max_size=80))
def test_any_text_has_a_digest(text: str) -> None:
    assert len(digest({"p.py": text}, "python")) == len(digest({"p.rs": text}, "rust")) == 64


def test_cost() -> None:
    text = "\n".join(written(list("vwxyz")).replace("outer", f"outer{i}") for i in range(4))
    assert len(text.splitlines()) >= 80
    spent = []
    for _ in range(20):
        start = time.process_time()
        digest({"p.py": text}, "python")
        spent.append(time.process_time() - start)
    assert min(spent) < 0.01


def test_shingles_keep_numbers_and_drop_comments() -> None:
    a, b = {"p.py": "x = f(1.5, y)  # good\n"}, {"p.py": "x = f(1.5,   y)\n# better"}
    assert shingles(a) == shingles(b)
    assert "( 1.5 , y )" in shingles(a)
    assert shingles(a) != shingles({"p.py": "x = f(1.6, y)"})
    assert similarity(shingles(a), shingles(b)) == 1.0
    assert 0 < similarity(shingles(a), shingles({"p.py": "x = f(1.5, y) + z"})) < 1
    assert similarity(shingles(a), shingles({"p.py": "nothing alike"})) == 0.0
    assert similarity(frozenset(), frozenset()) == 1.0
    assert shingles({"p.c": "x = 1; // no\n/* no */ y = 2;"}, 3) == shingles({"p.c": "x = 1; y = 2;"}, 3)


@pytest.mark.parametrize(
    ("path", "commented", "bare"),
    [
        ("p.py", "x = a // b  # no", "x = a // b"),
        ("p.cpp", "#define N 5 // no\n/* no\nno */int x = N;", "#define N 5\nint x = N;"),
        ("p.rs", "#[inline] // no\nfn f() {}", "#[inline]\nfn f() {}"),
        ("p.hs", "f x = x {- no -} -- no", "f x = x"),
        ("p.sql", "SELECT 1 -- no\n/* no */", "SELECT 1"),
        ("p.f90", "x = a / b ! no", "x = a / b"),
        ("p.ml", "let x = 1 (* no *)", "let x = 1"),
        ("p.rb", "x = 1 # no", "x = 1"),
        ("p.unknown", "x = 1 // no", "x = 1"),
    ],
)
def test_shingles_know_the_comments_of_languages(path: str, commented: str, bare: str) -> None:
    assert shingles({path: commented}) == shingles({path: bare}) != shingles({path: ""})


def test_what_only_looks_like_a_comment_counts() -> None:
    for path, one, other in [
        ("p.cpp", "#define N 5", "#define N 6"), ("p.py", "x = a // 5", "x = a // 6"), ("p.sh", "cd /* 1", "cd /* 2"),
        ("p.md", "see http://a.b", "see http://a.c"), ("p.py", "x = '# 1'", "x = '# 2'"),
    ]:  # fmt: skip
        assert shingles({path: one}) != shingles({path: other}), path


def test_why_python_does_not_compile() -> None:
    assert normal.fault("x = 1\n") == ""
    assert normal.fault("x = 1\ny = (\n").startswith("line 2: ")
    assert normal.fault("def f():\n    return " + "1 " * 100).endswith("…`")
    assert normal.fault("x = '\0'")
    assert normal.fault("\ud800")
    assert normal.compiles("x = '\\d'"), "what only warns compiles, and nobody is warned"
