-- Another number each time that somebody is given a segment: who was given one once more, while the service moved away from
-- the one before, is not forgotten with that.
ALTER TABLE mapping ADD COLUMN given BIGINT NOT NULL DEFAULT 0;
