-- The law, in the database: only inserting a ledger row moves a run, and only along a declared edge or by an operator
-- move whose condition holds. All triggers are here; a file with an older law is given this one when it is opened.

-- An edge is legal when the run stands at its source, in sequence and in the epoch it names. A stale or fenced row is
-- left out, so that RETURNING tells which of a batch were taken; an illegal one aborts. On this path CASE stands where
-- IN would read better: a trigger builds the list of an IN anew for every row, which costs more than all the rest.
CREATE TRIGGER legal BEFORE INSERT ON transitions
WHEN CASE NEW.event WHEN 'cancel' THEN 0 WHEN 'redrive' THEN 0 WHEN 'complete' THEN 0 WHEN 'rewind' THEN 0
  WHEN 'fork' THEN 0 WHEN 'migrate' THEN 0 ELSE 1 END BEGIN
  SELECT CASE
    WHEN EXISTS(
      SELECT 1 FROM runs r CROSS JOIN edges e ON e.workflow_id = r.workflow_id AND e.source = r.state
      WHERE r.id = NEW.run_id AND r.seq = NEW.seq - 1 AND r.epoch = NEW.epoch
      AND r.state = NEW.source AND r.workflow_id = NEW.workflow_id
      AND CASE r.status WHEN 'ready' THEN 1 WHEN 'running' THEN 1 WHEN 'waiting' THEN 1 ELSE 0 END
      AND e.event = NEW.event AND e.target = NEW.target
      AND CASE NEW.status WHEN 'ready' THEN e.ends IS NULL WHEN 'running' THEN e.ends IS NULL
        WHEN 'waiting' THEN e.ends IS NULL ELSE NEW.status IS e.ends END) THEN NULL
    WHEN NOT EXISTS(SELECT 1 FROM runs WHERE id = NEW.run_id AND seq = NEW.seq - 1 AND epoch = NEW.epoch)
      THEN RAISE(IGNORE)
    ELSE RAISE(ABORT, 'illegal transition')
  END;
END;

