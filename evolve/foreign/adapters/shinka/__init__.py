"""What an evaluator for ShinkaEvolve imports from ``shinka``: `shinka.core`."""
