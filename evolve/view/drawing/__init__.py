"""Pictures as SVG, without a script.

plots.py   charts, of axes.py and svg.py
scores.py  the chart of a run
tree.py    lineage
"""