-- Operator moves are no edges; each has a condition of its own. Where one goes back, `of_seq` names the ledger row.
CREATE TRIGGER legal_move BEFORE INSERT ON transitions
WHEN CASE NEW.event WHEN 'cancel' THEN 1 WHEN 'redrive' THEN 1 WHEN 'complete' THEN 1 WHEN 'rewind' THEN 1
  WHEN 'fork' THEN 1 WHEN 'migrate' THEN 1 ELSE 0 END BEGIN
  SELECT RAISE(IGNORE) WHERE NOT EXISTS(
    SELECT 1 FROM runs WHERE id = NEW.run_id AND seq = NEW.seq - 1 AND epoch = NEW.epoch);
  SELECT RAISE(ABORT, 'illegal transition') WHERE NOT EXISTS(
    SELECT 1 FROM runs r WHERE r.id = NEW.run_id AND r.state = NEW.source
    AND (NEW.event = 'migrate' OR NEW.workflow_id = r.workflow_id)
    -- Only a run that ends may go to a state that no edge leaves.
    AND (NEW.event IN ('cancel', 'complete', 'migrate')
      OR EXISTS(SELECT 1 FROM edges e WHERE e.workflow_id = r.workflow_id AND e.source = NEW.target))
    AND CASE NEW.event
      WHEN 'cancel' THEN NEW.target = r.state AND NEW.status = 'cancelled'
        AND r.status IN ('ready', 'running', 'waiting')
      -- Asked, a person answers that it was not done. Failed or dead, the run goes back to the state that an error row
      -- left, or to one that an earlier row entered, by the name that the last migration since then gave to that visit:
      -- its detail begins with them. (The functions for JSON are not trusted in triggers.)
      WHEN 'redrive' THEN NEW.status = 'ready' AND (
        (r.status = 'waiting' AND r.awaits = '["complete","redrive"]' AND NEW.target = r.state AND NEW.visit = r.visit)
        OR (r.status IN ('failed', 'dead') AND EXISTS(
          SELECT 1 FROM transitions t LEFT JOIN transitions m ON m.run_id = r.id AND m.seq = (
            SELECT max(seq) FROM transitions WHERE run_id = r.id AND seq > NEW.of_seq AND event = 'migrate')
          WHERE t.run_id = r.id AND t.seq = NEW.of_seq
          AND (t.visit = NEW.visit OR t.event GLOB 'error:*' AND NEW.visit = (
            SELECT p.visit FROM transitions p WHERE p.run_id = r.id AND p.seq = t.seq - 1))
          AND CASE WHEN m.seq IS NULL THEN NEW.target = iif(t.visit = NEW.visit, t.target, t.source)
            ELSE instr(substr(m.detail, 1, instr(m.detail, '}')), '"' || NEW.visit || '":"' || NEW.target || '"') END)))
      -- Both open a visit of the state that the named row entered, under the version that it was entered under.
      WHEN 'rewind' THEN NEW.status = 'ready' AND NEW.visit = NEW.seq AND NEW.attempt = 1 AND EXISTS(
        SELECT 1 FROM transitions t WHERE t.run_id = r.id AND t.seq = NEW.of_seq AND t.target = NEW.target
        AND t.workflow_id = r.workflow_id)
      WHEN 'fork' THEN NEW.status = 'ready' AND r.seq = 0 AND NEW.visit = 1 AND NEW.attempt = 1 AND EXISTS(
        SELECT 1 FROM runs o JOIN transitions t ON t.run_id = o.id
        WHERE o.uid = r.forked_from AND t.seq = NEW.of_seq AND t.target = NEW.target
        AND t.workflow_id = r.workflow_id)
      -- The visit goes on under another version. What failed stays failed; what is live is looked at anew, unless it
      -- rests before a retry or asks a person.
      WHEN 'migrate' THEN NEW.visit = r.visit AND NEW.attempt = r.attempt AND NEW.tries IS r.tries
        AND EXISTS(SELECT 1 FROM state_maps m WHERE m.workflow_id = r.workflow_id AND m.to_id = NEW.workflow_id
          AND m.source = r.state AND m.target = NEW.target)
        AND CASE WHEN r.status IN ('failed', 'dead') THEN NEW.status = r.status AND EXISTS(
            SELECT 1 FROM edges e WHERE e.workflow_id = NEW.workflow_id AND e.target = NEW.target
            AND e.ends = NEW.status)
          WHEN r.status IN ('ready', 'running', 'waiting') THEN EXISTS(
            SELECT 1 FROM edges e WHERE e.workflow_id = NEW.workflow_id AND e.source = NEW.target)
            AND (NEW.status = 'ready' AND NEW.due_at IS NULL AND NEW.awaits IS NULL
              OR NEW.status = 'waiting' AND r.status = 'waiting' AND NEW.due_at IS r.due_at AND NEW.awaits IS r.awaits
              AND (r.awaits IS NULL OR r.awaits = '["complete","redrive"]'))
          ELSE 0 END
      ELSE NEW.actor IS NOT NULL AND EXISTS(
        SELECT 1 FROM edges e WHERE e.workflow_id = r.workflow_id AND e.target = NEW.target
        AND (e.event = 'success' OR e.event GLOB 'success:*')
        AND iif(e.ends IS NULL, NEW.status IN ('ready', 'waiting'), NEW.status = e.ends)
        AND (e.source = r.state AND r.status = 'waiting' AND r.awaits = '["complete","redrive"]'
          OR r.status IN ('failed', 'dead') AND EXISTS(
            SELECT 1 FROM transitions t JOIN transitions p ON p.run_id = r.id AND p.seq = t.seq - 1
            LEFT JOIN transitions m ON m.run_id = r.id AND m.seq = (
              SELECT max(seq) FROM transitions WHERE run_id = r.id AND seq > NEW.of_seq AND event = 'migrate')
            WHERE t.run_id = r.id AND t.seq = NEW.of_seq AND (t.event GLOB 'error:*' OR t.event = 'fault')
            AND CASE WHEN m.seq IS NULL THEN e.source = t.source
              ELSE instr(substr(m.detail, 1, instr(m.detail, '}')), '"' || p.visit || '":"' || e.source || '"') END)))
    END);
END;
-- A row that names its own id could replace another; -1 is what a trigger sees where none is named.
CREATE TRIGGER transitions_new BEFORE INSERT ON transitions
WHEN NEW.id <> -1 AND EXISTS(SELECT 1 FROM transitions WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'append-only'); END;

-- While a run is driven, an edge touches no indexed column.
CREATE TRIGGER go_on AFTER INSERT ON transitions WHEN NEW.status = 'running' BEGIN
  UPDATE runs SET state = NEW.target, seq = NEW.seq, head = NEW.hash,
    entered_at = iif(visit = NEW.visit, entered_at, NEW.at),
    crashes = iif(visit = NEW.visit, crashes, 0),
    interrupted = iif(visit = NEW.visit, interrupted OR NEW.interrupted, 0),
    visits = coalesce(NEW.visits, visits),
    visit = NEW.visit, attempt = NEW.attempt, tries = NEW.tries, updated_at = NEW.at
  WHERE id = NEW.run_id;
END;

