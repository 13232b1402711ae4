-- What models were asked, what they answered, and what that cost.

-- How many attempts had been told when the draft was committed; NULL where there is none, or in runs from before this column.
ALTER TABLE attempts ADD COLUMN drafted_before INTEGER;
-- What clock and ledger said when it was asked for: {"barred": [arm], "prices": {resource: price}}, empty where they said nothing.
ALTER TABLE attempts ADD COLUMN given TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(given));
-- What was tried on a parent, the latest last. Attempts that drafted nothing tried nothing.
CREATE INDEX attempts_parent ON attempts (run, parent, told_order) WHERE told_order IS NOT NULL AND source IS NOT NULL;

ALTER TABLE arms ADD COLUMN state TEXT NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'resting', 'ended'));
ALTER TABLE arms ADD COLUMN reason TEXT NOT NULL DEFAULT '';

-- Prompts, stored once however often they were sent.
CREATE TABLE prompts (
    hash TEXT PRIMARY KEY, -- SHA-256 of the canonical JSON of [messages, begin, stop]
    messages TEXT NOT NULL CHECK (json_valid(messages)), -- [{"role": …, "text": …}]
    begin TEXT NOT NULL, -- how the reply had to begin
    stop TEXT NOT NULL CHECK (json_valid(stop)) -- the texts that end it
) STRICT;

-- One row per try at asking an arm, made before the call is sent. `dollars` and `tokens` are what counts against the caps:
-- the most that the call may cost while it is open, and for good where nobody knows (`uncertain`); else what it cost.
CREATE TABLE replies (
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    turn INTEGER NOT NULL CHECK (turn >= 0), -- of the conversation
    tries INTEGER NOT NULL CHECK (tries >= 0), -- of this turn before this one
    arm TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('draft', 'correct')),
    state TEXT NOT NULL CHECK (state IN ('open', 'done', 'failed', 'uncertain')),
    reserved_dollars REAL, -- NULL where no price is known
    reserved_tokens INTEGER NOT NULL,
    dollars REAL,
    tokens INTEGER NOT NULL,
    input_tokens INTEGER, -- these four as the endpoint counted them
    output_tokens INTEGER,
    cached_tokens INTEGER,
    reasoning_tokens INTEGER,
    seconds REAL NOT NULL DEFAULT 0,
    status INTEGER, -- of HTTP, where a call failed with one
    finish TEXT CHECK (finish IN ('stop', 'length', 'refusal', 'other')),
    replayed INTEGER NOT NULL DEFAULT 0 CHECK (replayed IN (0, 1)), -- answered from another run's recording, for nothing
    opened_at REAL NOT NULL,
    closed_at REAL,
    prompt TEXT NOT NULL REFERENCES prompts (hash),
    template TEXT NOT NULL, -- SHA-256 of the templates that the prompt was rendered from
    request TEXT NOT NULL, -- equal where the same was asked with the same parameters
    parameters TEXT NOT NULL CHECK (json_valid(parameters)), -- sent beside the messages
    error TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT '',
    reasoning TEXT NOT NULL DEFAULT '',
    text TEXT,
    UNIQUE (run, attempt, turn, tries),
    FOREIGN KEY (run, attempt) REFERENCES attempts (run, number),
    CHECK ((state = 'open') = (closed_at IS NULL)),
    CHECK ((state = 'done') = (text IS NOT NULL)),
    CHECK ((state = 'done') = (finish IS NOT NULL)),
    CHECK (state <> 'open' OR (dollars IS reserved_dollars AND tokens = reserved_tokens)),
    CHECK (state <> 'failed' OR dollars IS NOT NULL),
    CHECK (error = '' OR state IN ('failed', 'uncertain')),
    CHECK (replayed = 0 OR (state = 'done' AND dollars IS 0.0 AND tokens = 0))
) STRICT;
CREATE INDEX replies_cost ON replies (run, attempt, dollars, tokens, seconds);
CREATE INDEX replies_spend ON replies (run, arm, purpose, state, dollars, tokens, input_tokens, output_tokens, seconds);
CREATE INDEX replies_request ON replies (run, request) WHERE state = 'done';
CREATE INDEX replies_open ON replies (run) WHERE state = 'open';
