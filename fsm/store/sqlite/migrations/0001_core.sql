-- What runs are made of. What may happen to it is in law.sql.

CREATE TABLE workflows(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL, digest TEXT NOT NULL UNIQUE,
  text TEXT NOT NULL, at INTEGER NOT NULL, sealed INTEGER NOT NULL DEFAULT 0, UNIQUE(name, version)) STRICT;

CREATE TABLE edges(
  workflow_id INTEGER NOT NULL REFERENCES workflows, source TEXT NOT NULL, event TEXT NOT NULL, target TEXT NOT NULL,
  ends TEXT CHECK(ends IN ('succeeded', 'failed', 'dead', 'cancelled')),
  PRIMARY KEY(workflow_id, source, event, target)) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: the number of a worker that died is never given to another.
CREATE TABLE workers(
  id INTEGER PRIMARY KEY AUTOINCREMENT, host TEXT NOT NULL, pid INTEGER NOT NULL, at INTEGER NOT NULL) STRICT;

-- Small and of fixed size: what an edge rewrites. What runs carry is in artifacts.
CREATE TABLE runs(
  id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, workflow_id INTEGER NOT NULL REFERENCES workflows,
  name TEXT NOT NULL, key TEXT, input_digest BLOB NOT NULL,
  state TEXT NOT NULL,
  status TEXT NOT NULL CHECK(status IN ('ready', 'running', 'waiting', 'succeeded', 'failed', 'dead', 'cancelled')),
  seq INTEGER NOT NULL, head BLOB NOT NULL, visit INTEGER NOT NULL, entered_at INTEGER NOT NULL,
  attempt INTEGER NOT NULL, tries TEXT, visits TEXT, due_at INTEGER, awaits TEXT,
  epoch INTEGER NOT NULL DEFAULT 0, worker_id INTEGER REFERENCES workers, crashes INTEGER NOT NULL DEFAULT 0,
  interrupted INTEGER NOT NULL DEFAULT 0, started_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  CHECK((status = 'running') = (worker_id IS NOT NULL)),
  CHECK(status <> 'waiting' OR due_at IS NOT NULL OR awaits IS NOT NULL)) STRICT;
CREATE UNIQUE INDEX runs_key ON runs(name, key) WHERE key IS NOT NULL;
CREATE INDEX runs_ready ON runs(id) WHERE status = 'ready';
CREATE INDEX runs_due ON runs(due_at) WHERE status = 'waiting' AND due_at IS NOT NULL;
CREATE INDEX runs_held ON runs(worker_id) WHERE status = 'running';

-- A rowid table on purpose: rows of many runs are appended to one page.
CREATE TABLE transitions(
  id INTEGER PRIMARY KEY CHECK(id > 0), run_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL,
  workflow_id INTEGER NOT NULL, source TEXT NOT NULL, event TEXT NOT NULL, target TEXT NOT NULL, status TEXT NOT NULL,
  visit INTEGER NOT NULL, attempt INTEGER NOT NULL, tries TEXT, visits TEXT, due_at INTEGER, awaits TEXT,
  interrupted INTEGER NOT NULL, of_seq INTEGER, at INTEGER NOT NULL, actor TEXT, detail TEXT, hash BLOB NOT NULL,
  UNIQUE(run_id, seq)) STRICT;

CREATE TABLE artifacts(
  id INTEGER PRIMARY KEY CHECK(id > 0), run_id INTEGER NOT NULL, name TEXT NOT NULL, seq INTEGER NOT NULL, value TEXT,
  digest BLOB NOT NULL, UNIQUE(run_id, name, seq)) STRICT;

CREATE TABLE checkpoints(
  run_id INTEGER NOT NULL, visit INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY(run_id, visit, name)) STRICT, WITHOUT ROWID;

CREATE TABLE beats(run_id INTEGER PRIMARY KEY, visit INTEGER NOT NULL, at INTEGER NOT NULL, detail TEXT) STRICT;

CREATE TABLE signals(
  id INTEGER PRIMARY KEY AUTOINCREMENT, run_id INTEGER NOT NULL, name TEXT NOT NULL, message_id TEXT, actor TEXT,
  payload TEXT NOT NULL, at INTEGER NOT NULL, used_seq INTEGER, refused INTEGER NOT NULL DEFAULT 0,
  UNIQUE(run_id, message_id)) STRICT;
CREATE INDEX signals_open ON signals(run_id, name) WHERE used_seq IS NULL AND refused = 0;
