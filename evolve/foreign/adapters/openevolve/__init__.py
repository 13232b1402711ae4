"""What an evaluator for OpenEvolve imports from ``openevolve``: `openevolve.evaluation_result`."""
