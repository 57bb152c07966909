-- Who may use the service. A token's secret is in no column: only its hash is, and a service
-- compares hashes. Tokens are made, listed and revoked by `arc-host token`; recording never
-- touches them.
CREATE TABLE arc_recorder.access_tokens (
    -- The part of the token that is no secret, by which it is found.
    token_id text PRIMARY KEY CHECK (token_id ~ '^[0-9a-f]{16}$'),
    -- A name for people.
    name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 100),
    -- What it allows: read, record, admin (which is both).
    scopes text[] NOT NULL
        CHECK (scopes <@ ARRAY['read', 'record', 'admin'] AND cardinality(scopes) >= 1),
    -- SHA-256 of the token's whole text. The secret has 256 random bits, so nothing slower is needed.
    token_sha256 bytea NOT NULL CHECK (octet_length(token_sha256) = 32),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- From then on it allows nothing.
    revoked_at timestamptz
);

-- Among the tokens that work a name says which one it is.
CREATE UNIQUE INDEX access_tokens_names ON arc_recorder.access_tokens (name)
    WHERE revoked_at IS NULL;
