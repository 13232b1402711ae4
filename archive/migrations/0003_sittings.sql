-- With what settings a run was searched, from which of its attempts on: a resume may change them.
CREATE TABLE sittings (
    run TEXT NOT NULL REFERENCES runs (name),
    place INTEGER NOT NULL CHECK (place >= 0), -- 0 is the beginning of the run, each resume one more
    asked INTEGER NOT NULL, -- attempts that had been asked for
    told INTEGER NOT NULL, -- attempts that had been told
    config TEXT NOT NULL CHECK (json_valid(config)),
    began REAL NOT NULL,
    PRIMARY KEY (run, place)
) STRICT, WITHOUT ROWID;
