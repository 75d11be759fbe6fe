-- Many runs at once, and what operators do to them.

-- Until when a worker's claims hold without a new sign; null for one whose claims hold as long as its process lives.
ALTER TABLE workers ADD COLUMN expires_at INTEGER;

ALTER TABLE runs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
-- The run, by its id, whose ledger a fork goes back to.
ALTER TABLE runs ADD COLUMN forked_from TEXT;
-- The trace that the run belongs to, as W3C's traceparent has it.
ALTER TABLE runs ADD COLUMN trace TEXT;

DROP INDEX runs_ready;
CREATE INDEX runs_ready ON runs(name, priority DESC, id) WHERE status = 'ready';
-- Runs that may kill whoever drives them; few, so that whoever claims finds the first at once.
CREATE INDEX runs_suspect ON runs(crashes) WHERE crashes >= 2;
CREATE INDEX runs_dead ON runs(name, state, id) WHERE status = 'dead';
-- With those that wait for somebody and no instant: every live run is in an index, so that none is counted by a scan.
DROP INDEX runs_due;
CREATE INDEX runs_due ON runs(due_at) WHERE status = 'waiting';

-- What is paused: a workflow, a state of it, or everything where both are empty.
CREATE TABLE pauses(
  workflow TEXT NOT NULL, state TEXT NOT NULL, stops_actions INTEGER NOT NULL DEFAULT 0, actor TEXT, reason TEXT,
  at INTEGER NOT NULL, PRIMARY KEY(workflow, state), CHECK(workflow <> '' OR state = '')) STRICT, WITHOUT ROWID;
-- And what was, with who ended it and why.
CREATE TABLE pauses_past(
  id INTEGER PRIMARY KEY, workflow TEXT NOT NULL, state TEXT NOT NULL, stops_actions INTEGER NOT NULL, actor TEXT,
  reason TEXT, at INTEGER NOT NULL, ended_at INTEGER NOT NULL, ended_actor TEXT, ended_reason TEXT) STRICT;

-- Which state of one version becomes which of another, for runs that are migrated.
CREATE TABLE state_maps(
  workflow_id INTEGER NOT NULL REFERENCES workflows, to_id INTEGER NOT NULL REFERENCES workflows,
  source TEXT NOT NULL, target TEXT NOT NULL, PRIMARY KEY(workflow_id, to_id, source)) STRICT, WITHOUT ROWID;

-- What is left of a run that was dropped: who did it and why, and the head of its ledger.
CREATE TABLE dropped(
  uid TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL, key TEXT, state TEXT NOT NULL,
  status TEXT NOT NULL, seq INTEGER NOT NULL, head BLOB NOT NULL, at INTEGER NOT NULL, actor TEXT, reason TEXT)
  STRICT, WITHOUT ROWID;

-- The highest row number of a run that was deleted: it is never given to another, for which a late write could be
-- meant.
CREATE TABLE vacated(row INTEGER NOT NULL) STRICT;
INSERT INTO vacated VALUES (0);

-- The rows of runs that were deleted and of whose ledger, values and signals something may still be there.
CREATE TABLE remains(run_id INTEGER PRIMARY KEY) STRICT;
