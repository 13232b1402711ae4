-- What pages count over all attempts of a run comes from indexes alone: of an arm with an operator, and of an attempt's number.

DROP INDEX attempts_arm;
CREATE INDEX attempts_arm ON attempts (run, arm, operator, number, told_order, stage, gain);
CREATE INDEX attempts_number ON attempts (run, number, told_order, arm);
