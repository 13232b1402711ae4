"""What people look at in the morning: the pages of `evolve view`, and the report in one file.

    pages     app.py (addresses, and who may come in), shown.py (what a page is), pages/, templates/, static/
    report    facts.py (what is to be told), doubts.py, standing.py, reproduce.py, values.py (as JSON), report.py
    both      render.py (templates), code.py and text.py (program text), artifacts.py, scores.py (the chart of a run)
    drawing   plots.py (charts) of axes.py and svg.py;  tree.py, front.py
    notebook  notebook.py

Nothing but app.py needs more than the core dependencies.
"""
