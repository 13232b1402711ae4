"""Stand-ins, by the same names, for what evaluators written for OpenEvolve and ShinkaEvolve import from these packages.

They are not imported here but shipped as text and put on ``sys.path`` inside the jail (see `evolve.foreign.harness`), so they
need the standard library alone. Only what an evaluator uses is there: the contracts are those of the two projects' documentation.
"""
