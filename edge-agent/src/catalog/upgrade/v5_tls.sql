-- Recorders may be talked to over TLS, and are then known by their certificate (SHA-256 as 64 hex digits).
alter table recorder add column tls integer not null default 0 check (tls in (0, 1));
alter table recorder add column tls_sha256 text;
alter table recorder add column tls_other_sha256 text;
