-- Archives (S3, S4); who downloaded one is told in the access log, where it belongs to no single camera.

-- ZIPs of recordings of a date range (S3). While `volume_id` is set a file of it may lie there: `archives/<id>.part`
-- while it is built, `archives/<file>` once `file` and `digest` are set. It is null again once nothing lies there.
create table archive (
    id          text primary key,
    state       text not null check (state in ('building', 'ready', 'downloaded', 'clearing', 'cleared', 'failed')),
    origin      text not null check (origin in ('weekly', 'asked')),
    from_utc    integer not null,
    to_utc      integer not null check (to_utc > from_utc),
    -- JSON list of ids; null: all.
    cameras     text,
    asked_by    text,
    recordings  integer not null,
    -- Of the file; reckoned while it is built.
    bytes       integer not null,
    written_bytes integer not null default 0,
    digest      text,
    volume_id   integer references volume (id),
    file        text,
    damaged     integer not null default 0,
    left_out    integer not null default 0,
    failure     text,
    -- What of the file was delivered: JSON list of [first, end) in order, none touching another.
    delivered   text not null default '[]',
    cleared_recordings integer not null default 0,
    locked_recordings integer not null default 0,
    mail_state  text not null default 'none' check (mail_state in ('none', 'waiting', 'sent', 'failed')),
    mail_attempts integer not null default 0,
    mail_next_utc integer,
    mail_failure text,
    created_utc integer not null,
    ready_utc   integer,
    downloaded_utc integer,
    cleared_utc integer,
    check (state not in ('ready', 'downloaded') or (volume_id is not null and file is not null and digest is not null))
) strict;
create unique index archive_file on archive (volume_id, file) where file is not null;

-- The recordings of an archive in the order in which they are packed, and their names in it. Those of an archive that
-- is built cannot leave. The rows go when the archive is cleared or given up.
create table archive_item (
    archive_id   text not null references archive (id) on delete cascade,
    n            integer not null,
    recording_id text not null references recording (id),
    -- Without extension.
    name         text not null,
    -- Why it could not be read and is not in it.
    left_out     text,
    primary key (archive_id, n)
) strict, without rowid;
create index archive_item_by_recording on archive_item (recording_id);

drop index access_log_by_time;
alter table access_log rename to access_log_old;
create table access_log (
    id           integer primary key,
    at_utc       integer not null,
    username     text not null,
    via          text not null check (via in ('lan', 'relay')),
    address      text,
    action       text not null check (action in ('download', 'playback', 'live')),
    -- Null for an archive.
    camera_id    text,
    recording_id text,
    archive_id   text,
    range_from   integer,
    range_to     integer,
    bytes        integer not null,
    request_id   text not null
) strict;
insert into access_log (id, at_utc, username, via, address, action, camera_id, recording_id, range_from, range_to, bytes,
        request_id)
    select id, at_utc, username, via, address, action, camera_id, recording_id, range_from, range_to, bytes, request_id
    from access_log_old;
drop table access_log_old;
create index access_log_by_time on access_log (at_utc);
