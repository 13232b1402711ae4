"""What `builtin/mutate` knows of machine learning. Its moves fire only on files whose code shows the types.

moves.py        which moves a file's code allows, and how often each is tried
arrays.py       which expressions hold arrays, of what shape;  their parts: calls documented shapes
grammar.py      unary and binary primitives on arrays, reductions, other entries of a mapping;  primitives.py  their source
values.py       what is known of a value, and what operators make of it
constants.py    which constants are no numbers to be tuned: axes, a convolution's geometry, rates
losses.py       terms, weights and bounds of losses of logits and targets
layers.py       the layers of torch that a file builds, and what follows what
morphisms.py    layers inserted, deleted, exchanged, repeated;  skips.py  connections around them;  widths.py  widened, deepened
edits.py        changes that may need an import

Programs are trained from scratch in every evaluation, so that scores can be repeated: a network morphism changes the
architecture only, and no weights are inherited.
"""
