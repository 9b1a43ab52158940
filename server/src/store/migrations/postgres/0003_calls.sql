-- Calls: those to be run, and those that were, for a while. The columns are what is looked up or
-- ordered by; everything else that is told of a call is in its document.
CREATE TABLE calls (
    -- Sorts by when the call came.
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    -- No reference: what runs just now is to end in peace when its function is deleted.
    fn_id TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    -- Milliseconds since 1970 from when on any node may take it: when it is to be tried, or, while
    -- it runs, when its node counts as dead.
    due BIGINT NOT NULL,
    -- Who runs it.
    owner TEXT COLLATE "C" NOT NULL,
    -- Of the request.
    bytes BIGINT NOT NULL,
    doc TEXT NOT NULL,
    -- Empty once nobody can want to make the call again.
    request TEXT NOT NULL,
    -- What the function wrote.
    log TEXT NOT NULL DEFAULT ''
);
CREATE INDEX calls_listed ON calls (fn_id, id, status);
CREATE INDEX calls_open ON calls (due, id, bytes) WHERE status IN ('delayed', 'queued', 'running');
CREATE INDEX calls_owned ON calls (owner) WHERE status = 'running';
CREATE INDEX calls_over ON calls (status, id) WHERE NOT status IN ('delayed', 'queued', 'running');
