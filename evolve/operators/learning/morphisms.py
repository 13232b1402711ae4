"""Moves of `builtin/mutate` on the layers of torch that a file builds.

Network morphisms in the spirit of Net2Net (Chen et al. 2015, arXiv 1511.05641) and DeepArchitect's spaces (Negrinho et
al. 2019, arXiv 1909.13404), at the level of source: of the architecture only, since no weights outlive an evaluation.
"""

from __future__ import annotations

import ast

from evolve.operators.learning.edits import change
from evolve.operators.learning.layers import (
    ACTIVATIONS,
    DROPOUTS,
    NORMS,
    Layer,
    attribute,
    causal,
    keeps_length,
    keeps_shape,
    layers,
    mixes,
    runs,
    touched,
    uses,
    width,
)
from evolve.operators.site import Change, Site
from evolve.operators.syntax import Edit

_RATES = ("0.02", "0.05", "0.1", "0.2")
_USUAL = ACTIVATIONS[:6]


def _wrapped(site: Site, each: Layer, *others: str) -> Edit:
    """Return the edit that puts layers after one: beside it in a run, else around it in a run of their own."""
    text = site.module.text(each.node)
    for run in runs(site):
        if each.node in run:
            stop = site.module.span(each.node)[1]
            at = run.index(each.node)
            lines = at > 0 and run[at - 1].lineno != each.node.lineno
            gap = f",\n{' ' * each.node.col_offset}" if lines else ", "
            return Edit(stop, stop, "".join(gap + other for other in others))
    return Edit(
        *site.module.span(each.node),
        f"{each.prefix}.Sequential({', '.join((text, *others))})",
    )


def _last(site: Site, each: Layer) -> bool:
    """Whether a layer gives what the network returns, which nothing should follow."""
    for run in runs(site):
        if each.node is run[-1]:
            return True
    name = attribute(site, each.node)
    for node in ast.walk(site.module.tree):
        if isinstance(node, ast.Return) and node.value is not None and name is not None:
            match node.value:
                case ast.Call(func=ast.Attribute(attr=attr)) if attr == name:
                    return True
    return False


def _after(site: Site, each: Layer) -> tuple[str, str] | None:
    """Return the kind and width of what stands after a layer."""
    for run in runs(site):
        if each.node in run:
            return width(site, run, run.index(each.node))
    return width(site, [each.node], 0)


def insert(site: Site) -> Change | None:
    """Insert a layer that keeps the shape: an activation, a norm, dropout, a convolution or linear map as wide."""
    found = [each for each in layers(site) if each.name not in ("GRU", "LSTM") and not touched(site, each)]
    found = [each for each in found if not _last(site, each)]
    if not found:
        return None
    each = site.rng.choice(found)
    after = _after(site, each)
    texts = [
        f"{each.prefix}.{site.rng.choice(_USUAL)}()",
        f"{each.prefix}.Dropout({site.rng.choice(_RATES)})",
    ]
    if each.name == "Flatten" or after is None:
        text = texts[1] if each.name == "Flatten" else texts[0]
        return change(site, (_wrapped(site, each, text),), f"inserted {text} after {each.name}")
    texts = [texts[0], *(_mixing(site, each.prefix, *after)), *texts]
    if site.rng.random() < 0.5:
        texts = _mixing(site, each.prefix, *after)
    text = site.rng.choice(texts)
    more = (f"{each.prefix}.{site.rng.choice(_USUAL)}()",) if "Linear(" in text or "Conv" in text else ()
    return change(site, (_wrapped(site, each, text, *more),), f"inserted {text} after {each.name}")


def _mixing(site: Site, nn: str, kind: str, wide: str) -> list[str]:
    """Return norms, and maps as wide, for what a layer gives."""
    if kind == "Linear":
        return [
            f"{nn}.LayerNorm({wide})",
            f"{nn}.RMSNorm({wide})",
            f"{nn}.Linear({wide}, {wide})",
        ]
    rank = kind.removeprefix("Conv")
    narrow = f"{nn}.Conv{rank}({wide}, {wide}, 1)"
    if causal(site):
        return [narrow]
    return [
        f"{nn}.BatchNorm{rank}({wide})",
        f"{nn}.GroupNorm(1, {wide})",
        narrow,
        f"{nn}.Conv{rank}({wide}, {wide}, 3, padding=1)",
        f"{nn}.Conv{rank}({wide}, {wide}, {site.rng.choice(('3, padding=1', '5, padding=2'))}, groups={wide})",
    ]


def delete(site: Site) -> Change | None:
    """Take out a layer that keeps the shape."""
    choices: list[Edit] = []
    for run in runs(site):
        for at, node in enumerate(run):
            if len(run) > 1 and keeps_shape(site, node):
                start, stop = site.module.span(node)
                edit = (
                    Edit(site.module.span(run[at - 1])[1], stop, "")
                    if at
                    else Edit(start, site.module.span(run[1])[0], "")
                )
                choices.append(edit)
    for each in layers(site):
        if attribute(site, each.node) and keeps_shape(site, each.node) and not touched(site, each):
            choices.append(Edit(*site.module.span(each.node), f"{each.prefix}.Identity()"))
    if not choices:
        return None
    edit = site.rng.choice(choices)
    gone = " ".join(site.module.data[edit.start : edit.stop].decode().split())
    return change(site, (edit,), f"took out {gone.strip(', ')[:60]}")


