-- Who was given a segment: a mapping cannot be taken back, so when one of these may not have it any more, the service moves to
-- another segment. No reference to the principal or key: it is when these are gone that it is needed.

CREATE TABLE mapping (
    service BIGINT NOT NULL REFERENCES service (id) ON DELETE CASCADE,
    principal BIGINT NOT NULL,
    -- By which it was asked for, or nothing.
    api_key TEXT NOT NULL,
    writes BIGINT NOT NULL,
    PRIMARY KEY (service, principal, api_key, writes)
);
