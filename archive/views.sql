-- What a person asks of the archive. The views are dropped and created again whenever this file changes.

-- Programs with a score, ranked within their run; programs that are equally good share a rank.
CREATE VIEW leaderboard AS
SELECT
    p.run,
    rank() OVER (
        PARTITION BY p.run ORDER BY CASE r.direction WHEN 'minimize' THEN p.score ELSE -p.score END
    ) AS rank,
    substr(p.digest, 1, 10) AS id,
    p.score,
    r.unit,
    p.arm,
    p.operator,
    substr(p.parent, 1, 10) AS parent,
    p.number,
    p.island,
    p.generation,
    p.metrics,
    p.digest
FROM programs AS p
JOIN runs AS r ON r.name = p.run
WHERE p.score IS NOT NULL;

-- One row per program with its parent beside it. A recursive query walks it to the first ancestor:
--     WITH RECURSIVE line (digest) AS (
--         SELECT 'the digest' UNION SELECT parent FROM lineage JOIN line USING (digest)
--         WHERE run = 'the run' AND parent IS NOT NULL
--     ) SELECT * FROM lineage JOIN line USING (digest) WHERE run = 'the run' ORDER BY number DESC
CREATE VIEW lineage AS
SELECT
    c.run,
    c.digest,
    c.number,
    c.score,
    c.arm,
    c.operator,
    c.island,
    c.generation,
    c.parent,
    p.number AS parent_number,
    p.score AS parent_score,
    a.note
FROM programs AS c
LEFT JOIN programs AS p ON p.run = c.run AND p.digest = c.parent
LEFT JOIN attempts AS a ON a.run = c.run AND a.number = c.number;

-- What calls of models cost, by arm and by what they were for. A call whose end nobody saw is uncertain and counts at the most
-- it may have cost; so does one that is still open. Dollars are NULL, not 0, where a price is unknown.
CREATE VIEW reply_spend AS
SELECT
    run,
    arm,
    purpose,
    count(*) AS calls,
    sum(state = 'done') AS done,
    sum(state = 'failed') AS failed,
    sum(state IN ('uncertain', 'open')) AS uncertain,
    coalesce(sum(input_tokens), 0) AS input_tokens,
    coalesce(sum(output_tokens), 0) AS output_tokens,
    sum(tokens) AS tokens, -- that count against a cap, uncertain ones too
    iif(
        sum(state IN ('done', 'failed') AND dollars IS NULL), NULL, total(iif(state IN ('done', 'failed'), dollars, 0.0))
    ) AS dollars,
    iif(
        sum(state IN ('uncertain', 'open') AND dollars IS NULL), NULL, total(iif(state IN ('uncertain', 'open'), dollars, 0.0))
    ) AS uncertain_dollars,
    sum(seconds) AS seconds
FROM replies
GROUP BY run, arm, purpose;

-- What each arm cost. Seeds, checks, reviews of champions and what was taken from an earlier evaluation are listed but never count
-- against a budget (`counted`). Dollars as in `reply_spend`.
CREATE VIEW spend AS
SELECT
    a.run,
    a.arm,
    count(DISTINCT a.number) AS attempts,
    count(e.id) AS evaluations,
    coalesce(sum(e.purpose IN ('child', 'tune') AND e.cached = 0), 0) AS counted,
    total(e.seconds) AS seconds,
    sum(e.cpu_seconds) AS cpu_seconds,
    (SELECT count(*) FROM replies AS r WHERE r.run = a.run AND r.arm = a.arm) AS replies,
    (SELECT coalesce(sum(r.input_tokens), 0) FROM replies AS r WHERE r.run = a.run AND r.arm = a.arm) AS input_tokens,
    (SELECT coalesce(sum(r.output_tokens), 0) FROM replies AS r WHERE r.run = a.run AND r.arm = a.arm) AS output_tokens,
    (SELECT coalesce(sum(r.tokens), 0) FROM replies AS r WHERE r.run = a.run AND r.arm = a.arm) AS tokens,
    (
        SELECT iif(count(*) = count(r.dollars), total(r.dollars), NULL)
        FROM replies AS r WHERE r.run = a.run AND r.arm = a.arm AND r.state IN ('done', 'failed')
    ) AS dollars,
    (
        SELECT iif(count(*) = count(r.dollars), total(r.dollars), NULL)
        FROM replies AS r WHERE r.run = a.run AND r.arm = a.arm AND r.state IN ('uncertain', 'open')
    ) AS uncertain_dollars,
    (SELECT total(r.seconds) FROM replies AS r WHERE r.run = a.run AND r.arm = a.arm) AS reply_seconds
FROM attempts AS a
LEFT JOIN evaluations AS e ON e.run = a.run AND e.attempt = a.number AND e.point >= 0 -- true, and leads to the right index
GROUP BY a.run, a.arm
UNION ALL
SELECT
    run, 'seed', count(DISTINCT attempt), count(*), sum(purpose IN ('child', 'tune') AND cached = 0), total(seconds), sum(cpu_seconds),
    0, 0, 0, 0, 0.0, 0.0, 0.0
FROM evaluations
WHERE attempt <= 0
GROUP BY run
UNION ALL
SELECT
    run, 'review', count(DISTINCT place), count(*), 0, total(seconds), sum(cpu_seconds), 0, 0, 0, 0, 0.0, 0.0, 0.0
FROM reviews
GROUP BY run;

