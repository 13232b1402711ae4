-- How far a candidate was judged and on which seeds; and the champions of a run, with what was judged for them again.

ALTER TABLE runs ADD COLUMN repeats INTEGER NOT NULL DEFAULT 1; -- seeds on which a candidate is judged

-- Versions of Python and of the task's packages; 'mixed' where a resume found others. Evaluations are used again in the same one alone.
ALTER TABLE runs ADD COLUMN environment TEXT NOT NULL DEFAULT '';

ALTER TABLE evaluations ADD COLUMN stage TEXT NOT NULL DEFAULT 'evaluate'
    CHECK (stage IN ('screen', 'evaluate', 'validate')); -- how far it came
ALTER TABLE evaluations ADD COLUMN screen REAL; -- what `screen` gave
ALTER TABLE evaluations ADD COLUMN bar REAL; -- what it had to give; a worse one that was evaluated all the same is an audit
ALTER TABLE evaluations ADD COLUMN repeats TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(repeats)); -- [[seed, score, seconds]]
ALTER TABLE evaluations ADD COLUMN fresh TEXT CHECK (fresh IN ('fork', 'process')); -- where its process came from
ALTER TABLE evaluations ADD COLUMN cached INTEGER NOT NULL DEFAULT 0 CHECK (cached IN (0, 1)); -- an earlier one's result, for nothing
ALTER TABLE evaluations ADD COLUMN gpus TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(gpus)); -- UUIDs

CREATE INDEX evaluations_screened ON evaluations (run, id) WHERE screen IS NOT NULL;
DROP INDEX evaluations_spent;
CREATE INDEX evaluations_spent ON evaluations (run, purpose, attempt, cached, seconds, cpu_seconds);

-- What was best when, as far as it was judged again: place 0 is where the run started, each verdict on a contender one more.
CREATE TABLE champions (
    run TEXT NOT NULL REFERENCES runs (name),
    place INTEGER NOT NULL CHECK (place >= 0),
    digest TEXT NOT NULL,
    against TEXT, -- the champion before
    verdict TEXT NOT NULL CHECK (verdict IN ('promoted', 'refused')),
    reason TEXT NOT NULL,
    lead REAL, -- the mean difference to the champion before on the same fresh seeds, positive where better
    low REAL, -- its confidence bounds
    high REAL,
    seeds INTEGER NOT NULL DEFAULT 0, -- how many fresh seeds that was on
    cold_status TEXT,
    cold_score REAL, -- in a cold process, on the seeds of its score
    validate_score REAL, -- held out: never part of a prompt
    gap REAL, -- by how much its score is better than that
    began REAL NOT NULL,
    decided REAL NOT NULL,
    PRIMARY KEY (run, place),
    UNIQUE (run, digest),
    FOREIGN KEY (run, digest) REFERENCES programs (run, digest),
    FOREIGN KEY (run, against) REFERENCES programs (run, digest)
) STRICT, WITHOUT ROWID;

-- What the judge saw of champions and contenders when they were judged again; no budget counts it.
CREATE TABLE reviews (
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL REFERENCES runs (name),
    place INTEGER NOT NULL, -- of the verdict in `champions`
    digest TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('cold', 'fresh', 'validate')),
    seed INTEGER NOT NULL, -- the first of its seeds
    status TEXT NOT NULL
        CHECK (status IN ('ok', 'invalid', 'crash', 'timeout', 'memory', 'gpu_memory', 'protocol')),
    score REAL,
    repeats TEXT NOT NULL CHECK (json_valid(repeats)), -- as in `evaluations`
    metrics TEXT NOT NULL CHECK (json_valid(metrics)),
    seconds REAL NOT NULL,
    cpu_seconds REAL,
    memory INTEGER,
    isolation TEXT NOT NULL CHECK (isolation IN ('namespaces', 'landlock', 'rlimits', 'none')),
    integrity TEXT NOT NULL CHECK (integrity IN ('isolated', 'best-effort', 'same-process')),
    fresh TEXT CHECK (fresh IN ('fork', 'process')),
    feedback TEXT NOT NULL,
    error TEXT NOT NULL,
    output TEXT NOT NULL,
    log TEXT NOT NULL,
    judged_at REAL NOT NULL,
    UNIQUE (run, place, digest, purpose, seed),
    FOREIGN KEY (run, digest) REFERENCES programs (run, digest),
    CHECK (score IS NULL OR status = 'ok')
) STRICT;
