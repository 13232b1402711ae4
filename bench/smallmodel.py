"""What became of a model's replies, by operator, as archives hold it: how to tell whether a prompt gets work out of a model.

python bench/smallmodel.py evolve.db [other.db ...]
"""

from __future__ import annotations

import argparse
import sqlite3
from contextlib import closing

COUNTS = """
SELECT
    a.operator,
    count(*) AS attempts,
    (SELECT count(*) FROM replies AS r JOIN attempts AS b ON b.run = r.run AND b.number = r.attempt
     WHERE b.operator = a.operator AND r.state = 'done') AS replies,
    sum(a.source IS NOT NULL) AS applied,
    sum(a.stage IS 'novelty') AS repeated,
    sum(c.status IS 'ok') AS valid,
    sum(c.status IS 'ok' AND (p.score IS NULL OR iif(n.direction = 'minimize', p.score > c.score, c.score > p.score)))
        AS improved,
    iif(n.direction = 'minimize', min(c.score), max(c.score)) AS best,
    (SELECT avg(r.seconds) FROM replies AS r JOIN attempts AS b ON b.run = r.run AND b.number = r.attempt
     WHERE b.operator = a.operator AND r.state = 'done') AS seconds
FROM attempts AS a
JOIN runs AS n ON n.name = a.run
JOIN programs AS p ON p.run = a.run AND p.digest = a.parent
LEFT JOIN programs AS c ON c.run = a.run AND c.number = a.number
WHERE a.state = 'told' AND a.number >= 1
    AND EXISTS (SELECT 1 FROM replies AS r WHERE r.run = a.run AND r.attempt = a.number AND r.state = 'done')
GROUP BY a.operator
"""


def table(path: str) -> list[str]:
    """Return the table of one archive as lines of Markdown; `improved` counts repairs of programs without a score."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as archive:
        rows = archive.execute(COUNTS).fetchall()
    total = ("all", *(sum(row[at] for row in rows) for at in range(1, 7)))
    lines = ["| operator | attempts | replies | applied | repeated | valid | improved | best | seconds a reply |"]
    lines.append("|---" * 9 + "|")
    for operator, *counts, best, seconds in rows:
        reached = "" if best is None else f"{best:.6g}"
        lines.append(f"| {' | '.join(map(str, (operator, *counts, reached, f'{seconds:.0f}')))} |")
    return [*lines, f"| {' | '.join(map(str, total))} | | |"]


def main() -> None:
    """Print a table for each archive."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", nargs="+", help="the file of an archive")
    for path in parser.parse_args().archive:
        print(f"{path}\n", *table(path), sep="\n", end="\n\n")


if __name__ == "__main__":
    main()
