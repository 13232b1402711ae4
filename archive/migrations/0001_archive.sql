-- The archive: runs, what they tried, what the judge saw, and the programs that came of it.
-- README.md beside this folder explains the model. JSON columns hold canonical JSON; times are seconds since 1970 (UTC).

PRAGMA application_id = 0x45564F4C; -- "EVOL": an SQLite file that is ours

CREATE TABLE runs (
    name TEXT PRIMARY KEY,
    task TEXT NOT NULL,
    task_path TEXT NOT NULL,
    task_digest TEXT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('maximize', 'minimize')),
    unit TEXT NOT NULL,
    seed INTEGER NOT NULL,
    config TEXT NOT NULL CHECK (json_valid(config)),
    version TEXT NOT NULL, -- of evolve, when the run was created
    state TEXT NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'stopped')),
    reason TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL,
    finished REAL,
    seconds REAL NOT NULL DEFAULT 0, -- spent running, over all resumes
    CHECK ((state = 'running') = (finished IS NULL))
) STRICT;
CREATE INDEX runs_created ON runs (created);

-- What a run wants of its programs: its score, and every metric with a direction.
CREATE TABLE objectives (
    run TEXT NOT NULL REFERENCES runs (name),
    name TEXT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('maximize', 'minimize')),
    PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE arms (
    run TEXT NOT NULL REFERENCES runs (name),
    name TEXT NOT NULL,
    settings TEXT NOT NULL CHECK (json_valid(settings)),
    PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;

-- Files, stored once however many drafts and programs consist of them.
CREATE TABLE sources (
    id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE, -- SHA-256 of `files`
    bytes INTEGER NOT NULL, -- of the files' text, in UTF-8
    files TEXT NOT NULL CHECK (json_valid(files)) -- {path: text}
) STRICT;

-- Judged programs, failed ones too. `number` is the attempt it came from; programs that a run started from have 0 and less.
CREATE TABLE programs (
    run TEXT NOT NULL REFERENCES runs (name),
    digest TEXT NOT NULL, -- of the normalised sources; its first 10 characters are what people call the program
    source TEXT NOT NULL REFERENCES sources (hash),
    number INTEGER NOT NULL,
    parent TEXT,
    arm TEXT NOT NULL,
    operator TEXT NOT NULL,
    island INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    status TEXT NOT NULL
        CHECK (status IN ('ok', 'invalid', 'crash', 'timeout', 'memory', 'gpu_memory', 'protocol')),
    score REAL,
    created REAL NOT NULL,
    metrics TEXT NOT NULL CHECK (json_valid(metrics)),
    traits TEXT NOT NULL CHECK (json_valid(traits)),
    PRIMARY KEY (run, digest),
    FOREIGN KEY (run, parent) REFERENCES programs (run, digest),
    CHECK (score IS NULL OR status = 'ok')
) STRICT;
CREATE INDEX programs_best_high ON programs (run, score DESC, number) WHERE score IS NOT NULL;
CREATE INDEX programs_best_low ON programs (run, score, number) WHERE score IS NOT NULL;
CREATE UNIQUE INDEX programs_number ON programs (run, number);
CREATE INDEX programs_parent ON programs (run, parent);
CREATE INDEX programs_digest ON programs (digest);
CREATE INDEX programs_source ON programs (source);

CREATE TABLE metrics (
    run TEXT NOT NULL,
    digest TEXT NOT NULL,
    name TEXT NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (run, digest, name),
    FOREIGN KEY (run, digest) REFERENCES programs (run, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX metrics_value ON metrics (run, name, value);

-- One row per job, whether or not its child lived. The columns up to `best` say what was asked for, all that a replay needs.
CREATE TABLE attempts (
    run TEXT NOT NULL REFERENCES runs (name),
    number INTEGER NOT NULL CHECK (number >= 1),
    told_before INTEGER NOT NULL, -- how many attempts had been told when this one was asked for
    parent TEXT NOT NULL,
    inspirations TEXT NOT NULL CHECK (json_valid(inspirations)), -- their digests
    island INTEGER NOT NULL,
    arm TEXT NOT NULL,
    operator TEXT NOT NULL,
    seed INTEGER NOT NULL,
    tried INTEGER NOT NULL,
    gained INTEGER NOT NULL,
    best REAL,
    state TEXT NOT NULL CHECK (state IN ('asked', 'drafted', 'told')),
    digest TEXT,
    source TEXT REFERENCES sources (hash),
    note TEXT NOT NULL DEFAULT '',
    traits TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(traits)),
    told_order INTEGER,
    stage TEXT CHECK (stage IN ('ask', 'draft', 'novelty', 'judge')), -- where it ended early
    reason TEXT NOT NULL DEFAULT '',
    gain REAL,
    program TEXT,
    asked_at REAL NOT NULL,
    drafted_at REAL,
    told_at REAL,
    PRIMARY KEY (run, number),
    FOREIGN KEY (run, parent) REFERENCES programs (run, digest),
    FOREIGN KEY (run, program) REFERENCES programs (run, digest),
    CHECK ((state = 'told') = (told_order IS NOT NULL)),
    CHECK (state <> 'drafted' OR source IS NOT NULL)
) STRICT;
CREATE UNIQUE INDEX attempts_told ON attempts (run, told_order) WHERE told_order IS NOT NULL;
CREATE INDEX attempts_pending ON attempts (run, number) WHERE state <> 'told';
CREATE INDEX attempts_arm ON attempts (run, arm, number, state, stage, gain, program);
CREATE INDEX attempts_stopped ON attempts (run, number) WHERE stage IS NOT NULL;
-- Two attempts never judge the same program: a draft is refused before it is judged, or it is the only one of its digest.
CREATE UNIQUE INDEX attempts_digest ON attempts (run, digest)
WHERE digest IS NOT NULL AND (stage IS NULL OR stage = 'judge');

-- What the judge saw. Point 0 of an attempt is its child, the others what an inner optimiser tried.
-- Programs that a run starts from are judged under attempt 0 and less; nobody proposed them, so `attempt` is no foreign key.
CREATE TABLE evaluations (
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL REFERENCES runs (name),
    attempt INTEGER NOT NULL,
    point INTEGER NOT NULL CHECK (point >= 0),
    purpose TEXT NOT NULL CHECK (purpose IN ('seed', 'child', 'tune', 'check')),
    digest TEXT NOT NULL,
    source TEXT NOT NULL REFERENCES sources (hash),
    task_digest TEXT NOT NULL,
    seed INTEGER NOT NULL,
    status TEXT NOT NULL
        CHECK (status IN ('ok', 'invalid', 'crash', 'timeout', 'memory', 'gpu_memory', 'protocol', 'judge_error')),
    score REAL,
    seconds REAL NOT NULL,
    cpu_seconds REAL,
    memory INTEGER, -- bytes, the peak
    isolation TEXT NOT NULL CHECK (isolation IN ('namespaces', 'landlock', 'rlimits', 'none')),
    isolation_reason TEXT NOT NULL,
    integrity TEXT NOT NULL CHECK (integrity IN ('isolated', 'best-effort', 'same-process')),
    judged_at REAL NOT NULL,
    metrics TEXT NOT NULL CHECK (json_valid(metrics)),
    note TEXT NOT NULL,
    traits TEXT NOT NULL CHECK (json_valid(traits)),
    feedback TEXT NOT NULL,
    error TEXT NOT NULL,
    output TEXT NOT NULL,
    log TEXT NOT NULL,
    UNIQUE (run, attempt, point),
    CHECK (score IS NULL OR status = 'ok')
) STRICT;
CREATE INDEX evaluations_spent ON evaluations (run, purpose, attempt, seconds, cpu_seconds);
CREATE INDEX evaluations_digest ON evaluations (run, digest);
CREATE INDEX evaluations_cache ON evaluations (digest, task_digest, seed);
CREATE INDEX evaluations_failed ON evaluations (run, attempt) WHERE status <> 'ok';

CREATE TABLE artifacts (
    id INTEGER PRIMARY KEY,
    evaluation INTEGER NOT NULL REFERENCES evaluations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    mime TEXT NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (evaluation, name)
) STRICT;

-- Full text: code by `sources.id`, words (what was changed, what the judge said) by `evaluations.id`.
-- `code` keeps no copy of the text, `words` reads it from its table.
CREATE VIRTUAL TABLE code USING fts5 (text, content = '');
CREATE VIRTUAL TABLE words USING fts5 (note, feedback, error, content = 'evaluations', content_rowid = 'id');

CREATE TRIGGER sources_added AFTER INSERT ON sources BEGIN
    INSERT INTO code (rowid, text)
    SELECT new.id, group_concat(value, char(10)) FROM json_each(new.files);
END;
CREATE TRIGGER sources_fixed BEFORE UPDATE ON sources BEGIN
    SELECT raise(ABORT, 'sources never change: add the new files as a row of their own');
END;
CREATE TRIGGER sources_removed AFTER DELETE ON sources BEGIN
    INSERT INTO code (code, rowid, text)
    SELECT 'delete', old.id, group_concat(value, char(10)) FROM json_each(old.files);
END;
CREATE TRIGGER words_added AFTER INSERT ON evaluations BEGIN
    INSERT INTO words (rowid, note, feedback, error) VALUES (new.id, new.note, new.feedback, new.error);
END;
CREATE TRIGGER words_changed AFTER UPDATE OF note, feedback, error ON evaluations BEGIN
    INSERT INTO words (words, rowid, note, feedback, error)
    VALUES ('delete', old.id, old.note, old.feedback, old.error);
    INSERT INTO words (rowid, note, feedback, error) VALUES (new.id, new.note, new.feedback, new.error);
END;
CREATE TRIGGER words_removed AFTER DELETE ON evaluations BEGIN
    INSERT INTO words (words, rowid, note, feedback, error)
    VALUES ('delete', old.id, old.note, old.feedback, old.error);
END;