CREATE TRIGGER rest AFTER INSERT ON transitions WHEN NEW.status <> 'running' BEGIN
  UPDATE runs SET state = NEW.target, seq = NEW.seq, head = NEW.hash, workflow_id = NEW.workflow_id,
    entered_at = iif(visit = NEW.visit AND NEW.event <> 'redrive', entered_at, NEW.at),
    crashes = iif(visit = NEW.visit AND NEW.event <> 'redrive', crashes, 0),
    interrupted = CASE WHEN NEW.event = 'redrive' THEN NEW.interrupted WHEN NEW.event = 'fault' THEN interrupted
      WHEN visit = NEW.visit AND (NEW.event GLOB 'retry:*' OR NEW.event = 'migrate') THEN interrupted OR NEW.interrupted
      ELSE 0 END,
    visits = coalesce(NEW.visits, visits),
    visit = NEW.visit, attempt = NEW.attempt, tries = NEW.tries, updated_at = NEW.at,
    status = NEW.status, due_at = NEW.due_at, awaits = NEW.awaits, worker_id = NULL
  WHERE id = NEW.run_id;
END;

CREATE TRIGGER transitions_kept BEFORE DELETE ON transitions
WHEN EXISTS(SELECT 1 FROM runs WHERE id = OLD.run_id) BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER transitions_fixed BEFORE UPDATE ON transitions BEGIN SELECT RAISE(ABORT, 'append-only'); END;

-- Inputs come with the run's birth, outputs with the transition that wrote them.
CREATE TRIGGER artifacts_written BEFORE INSERT ON artifacts
WHEN NOT EXISTS(SELECT 1 FROM runs WHERE id = NEW.run_id AND seq = NEW.seq)
  OR EXISTS(SELECT 1 FROM artifacts WHERE run_id = NEW.run_id AND name = NEW.name AND seq = NEW.seq)
  OR (NEW.id <> -1 AND EXISTS(SELECT 1 FROM artifacts WHERE id = NEW.id))
BEGIN SELECT RAISE(ABORT, 'an artifact belongs to the latest transition'); END;
CREATE TRIGGER artifacts_kept BEFORE DELETE ON artifacts
WHEN EXISTS(SELECT 1 FROM runs WHERE id = OLD.run_id) BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER artifacts_fixed BEFORE UPDATE ON artifacts BEGIN SELECT RAISE(ABORT, 'append-only'); END;

CREATE TRIGGER edges_fixed BEFORE UPDATE ON edges BEGIN SELECT RAISE(ABORT, 'sealed'); END;
CREATE TRIGGER edges_kept BEFORE DELETE ON edges
WHEN EXISTS(SELECT 1 FROM workflows WHERE id = OLD.workflow_id) BEGIN SELECT RAISE(ABORT, 'sealed'); END;
CREATE TRIGGER edges_sealed BEFORE INSERT ON edges
WHEN (SELECT sealed FROM workflows WHERE id = NEW.workflow_id) IS NOT 0 BEGIN SELECT RAISE(ABORT, 'sealed'); END;
CREATE TRIGGER workflows_fixed BEFORE UPDATE ON workflows
WHEN OLD.sealed OR (NEW.id, NEW.name, NEW.version, NEW.digest, NEW.text) <> (OLD.id, OLD.name, OLD.version, OLD.digest, OLD.text)
BEGIN SELECT RAISE(ABORT, 'sealed'); END;
CREATE TRIGGER workflows_new BEFORE INSERT ON workflows
WHEN EXISTS(SELECT 1 FROM workflows WHERE id = NEW.id OR digest = NEW.digest OR (name = NEW.name AND version = NEW.version))
BEGIN SELECT RAISE(ABORT, 'sealed'); END;
CREATE TRIGGER workflows_kept BEFORE DELETE ON workflows
WHEN EXISTS(SELECT 1 FROM runs WHERE workflow_id = OLD.id) BEGIN SELECT RAISE(ABORT, 'runs are pinned to it'); END;

CREATE TRIGGER born BEFORE INSERT ON runs
WHEN NEW.seq <> 0 OR NEW.state <> '' OR NEW.status NOT IN ('ready', 'running')
  OR NOT EXISTS(SELECT 1 FROM workflows WHERE id = NEW.workflow_id AND name = NEW.name AND sealed)
  OR EXISTS(SELECT 1 FROM runs WHERE id = NEW.id OR uid = NEW.uid OR (name = NEW.name AND key = NEW.key))
BEGIN SELECT RAISE(ABORT, 'a run begins at start'); END;

CREATE TRIGGER follow BEFORE UPDATE OF state, seq, head, workflow_id, visit, entered_at, attempt, tries, visits ON runs
WHEN (NEW.state, NEW.seq, NEW.head, NEW.workflow_id, NEW.visit, NEW.entered_at, NEW.attempt, NEW.tries, NEW.visits)
  IS NOT (OLD.state, OLD.seq, OLD.head, OLD.workflow_id, OLD.visit, OLD.entered_at, OLD.attempt, OLD.tries, OLD.visits)
