"""What an evaluator for ShinkaEvolve imports from ``shinka.core``."""

from .wrap_eval import load_program, run_shinka_eval, save_json_results

__all__ = ["load_program", "run_shinka_eval", "save_json_results"]
