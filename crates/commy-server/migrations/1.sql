-- Who there is, what there is, and who may do what with it. Numbers are made by the server and never used again, so that
-- nothing that once was is taken for something that is. It keeps to what SQLite and PostgreSQL both understand.

CREATE TABLE tenant (
    id BIGINT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE service (
    id BIGINT PRIMARY KEY NOT NULL,
    tenant BIGINT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    mode TEXT NOT NULL,
    quota BIGINT NOT NULL,
    UNIQUE (tenant, name)
);

CREATE TABLE principal (
    id BIGINT PRIMARY KEY NOT NULL,
    tenant BIGINT REFERENCES tenant (id),
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- The subject of tokens, or the number of the user.
    outside TEXT,
    UNIQUE (kind, outside)
);

CREATE TABLE principal_group (
    id BIGINT PRIMARY KEY NOT NULL,
    tenant BIGINT REFERENCES tenant (id),
    name TEXT NOT NULL
);

CREATE TABLE member (
    principal_group BIGINT NOT NULL REFERENCES principal_group (id) ON DELETE CASCADE,
    principal BIGINT NOT NULL REFERENCES principal (id) ON DELETE CASCADE,
    PRIMARY KEY (principal_group, principal)
);

CREATE TABLE api_key (
    id TEXT PRIMARY KEY NOT NULL,
    principal BIGINT NOT NULL REFERENCES principal (id) ON DELETE CASCADE,
    -- SHA-256 of the secret, in hexadecimal digits.
    hash TEXT NOT NULL,
    -- Seconds since 1970.
    created BIGINT NOT NULL,
    expires BIGINT
);

CREATE TABLE permission_grant (
    id BIGINT PRIMARY KEY NOT NULL,
    -- To one of these,
    principal BIGINT REFERENCES principal (id) ON DELETE CASCADE,
    principal_group BIGINT REFERENCES principal_group (id) ON DELETE CASCADE,
    -- at the service, or else the tenant, or else the server.
    tenant BIGINT REFERENCES tenant (id) ON DELETE CASCADE,
    service BIGINT REFERENCES service (id) ON DELETE CASCADE,
    permissions BIGINT NOT NULL,
    CHECK ((principal IS NULL) <> (principal_group IS NULL)),
    CHECK (service IS NULL OR tenant IS NOT NULL)
);

CREATE TABLE audit (
    id BIGINT PRIMARY KEY NOT NULL,
    -- Milliseconds since 1970.
    at BIGINT NOT NULL,
    -- No reference: it outlives what it tells of.
    principal BIGINT,
    tenant BIGINT,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    allowed BIGINT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX audit_of_tenant ON audit (tenant, id);
