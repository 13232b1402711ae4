"""What tasks share: small modules that their judges import, and that are shipped into the jail where a harness imports them.

torch code as data   trace.py in the jail;  graph.py step.py aten.py work.py description.py in the judge
networks             budget.py recipe.py training.py   within limits, how they are trained, by one loop
data                 mnist1d.py  texts.py
pretrained models    weights.py keep.py   found, and what is slow to compute kept;  minilm.py embedding.py  smollm.py calibrate.py
pruning              select.py apportion.py   exactly as much as was asked for
mathematics          numbers.py packing.py steps.py   answers checked, and judged exactly
reporting            statistics.py picture.py
"""
