-- How recorders' clocks ran, and a recorder that uses a name and a start once more after its clock was set back: that
-- is part of a recording's identity, so the table is made anew. Its triggers go with it and come back at the end.
alter table recorder add column clock_zone text;
alter table recorder add column clock_drift_ms_per_day integer;
alter table recorder add column clock_told integer not null default 0 check (clock_told in (0, 1));

create table clock_run (
    recorder_id text not null references recorder (id),
    number      integer not null check (number >= 1),
    began_by    text not null check (began_by in ('first', 'recorder', 'box', 'either', 'zone')),
    step_ms     integer not null,
    began_utc   integer not null,
    last_utc    integer not null,
    zone        text not null,
    first_offset_ms integer not null,
    last_offset_ms  integer not null,
    box_was_wrong integer not null check (box_was_wrong in (0, 1)),
    primary key (recorder_id, number)
) strict;

create table recording_new (
    id              text primary key,
    camera_id       text not null references camera (id),
    status          text not null check (status in ('pending', 'downloading', 'completed', 'failed', 'evicted')),
    start_utc       integer not null,
    end_utc         integer not null check (end_utc >= start_utc),
    recorder_serial text not null,
    channel         integer not null,
    source_name     text not null,
    source_start    text not null,
    source_end      text not null,
    source_fold     integer not null default 0 check (source_fold in (0, 1)),
    source_nth      integer not null default 1 check (source_nth >= 1),
    source_end_fold integer not null default 0 check (source_end_fold in (0, 1)),
    clock_offset_ms integer not null,
    zone_minutes    integer not null,
    stated_bytes    integer not null,
    source_type     integer not null default 0,
    source_locked   integer not null default 0 check (source_locked in (0, 1)),
    priority        integer not null default 0,
    attempts        integer not null default 0,
    next_attempt_utc integer,
    failure         text,
    source_gone     integer not null default 0 check (source_gone in (0, 1)),
    received_bytes  integer not null default 0,
    rejected_digest text,
    volume_id       integer references volume (id),
    stem            text,
    kept_bytes      integer,
    digest          text,
    source_bytes    integer,
    source_digest   text,
    video_codec     text,
    audio_codec     text,
    width           integer,
    height          integer,
    duration_ms     integer,
    fragments       text,
    defects         text not null default '[]',
    completed_utc   integer,
    locked          integer not null default 0 check (locked in (0, 1)),
    eviction_cause  text check (eviction_cause in ('retention', 'pressure', 'deleted', 'archive_cleared')),
    evicted_utc     integer,
    created_utc     integer not null,
    updated_utc     integer not null,
    unique (recorder_serial, channel, source_name, source_start, source_fold, source_nth),
    check (status <> 'completed' or (volume_id is not null and stem is not null and kept_bytes is not null and digest is not null)),
    check ((status = 'evicted') = (eviction_cause is not null)),
    check (not (locked = 1 and status = 'evicted'))
) strict;
insert into recording_new (
    id, camera_id, status, start_utc, end_utc, recorder_serial, channel, source_name, source_start, source_end,
    source_fold, source_end_fold, clock_offset_ms, zone_minutes, stated_bytes, source_type, source_locked,
    priority, attempts, next_attempt_utc, failure, source_gone, received_bytes, rejected_digest, volume_id,
    stem, kept_bytes, digest, source_bytes, source_digest, video_codec, audio_codec, width, height,
    duration_ms, fragments, defects, completed_utc, locked, eviction_cause, evicted_utc, created_utc,
    updated_utc
) select
    id, camera_id, status, start_utc, end_utc, recorder_serial, channel, source_name, source_start, source_end,
    source_fold, source_end_fold, clock_offset_ms, zone_minutes, stated_bytes, source_type, source_locked,
    priority, attempts, next_attempt_utc, failure, source_gone, received_bytes, rejected_digest, volume_id,
    stem, kept_bytes, digest, source_bytes, source_digest, video_codec, audio_codec, width, height,
    duration_ms, fragments, defects, completed_utc, locked, eviction_cause, evicted_utc, created_utc,
    updated_utc
from recording;
drop table recording;
alter table recording_new rename to recording;

create index recording_by_camera on recording (camera_id, start_utc, id, end_utc, status);
create index recording_by_camera_status on recording (camera_id, status, start_utc, id, end_utc);
create index recording_by_start on recording (start_utc, id);
create index recording_by_status on recording (status, start_utc, id);
create index recording_to_fetch on recording (camera_id, priority desc, start_utc)
    where status in ('pending', 'downloading') or (status = 'failed' and next_attempt_utc is not null);
create index recording_to_evict on recording (volume_id, locked, start_utc, id) where status = 'completed';
create index recording_to_age on recording (camera_id, locked, start_utc, id) where status = 'completed';
create unique index recording_stem on recording (volume_id, stem) where stem is not null;
create index recording_unfinished on recording (id) where stem is not null and status <> 'completed';

create trigger holding_insert after insert on recording begin
    update holding set
        recordings = recordings + (new.status = 'completed'),
        bytes = bytes + iif(new.status = 'completed', new.kept_bytes, 0),
        longest_us = max(longest_us, new.end_utc - new.start_utc)
    where camera_id = new.camera_id;
    update volume set held_recordings = held_recordings + 1, held_bytes = held_bytes + new.kept_bytes
    where id = new.volume_id and new.status = 'completed';
end;
create trigger holding_gain after update of status on recording
when new.status = 'completed' and old.status <> 'completed' begin
    update holding set recordings = recordings + 1, bytes = bytes + new.kept_bytes where camera_id = new.camera_id;
    update volume set held_recordings = held_recordings + 1, held_bytes = held_bytes + new.kept_bytes
    where id = new.volume_id;
end;
create trigger holding_loss after update of status on recording
when old.status = 'completed' and new.status <> 'completed' begin
    update holding set recordings = recordings - 1, bytes = bytes - old.kept_bytes where camera_id = old.camera_id;
    update volume set held_recordings = held_recordings - 1, held_bytes = held_bytes - old.kept_bytes
    where id = old.volume_id;
end;
create trigger holding_length after update of start_utc, end_utc on recording begin
    update holding set longest_us = max(longest_us, new.end_utc - new.start_utc) where camera_id = new.camera_id;
end;