BEGIN
  SELECT RAISE(ABORT, 'no transition leads here') WHERE NEW.seq <> OLD.seq + 1 OR NOT EXISTS(
    SELECT 1 FROM transitions WHERE run_id = NEW.id AND seq = NEW.seq AND target = NEW.state AND status = NEW.status
    AND hash = NEW.head AND visit = NEW.visit AND attempt = NEW.attempt);
END;
CREATE TRIGGER rests BEFORE UPDATE OF status ON runs
WHEN NEW.status <> OLD.status AND NEW.seq = OLD.seq
  AND NOT (NEW.status IN ('ready', 'running', 'waiting') AND OLD.status IN ('ready', 'running', 'waiting'))
BEGIN SELECT RAISE(ABORT, 'no transition leads here'); END;
CREATE TRIGGER same BEFORE UPDATE OF id, uid, name, key, input_digest, started_at, forked_from ON runs
WHEN (NEW.id, NEW.uid, NEW.name, NEW.key, NEW.input_digest, NEW.started_at, NEW.forked_from)
  IS NOT (OLD.id, OLD.uid, OLD.name, OLD.key, OLD.input_digest, OLD.started_at, OLD.forked_from)
BEGIN SELECT RAISE(ABORT, 'a run keeps its identity'); END;
CREATE TRIGGER fenced BEFORE UPDATE OF epoch ON runs WHEN NEW.epoch < OLD.epoch
BEGIN SELECT RAISE(ABORT, 'an epoch only grows'); END;
CREATE TRIGGER live_kept BEFORE DELETE ON runs WHEN OLD.status IN ('ready', 'running', 'waiting')
BEGIN SELECT RAISE(ABORT, 'the run is live; cancel it first'); END;
CREATE TRIGGER vacates AFTER DELETE ON runs WHEN OLD.id > (SELECT row FROM vacated)
BEGIN UPDATE vacated SET row = OLD.id; END;
CREATE TRIGGER born_new AFTER INSERT ON runs WHEN NEW.id <= (SELECT row FROM vacated)
BEGIN SELECT RAISE(ABORT, 'the row of a run that was deleted is given to no other'); END;
CREATE TRIGGER vacated_grows BEFORE UPDATE ON vacated WHEN NEW.row <= OLD.row
BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER vacated_once BEFORE INSERT ON vacated BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER vacated_kept BEFORE DELETE ON vacated BEGIN SELECT RAISE(ABORT, 'append-only'); END;

CREATE TRIGGER dropped_new BEFORE INSERT ON dropped
WHEN EXISTS(SELECT 1 FROM runs WHERE uid = NEW.uid) OR EXISTS(SELECT 1 FROM dropped WHERE uid = NEW.uid)
BEGIN SELECT RAISE(ABORT, 'a run is dropped once'); END;
CREATE TRIGGER dropped_fixed BEFORE UPDATE ON dropped BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER dropped_kept BEFORE DELETE ON dropped BEGIN SELECT RAISE(ABORT, 'append-only'); END;

-- A run goes first, then what it leaves behind, which may take several transactions.
CREATE TRIGGER remains_made AFTER DELETE ON runs BEGIN INSERT INTO remains(run_id) VALUES (OLD.id); END;
CREATE TRIGGER remains_new BEFORE INSERT ON remains
WHEN EXISTS(SELECT 1 FROM runs WHERE id = NEW.run_id) OR EXISTS(SELECT 1 FROM remains WHERE run_id = NEW.run_id)
BEGIN SELECT RAISE(ABORT, 'the run is there'); END;
CREATE TRIGGER remains_fixed BEFORE UPDATE ON remains BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER remains_kept BEFORE DELETE ON remains WHEN EXISTS(SELECT 1 FROM transitions WHERE run_id = OLD.run_id)
BEGIN SELECT RAISE(ABORT, 'something of it is left'); END;

-- A map is written anew, never altered, for the moves that follow it; where earlier ones led the ledger tells.
CREATE TRIGGER state_maps_new BEFORE INSERT ON state_maps
WHEN NEW.workflow_id = NEW.to_id OR NEW.source = '' OR NEW.target = ''
  OR (SELECT name FROM workflows WHERE id = NEW.workflow_id) IS NOT (SELECT name FROM workflows WHERE id = NEW.to_id)
  OR NOT EXISTS(SELECT 1 FROM edges e WHERE e.workflow_id = NEW.workflow_id AND NEW.source IN (e.source, e.target))
  OR NOT EXISTS(SELECT 1 FROM edges e WHERE e.workflow_id = NEW.to_id AND NEW.target IN (e.source, e.target))
BEGIN SELECT RAISE(ABORT, 'a state map leads to a state of another version of the workflow'); END;
CREATE TRIGGER state_maps_fixed BEFORE UPDATE ON state_maps BEGIN SELECT RAISE(ABORT, 'sealed'); END;
