"""What people look at in the morning: the pages of `evolve view`, and the report in one file.

    pages     app.py (addresses, and who may come in), shown.py (what a page is), pages/, front.py, templates/, static/
    report    report/
    both      render.py (templates), code.py and text.py (program text), artifacts.py
    drawing   drawing/ (charts and trees as SVG)
    notebook  notebook.py, cards.py (a run, a program)

Nothing but app.py needs more than the core dependencies.
"""
