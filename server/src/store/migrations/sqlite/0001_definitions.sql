-- Apps, functions and triggers. The columns are what is looked up, ordered or constrained by;
-- everything else of a record is in its document.
CREATE TABLE apps (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    doc TEXT NOT NULL,
    CONSTRAINT apps_name UNIQUE (name)
);

CREATE TABLE fns (
    id TEXT NOT NULL PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    doc TEXT NOT NULL,
    CONSTRAINT fns_name UNIQUE (app_id, name),
    -- What a trigger refers to: with it no trigger can have a function of another app.
    CONSTRAINT fns_app UNIQUE (id, app_id)
);

CREATE TABLE triggers (
    id TEXT NOT NULL PRIMARY KEY,
    app_id TEXT NOT NULL,
    fn_id TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    source TEXT NOT NULL,
    doc TEXT NOT NULL,
    CONSTRAINT triggers_name UNIQUE (fn_id, name),
    CONSTRAINT triggers_source UNIQUE (app_id, type, source),
    CONSTRAINT triggers_fn FOREIGN KEY (fn_id, app_id) REFERENCES fns (id, app_id) ON DELETE CASCADE
);
CREATE INDEX triggers_listed ON triggers (app_id, name, id);

-- One row. Every write takes the next number first, so that writers form a queue.
CREATE TABLE revision (n BIGINT NOT NULL);
INSERT INTO revision (n) VALUES (0);

-- The number of the write that last changed how a function is served. What was deleted stays.
CREATE TABLE changes (
    fn_id TEXT NOT NULL PRIMARY KEY,
    n BIGINT NOT NULL
);
CREATE INDEX changes_n ON changes (n);
