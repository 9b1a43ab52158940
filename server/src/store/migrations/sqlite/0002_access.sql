-- Tokens. What is kept of one is in its document, and not enough to use it.
CREATE TABLE tokens (
    id TEXT NOT NULL PRIMARY KEY,
    doc TEXT NOT NULL
);

-- One row: the number of the write that last made or revoked one.
CREATE TABLE tokens_changed (n BIGINT NOT NULL);
INSERT INTO tokens_changed (n) VALUES (0);

-- Secrets, apart from the documents: what reads or lists those never reads these.
ALTER TABLE apps ADD COLUMN secrets TEXT NOT NULL DEFAULT '{}';
ALTER TABLE fns ADD COLUMN secrets TEXT NOT NULL DEFAULT '{}';