def repeat(site: Site) -> Change | None:
    """Repeat a layer, or two in a row, that keep the shape."""
    choices = []
    for run in runs(site):
        for size in (1, 2, 3):
            parts = [run[i : i + size] for i in range(len(run) - size + 1)]
            choices += [
                part
                for part in parts
                if all(keeps_shape(site, node) for node in part) and any(mixes(site, n) for n in part)
            ]
    if not choices:
        return None
    part = site.rng.choice(choices)
    text = ", ".join(site.module.inline(node) for node in part)
    stop = site.module.span(part[-1])[1]
    return change(site, (Edit(stop, stop, f", {text}"),), f"repeated {text[:80]}")


def swap(site: Site) -> Change | None:
    """Put a layer of the same use in the place of another: activations, norms, a convolution split into depth and point."""
    found = [each for each in layers(site) if each.name in (*ACTIVATIONS, *NORMS) or _splits(site, each)]
    if not found:
        return None
    each = site.rng.choice(found)
    nn, wide = each.prefix, each.out(site)
    if each.name in ACTIVATIONS:
        texts = [f"{nn}.{name}()" for name in ACTIVATIONS if name != each.name]
    elif each.name in ("LayerNorm", "RMSNorm"):
        texts = [f"{nn}.{'RMSNorm' if each.name == 'LayerNorm' else 'LayerNorm'}({wide})"]
    elif each.name in NORMS:
        rank = each.name[-2:] if each.name[-1] == "d" else None
        texts = [f"{nn}.GroupNorm(1, {wide})"] if rank else []
        texts += [
            f"{nn}.{name}{rank}({wide}, affine=True)"
            for name in ("BatchNorm", "InstanceNorm")
            if rank and not each.name.startswith(name)
        ]
    else:
        texts = [_split(site, each)]
    if not texts:
        return None
    text = site.rng.choice(texts)
    return change(
        site,
        (site.module.put(each.node, text),),
        f"{site.module.inline(each.node)[:40]} -> {text[:80]}",
    )


def _splits(site: Site, each: Layer) -> bool:
    size = each.number("kernel_size", 1)
    return (
        each.name.startswith("Conv")
        and size is not None
        and size > 1
        and "groups" not in each.arguments
        and not touched(site, each)
    )


def _split(site: Site, each: Layer) -> str:
    """Return a convolution as one along each channel and one between channels."""
    into, out = each.into(site), each.out(site)
    rest = [
        f"{name}={site.module.inline(each.arguments[name])}"
        for name in ("stride", "padding", "dilation")
        if name in each.arguments
    ]
    parts = ", ".join([into, into, each.text(site, "kernel_size"), *rest, f"groups={into}"])
    conv = f"{each.prefix}.{each.name}"
    return f"{each.prefix}.Sequential({conv}({parts}), {conv}({into}, {out}, 1))"


def kernel(site: Site) -> Change | None:
    """Change a convolution's kernel size or dilation, and its padding so that as many positions stay."""
    found = [each for each in layers(site) if each.name.startswith("Conv") and each.number("kernel_size", 0)]
    found = [each for each in found if "padding" in each.arguments and each.number("padding", 0) is not None]
    if not found or causal(site):
        return None
    each = site.rng.choice(found)
    size, padding = each.number("kernel_size", 0), each.number("padding", 0)
    dilation = each.number("dilation", 1)
    if size is None or padding is None or dilation is None:
        return None
    changes = [("kernel_size", size + 2, padding + dilation)]
    if size > 2 and padding >= dilation:
        changes.append(("kernel_size", size - 2, padding - dilation))
    if size % 2 and keeps_length(site, each):
        changes += [("dilation", new, new * (size - 1) // 2) for new in (1, 2, 3, 4) if new != dilation and size > 1]
    name, value, padded = site.rng.choice(changes)
    edits = [
        _argument(site, each, name, str(value)),
        _argument(site, each, "padding", str(padded)),
    ]
    return change(site, tuple(edit for edit in edits if edit), f"{name} {value}, padding {padded}")


def _argument(site: Site, each: Layer, name: str, text: str) -> Edit:
    """Return the edit that gives an argument a value, by its name where it was not given."""
    node = each.arguments.get(name)
    if node is not None:
        return site.module.put(node, text)
    stop = site.module.span(each.node)[1] - 1
    return Edit(stop, stop, f", {name}={text}")


def group(site: Site) -> Change | None:
    """Split a convolution as wide as what it is given into one for each channel, or make one whole again."""
    found = [each for each in layers(site) if each.name.startswith("Conv") and each.into(site) == each.out(site) != ""]
    if not found:
        return None
    each = site.rng.choice(found)
    text = "1" if "groups" in each.arguments else each.into(site)
    return change(
        site,
        (_argument(site, each, "groups", text),),
        f"groups={text} in {site.module.inline(each.node)[:60]}",
    )


def activate(site: Site) -> Change | None:
    """Put what a layer gives, where it is called, through an activation, or add what it was given."""
    choices: list[tuple[ast.Call, bool]] = []
    for each in layers(site):
        name = attribute(site, each.node)
        if name is not None and each.name not in (*DROPOUTS, "GRU", "LSTM") and not _last(site, each):
            choices += [
                (
                    call,
                    keeps_shape(site, each.node) and each.name not in (*ACTIVATIONS, *NORMS),
                )
                for call in uses(site, name)
            ]
    functional = site.arrays.prefix("functional")
    if not choices or functional is None:
        return None
    call, same = site.rng.choice(choices)
    text, inner = site.module.inline(call), site.module.operand(call.args[0])
    if same and site.rng.random() < 0.5:
        new = f"{inner} + {text}"
    else:
        new = f"{functional}.{site.rng.choice(('relu', 'gelu', 'silu', 'mish', 'hardswish', 'elu'))}({text})"
    return change(site, (site.module.put(call, new),), f"{text[:40]} -> {new[:80]}")
