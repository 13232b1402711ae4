"""The seed program: honest and weak. Only what stands between the marks may change."""


# EVOLVE-BLOCK-START
def predict(xs):
    """Return a prediction for each x."""
    return [0.5 * x + 0.0 for x in xs]


# EVOLVE-BLOCK-END
