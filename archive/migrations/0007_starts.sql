-- The programs that a run starts from beside the task's own: kept before the first of them is judged, so that a run that is cut off
-- then goes on with those that are left.

CREATE TABLE starts (
    run TEXT NOT NULL REFERENCES runs (name),
    place INTEGER NOT NULL CHECK (place > 0),
    name TEXT NOT NULL, -- the file that it was read from, or RUN/PROGRAM
    source TEXT NOT NULL REFERENCES sources (hash),
    PRIMARY KEY (run, place)
) STRICT, WITHOUT ROWID;
