-- The tokens that grant access to the service. No column contains a token's secret: only its hash is
-- stored, and a service compares hashes. `arc-host token` creates, lists and revokes tokens;
-- recording never uses this table.
CREATE TABLE arc_recorder.access_tokens (
    -- The part of the token that is not secret, by which it is looked up.
    token_id text PRIMARY KEY CHECK (token_id ~ '^[0-9a-f]{16}$'),
    -- A display name.
    name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 100),
    -- The permissions: read, record, admin (which includes both).
    scopes text[] NOT NULL
        CHECK (scopes <@ ARRAY['read', 'record', 'admin'] AND cardinality(scopes) >= 1),
    -- SHA-256 of the token's whole text. The secret has 256 random bits, so no slower hash is needed.
    token_sha256 bytea NOT NULL CHECK (octet_length(token_sha256) = 32),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- From this time on, the token grants no access.
    revoked_at timestamptz
);

-- Among the tokens that are not revoked, a name is unique.
CREATE UNIQUE INDEX access_tokens_names ON arc_recorder.access_tokens (name)
    WHERE revoked_at IS NULL;