-- What each arm achieved with each operator: of its attempts, how many were told, ended early, led to a new program with a
-- score, and to one better than its parent.
CREATE VIEW arm_stats AS
SELECT
    a.run,
    a.arm,
    a.operator,
    count(*) AS attempts,
    sum(a.state = 'told') AS told,
    sum(a.stage IS NOT NULL) AS stopped,
    sum(c.score IS NOT NULL) AS scored,
    sum(
        CASE
            WHEN c.score IS NULL THEN 0
            WHEN p.score IS NULL THEN 1
            WHEN r.direction = 'minimize' THEN c.score < p.score
            ELSE c.score > p.score
        END
    ) AS improved,
    avg(a.gain) AS mean_gain,
    CASE r.direction WHEN 'minimize' THEN min(c.score) ELSE max(c.score) END AS best
FROM attempts AS a
JOIN runs AS r ON r.name = a.run
LEFT JOIN programs AS c ON c.run = a.run AND c.number = a.number
LEFT JOIN programs AS p ON p.run = a.run AND p.digest = a.parent
GROUP BY a.run, a.arm, a.operator;

-- Attempts that ended early and evaluations that failed. `how` is the stage or the status.
CREATE VIEW failures AS
SELECT
    s.run, s.number, s.stage AS how, s.reason, s.arm, s.operator, substr(s.digest, 1, 10) AS id, s.parent, s.told_at AS at
FROM attempts AS s
WHERE s.stage IS NOT NULL AND NOT EXISTS ( -- else the evaluation says more
    SELECT 1 FROM evaluations AS f WHERE f.run = s.run AND f.attempt = s.number AND f.status <> 'ok'
)
UNION ALL
SELECT
    e.run,
    e.attempt,
    e.status,
    CAST(CASE e.error WHEN '' THEN e.feedback ELSE e.error END AS TEXT), -- without the casts SQLite would sort all rows
    CAST(coalesce(a.arm, 'seed') AS TEXT),
    CAST(coalesce(a.operator, 'seed') AS TEXT),
    substr(e.digest, 1, 10),
    a.parent,
    e.judged_at
FROM evaluations AS e
LEFT JOIN attempts AS a ON a.run = e.run AND a.number = e.attempt
WHERE e.status <> 'ok';

-- Pairs of programs of a run of which the second scores at least as well as the first; the best come first as seconds.
CREATE VIEW rivals AS
SELECT p.run, p.digest, p.score, q.digest AS rival, q.score AS rival_score
FROM programs AS p
CROSS JOIN runs AS r ON r.name = p.run
CROSS JOIN programs AS q INDEXED BY programs_best_high ON q.run = p.run AND q.score >= p.score
WHERE r.direction = 'maximize' AND q.score IS NOT NULL
UNION ALL
SELECT p.run, p.digest, p.score, q.digest, q.score
FROM programs AS p
CROSS JOIN runs AS r ON r.name = p.run
CROSS JOIN programs AS q INDEXED BY programs_best_low ON q.run = p.run AND q.score <= p.score
WHERE r.direction = 'minimize' AND q.score IS NOT NULL;

-- Programs that no other program of their run beats on one objective without losing on another.
CREATE VIEW pareto AS
SELECT p.run, substr(p.digest, 1, 10) AS id, p.score, p.metrics, p.arm, p.operator, p.number, p.digest
FROM programs AS p
WHERE p.score IS NOT NULL AND NOT EXISTS (
    SELECT 1
    FROM rivals AS v
    WHERE v.run = p.run AND v.digest = p.digest
    AND NOT EXISTS ( -- the rival loses nowhere
        SELECT 1
        FROM objectives AS o
        JOIN metrics AS a ON a.run = o.run AND a.digest = v.digest AND a.name = o.name
        LEFT JOIN metrics AS b ON b.run = o.run AND b.digest = v.rival AND b.name = o.name
        WHERE o.run = v.run AND o.name <> 'score'
        AND (b.value IS NULL OR iif(o.direction = 'minimize', b.value > a.value, b.value < a.value))
    )
    AND (v.rival_score <> v.score OR EXISTS ( -- and wins somewhere
        SELECT 1
        FROM objectives AS o
        JOIN metrics AS b ON b.run = o.run AND b.digest = v.rival AND b.name = o.name
        LEFT JOIN metrics AS a ON a.run = o.run AND a.digest = v.digest AND a.name = o.name
        WHERE o.run = v.run AND o.name <> 'score'
        AND (a.value IS NULL OR iif(o.direction = 'minimize', b.value < a.value, b.value > a.value))
    ))
);

-- What the screen of a run did with the candidates that it scored: how many passed, were held back, and were judged although held
-- back (audited). An audited one that is better than its parent, or than the best of the run when it was asked for, is a false
-- rejection.
CREATE VIEW screening AS
SELECT
    run,
    count(*) - sum(held_back) - sum(audited) AS passed,
    sum(held_back) AS held_back,
    sum(audited) AS audited,
    coalesce(sum(audited AND sign * (score - parent_score) > 0), 0) AS better_than_parent,
    coalesce(sum(audited AND sign * (score - best) > 0), 0) AS better_than_best
FROM (
    SELECT
        e.run,
        e.score,
        p.score AS parent_score,
        a.best,
        iif(r.direction = 'minimize', -1, 1) AS sign,
        e.stage = 'screen' AS held_back,
        e.stage <> 'screen' AND e.bar IS NOT NULL
        AND iif(r.direction = 'minimize', e.screen > e.bar, e.screen < e.bar) AS audited
    FROM evaluations AS e INDEXED BY evaluations_screened
    JOIN runs AS r ON r.name = e.run
    JOIN attempts AS a ON a.run = e.run AND a.number = e.attempt
    JOIN programs AS p ON p.run = a.run AND p.digest = a.parent
    WHERE e.screen IS NOT NULL
)
GROUP BY run;
