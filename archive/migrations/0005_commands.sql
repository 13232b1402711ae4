-- What people ask of a run while it goes on. Everybody inserts; the run's driver alone says what became of it.

CREATE TABLE commands (
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL REFERENCES runs (name),
    kind TEXT NOT NULL CHECK (kind IN ('pause', 'continue', 'stop', 'hint', 'withdraw')),
    text TEXT NOT NULL DEFAULT '', -- of a hint; of a withdrawal, the hint's id
    origin TEXT NOT NULL CHECK (origin IN ('command line', 'page', 'python')),
    given_at REAL NOT NULL,
    taken_at REAL, -- when the driver acted on it
    told INTEGER, -- how many attempts had been told by then
    outcome TEXT NOT NULL DEFAULT '',
    CHECK ((taken_at IS NULL) = (told IS NULL)),
    CHECK ((kind IN ('hint', 'withdraw')) = (text <> ''))
) STRICT;
CREATE INDEX commands_waiting ON commands (run, id) WHERE taken_at IS NULL;
CREATE INDEX commands_run ON commands (run, kind, id);
