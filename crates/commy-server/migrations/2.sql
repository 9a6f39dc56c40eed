-- Objects at which something was granted. Their names are looked up once; a row goes with the object that it is for, so that
-- one that is made under its name later has none of its grants.

CREATE TABLE object (
    id BIGINT PRIMARY KEY NOT NULL,
    service BIGINT NOT NULL REFERENCES service (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    UNIQUE (service, name)
);

-- Of a grant at an object, besides its tenant and service.
ALTER TABLE permission_grant ADD COLUMN object BIGINT REFERENCES object (id) ON DELETE CASCADE;
