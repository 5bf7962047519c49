-- The catalog of an appliance at its newest version (`upgrade/` leads here from older ones). It is a cache of what lies on
-- the disks and on the recorders: footage describes itself (sidecars, S9), so a lost catalog can be rebuilt.
--
-- Times are microseconds since 1970 in UTC (`_utc`); sizes are bytes (`_bytes`). Ids are UUIDs as text.
-- A recorder's own clock is text without a zone, beside the offset that was measured (R13).

create table recorder (
    id              text primary key,
    name            text not null,
    driver          text not null default 'sdk' check (driver in ('sdk', 'isapi')),
    address         text not null,
    port            integer not null check (port between 1 and 65535),
    username        text not null,
    -- Over TLS: the certificate that it is known by since its first login, and another one that it shows now and that
    -- nobody has accepted. SHA-256 as 64 hex digits.
    tls             integer not null default 0 check (tls in (0, 1)),
    tls_sha256      text,
    tls_other_sha256 text,
    -- Sealed by secrets.rs; nothing else can open it.
    password_sealed blob not null,
    -- Another one whenever a person sets a password; sealing the same one anew keeps it.
    password_id     text not null default '',
    enabled         integer not null default 1 check (enabled in (0, 1)),
    -- Session state (R3). 'error' is not retried until the settings change.
    state           text not null default 'unknown' check (state in ('unknown', 'online', 'offline', 'error')),
    state_reason    text,
    last_checked_utc integer,
    -- Told at login.
    serial          text,
    model           text,
    -- Recorder's clock less true time, and its zone in minutes east, measured at the last login.
    clock_offset_ms integer,
    zone_minutes    integer,
    -- Its zone as a POSIX text in our spelling; what its clock gains in a day, once a run is long enough to tell.
    clock_zone      text,
    clock_drift_ms_per_day integer,
    -- People were told that its clock is wrong.
    clock_told      integer not null default 0 check (clock_told in (0, 1)),
    -- What the device's stated size and the saved size differ by, learnt from downloads (ABI §10.5); null: not learnt.
    size_delta_bytes integer,
    -- A removed recorder stays as a row without a password, because the footage that came from it stays; when the
    -- same serial is added again, its cameras pass to the new row.
    removed_utc     integer,
    created_utc     integer not null,
    updated_utc     integer not null
) strict;

-- What a recorder last said of the credentials that it was sent; outlives a restart, since each further attempt with
-- refused ones could lock the account. Counts for the settings it was given to only.
create table login (
    recorder_id text primary key references recorder (id),
    -- Fingerprint of address, port, account and the id of the password.
    settings    text not null,
    -- They were accepted at least once.
    proven      integer not null check (proven in (0, 1)),
    -- Null: the last answer was yes.
    refusal     text check (refusal in ('refused', 'locked')),
    reason      text,
    vendor_code integer,
    answered_utc integer not null
) strict;

-- How a recorder's clock ran beside the box's (R13): one row from one step, of either clock, to the next. Footage is
-- translated by the run in which it was recorded, so no row is ever changed to another's.
create table clock_run (
    recorder_id text not null references recorder (id),
    number      integer not null check (number >= 1),
    -- What began it: the recorder's clock was set, the box's, one of the two, or the zone; and by how much.
    began_by    text not null check (began_by in ('first', 'recorder', 'box', 'either', 'zone')),
    step_ms     integer not null,
    -- First and newest reading, by the box's clock.
    began_utc   integer not null,
    last_utc    integer not null,
    zone        text not null,
    -- The recorder's clock less the box's at both.
    first_offset_ms integer not null,
    last_offset_ms  integer not null,
    -- The box's clock turned out to be wrong then: nothing is translated by it.
    box_was_wrong integer not null check (box_was_wrong in (0, 1)),
    primary key (recorder_id, number)
) strict;

create table camera (
    id          text primary key,
    recorder_id text not null references recorder (id),
    channel     integer not null,
    name        text not null,
    -- Given by a person: the recorder's name for the channel no longer replaces it.
    name_by_person integer not null default 0 check (name_by_person in (0, 1)),
    -- Whether footage is fetched; what is held is served and kept by the same rules either way.
    enabled     integer not null default 1 check (enabled in (0, 1)),
    state       text not null default 'unknown' check (state in ('unknown', 'online', 'offline')),
    -- Retention: null takes the default of the configuration.
    keep_max_s  integer,
    keep_max_bytes integer,
    keep_min_s  integer,
    keep        text not null default 'mp4' check (keep in ('mp4', 'native', 'both')),
    created_utc integer not null,
    updated_utc integer not null,
    unique (recorder_id, channel)
) strict;

-- What a recorder answered for a range, when. Gaps are computed from these (R9, invariant 5). Kept short: a complete
-- answer that continues an earlier one extends its row, and a channel has at most one failed row.
create table observation (
    id          integer primary key,
    recorder_id text not null references recorder (id),
    channel     integer not null,
    -- Asked range, true time.
    from_utc    integer not null,
    to_utc      integer not null,
    -- Up to here the answer is final: what lies later may still grow, is not in the catalog yet and is asked again.
    settled_utc integer not null check (settled_utc between from_utc and to_utc),
    asked_utc   integer not null,
    -- 'complete': the listing is whole. 'failed': nothing may be concluded.
    result      text not null check (result in ('complete', 'failed')),
    found       integer not null default 0,
    failure     text,
    clock_offset_ms integer,
    zone_minutes integer
) strict;
create index observation_by_range on observation (recorder_id, channel, result, settled_utc, from_utc);

-- How far back a channel reaches, by the newest reading: the start of the oldest footage that the recorder lists (null:
-- it lists none), and by how many milliseconds that moves forward in an hour (null: it does not move).
create table reach (
    recorder_id   text not null references recorder (id),
    channel       integer not null,
    told_utc      integer not null,
    oldest_utc    integer,
    pace_ms_per_h integer,
    primary key (recorder_id, channel)
) strict;

-- The readings of the last days, which the pace is taken from.
create table reach_reading (
    recorder_id text not null references recorder (id),
    channel     integer not null,
    told_utc    integer not null,
    oldest_utc  integer not null,
    primary key (recorder_id, channel, told_utc)
) strict, without rowid;

-- Settled stretches where an empty answer proves nothing. 'open': how far back the recorder reaches was not read since
-- it answered. 'beyond': its oldest footage was already younger when it was asked first. A reading that reaches back
-- further than a stretch deletes its row, since recorders only lose what is oldest.
create table doubt (
    id          integer primary key,
    recorder_id text not null references recorder (id),
    channel     integer not null,
    kind        text not null check (kind in ('open', 'beyond')),
    from_utc    integer not null,
    to_utc      integer not null check (to_utc > from_utc),
    -- When the stretch was asked about last while it was open.
    asked_utc   integer not null
) strict;
create index doubt_by_range on doubt (recorder_id, channel, kind, to_utc);

-- Recorders that are about to overwrite footage that is not fetched: people were told, and are told again only after
-- the row was gone.
create table overwrite_risk (
    recorder_id text primary key references recorder (id),
    recordings  integer not null,
    first_gone_utc integer not null,
    told_utc    integer not null
) strict;

create table volume (
    id           integer primary key,
    name         text not null unique,
    path         text not null,
    -- Written into the volume's marker file; tells a mounted disk from an empty mount point.
    uuid         text not null unique,
    tier         text not null default 'hot' check (tier in ('hot', 'warm', 'cold')),
    -- Footage on it came with the disk, from a catalog that is lost or from another box: it is read in from its
    -- sidecars (S9). 0 once that is done.
    to_adopt     integer not null default 0 check (to_adopt in (0, 1)),
    -- Completed footage on it, kept by triggers on recording.
    held_recordings integer not null default 0,
    held_bytes   integer not null default 0,
    -- Of that, protected by locks and bookmarks.
    locked_recordings integer not null default 0,
    locked_bytes integer not null default 0,
    -- Its disk was there once: a marker was found or written. Until then a folder without one is claimed.
    made         integer not null default 1 check (made in (0, 1))
) strict;

create table recording (
    id              text primary key,
    camera_id       text not null references camera (id),
    status          text not null check (status in ('pending', 'downloading', 'completed', 'failed', 'evicted')),
    -- Span in true time; the end is exclusive and may move until the recorder has settled it.
    start_utc       integer not null,
    end_utc         integer not null check (end_utc >= start_utc),

    -- As the recorder told it: identity is (serial, channel, name, start as told with its DST fold). A recorder whose
    -- clock was set back may use a name and a start once more: `source_nth` counts them.
    recorder_serial text not null,
    channel         integer not null,
    source_name     text not null,
    source_start    text not null,
    source_end      text not null,
    source_fold     integer not null default 0 check (source_fold in (0, 1)),
    source_nth      integer not null default 1 check (source_nth >= 1),
    source_end_fold integer not null default 0 check (source_end_fold in (0, 1)),
    -- The recorder's clock less true time, and its zone in minutes east, both when it began.
    clock_offset_ms integer not null,
    zone_minutes    integer not null,
    stated_bytes    integer not null,
    source_type     integer not null default 0,
    source_locked   integer not null default 0 check (source_locked in (0, 1)),

    -- Order. Higher goes first: 0 background, 10 asked for by a person.
    priority        integer not null default 0,
    attempts        integer not null default 0,
    next_attempt_utc integer,
    failure         text,
    -- The recorder no longer holds it: overwritten before it was fetched.
    source_gone     integer not null default 0 check (source_gone in (0, 1)),
    received_bytes  integer not null default 0,
    -- Digest and size of the last complete download that failed verification: two alike are kept with defects.
    rejected_digest text,

    -- Kept. The stem is relative to the volume, without extension. It is reserved here before any file has that name,
    -- so that after a power cut the row says where to look (invariant 3).
    volume_id       integer references volume (id),
    stem            text,
    kept_bytes      integer,
    digest          text,
    source_bytes    integer,
    -- Bytes that the recorder has sent for it, over all attempts; over source_bytes they say how well it resumed.
    fetched_bytes   integer,
    source_digest   text,
    video_codec     text,
    audio_codec     text,
    width           integer,
    height          integer,
    duration_ms     integer,
    -- JSON of footage::fragments::FragmentIndex.
    fragments       text,
    defects         text not null default '[]',
    completed_utc   integer,

    locked          integer not null default 0 check (locked in (0, 1)),
    -- Held, and a bookmark lies within it.
    marked          integer not null default 0 check (marked in (0, 1) and not (marked = 1 and status <> 'completed')),
    -- It does not leave, by a lock or by a bookmark (invariant 4).
    protected       integer generated always as (locked | marked) virtual,
    eviction_cause  text check (eviction_cause in ('retention', 'pressure', 'deleted', 'archive_cleared')),
    evicted_utc     integer,
    created_utc     integer not null,
    updated_utc     integer not null,

    unique (recorder_serial, channel, source_name, source_start, source_fold, source_nth),
    check (status <> 'completed' or (volume_id is not null and stem is not null and kept_bytes is not null and digest is not null)),
    check ((status = 'evicted') = (eviction_cause is not null)),
    -- Invariant 4.
    check (not (locked = 1 and status = 'evicted'))
) strict;
-- Lists, newest or oldest first, by keyset (start, id).
create index recording_by_camera on recording (camera_id, start_utc, id, end_utc, status);
create index recording_by_camera_status on recording (camera_id, status, start_utc, id, end_utc);
create index recording_by_start on recording (start_utc, id);
create index recording_by_status on recording (status, start_utc, id);
-- What is still to come, per camera, so that one dead recorder's backlog never hides another's.
create index recording_to_fetch on recording (camera_id, priority desc, start_utc)
    where status in ('pending', 'downloading') or (status = 'failed' and next_attempt_utc is not null);
-- Victims, oldest first: of a volume, and of a camera.
create index recording_to_evict on recording (volume_id, protected, start_utc, id) where status = 'completed';
create index recording_to_age on recording (camera_id, protected, start_utc, id) where status = 'completed';
-- A stem is named once (invariant 2); a reserved stem without a held file is work that was interrupted.
create unique index recording_stem on recording (volume_id, stem) where stem is not null;
create index recording_unfinished on recording (id) where stem is not null and status <> 'completed';

-- Footage on its way out: the row goes last (invariant 3).
create table garbage (
    volume_id integer not null references volume (id),
    stem      text not null,
    since_utc integer not null,
    primary key (volume_id, stem)
) strict;

-- Recordings that are copied from one volume to another: the new place, named before any file has that name. The old one
-- holds until the row is switched.
create table moving (
    recording_id text primary key references recording (id),
    volume_id    integer not null references volume (id),
    stem         text not null,
    unique (volume_id, stem)
) strict;

-- Totals per camera, so that lists do not count a million rows. Kept by triggers, like those of volume.
create table holding (
    camera_id  text primary key references camera (id),
    recordings integer not null default 0,
    bytes      integer not null default 0,
    -- Longest recording ever listed: how far before a range a recording that reaches into it may start.
    longest_us integer not null default 0,
    -- Of what is held, protected by locks and bookmarks.
    locked_recordings integer not null default 0,
    locked_bytes integer not null default 0
) strict;
create trigger holding_camera after insert on camera begin
    insert into holding (camera_id) values (new.id);
end;
create trigger longest_insert after insert on recording begin
    update holding set longest_us = max(longest_us, new.end_utc - new.start_utc) where camera_id = new.camera_id;
end;
create trigger longest_update after update of start_utc, end_utc on recording begin
    update holding set longest_us = max(longest_us, new.end_utc - new.start_utc) where camera_id = new.camera_id;
end;

-- The same by the UTC day in which a recording begins (days since 1970): what the forecast, the calendar and the shares
-- of volumes are reckoned from. A day of which nothing is held has no row.
create table held_day (
    camera_id  text not null references camera (id),
    day        integer not null,
    volume_id  integer not null references volume (id),
    recordings integer not null,
    bytes      integer not null,
    locked_recordings integer not null,
    locked_bytes integer not null,
    primary key (camera_id, day, volume_id)
) strict, without rowid;

-- What recorders list by day, whether it is fetched, waits or has left, but for what was overwritten before it could be
-- fetched. A camera's rate is taken from here: by when pictures were taken, so that neither back-fill nor a backlog nor
-- eviction distorts it.
create table listed_day (
    camera_id  text not null references camera (id),
    day        integer not null,
    recordings integer not null,
    bytes      integer not null,
    span_us    integer not null,
    primary key (camera_id, day)
) strict, without rowid;
create trigger held_insert after insert on recording when new.status = 'completed' begin
    update holding set recordings = recordings + 1, bytes = bytes + new.kept_bytes,
        locked_recordings = locked_recordings + (new.locked | new.marked),
        locked_bytes = locked_bytes + (new.locked | new.marked) * new.kept_bytes
    where camera_id = new.camera_id;
    update volume set held_recordings = held_recordings + 1, held_bytes = held_bytes + new.kept_bytes,
        locked_recordings = locked_recordings + (new.locked | new.marked),
        locked_bytes = locked_bytes + (new.locked | new.marked) * new.kept_bytes
    where id = new.volume_id;
    insert into held_day (camera_id, day, volume_id, recordings, bytes, locked_recordings, locked_bytes)
    values (new.camera_id, new.start_utc / 86400000000, new.volume_id, 1, new.kept_bytes, new.locked | new.marked,
        (new.locked | new.marked) * new.kept_bytes)
    on conflict do update set recordings = recordings + 1, bytes = bytes + excluded.bytes,
        locked_recordings = locked_recordings + excluded.locked_recordings,
        locked_bytes = locked_bytes + excluded.locked_bytes;
end;
create trigger held_gain after update of status, camera_id, volume_id, start_utc, kept_bytes, locked, marked on recording
when new.status = 'completed' and (new.status <> old.status or new.camera_id <> old.camera_id or new.volume_id is not old.volume_id
    or new.start_utc <> old.start_utc or new.kept_bytes is not old.kept_bytes
    or (new.locked | new.marked) <> (old.locked | old.marked)) begin
    update holding set recordings = recordings + 1, bytes = bytes + new.kept_bytes,
        locked_recordings = locked_recordings + (new.locked | new.marked),
        locked_bytes = locked_bytes + (new.locked | new.marked) * new.kept_bytes
    where camera_id = new.camera_id;
    update volume set held_recordings = held_recordings + 1, held_bytes = held_bytes + new.kept_bytes,
        locked_recordings = locked_recordings + (new.locked | new.marked),
        locked_bytes = locked_bytes + (new.locked | new.marked) * new.kept_bytes
    where id = new.volume_id;
    insert into held_day (camera_id, day, volume_id, recordings, bytes, locked_recordings, locked_bytes)
    values (new.camera_id, new.start_utc / 86400000000, new.volume_id, 1, new.kept_bytes, new.locked | new.marked,
        (new.locked | new.marked) * new.kept_bytes)
    on conflict do update set recordings = recordings + 1, bytes = bytes + excluded.bytes,
        locked_recordings = locked_recordings + excluded.locked_recordings,
        locked_bytes = locked_bytes + excluded.locked_bytes;
end;
create trigger held_loss after update of status, camera_id, volume_id, start_utc, kept_bytes, locked, marked on recording
when old.status = 'completed' and (new.status <> old.status or new.camera_id <> old.camera_id or new.volume_id is not old.volume_id
    or new.start_utc <> old.start_utc or new.kept_bytes is not old.kept_bytes
    or (new.locked | new.marked) <> (old.locked | old.marked)) begin
    update holding set recordings = recordings - 1, bytes = bytes - old.kept_bytes,
        locked_recordings = locked_recordings - (old.locked | old.marked),
        locked_bytes = locked_bytes - (old.locked | old.marked) * old.kept_bytes
    where camera_id = old.camera_id;
    update volume set held_recordings = held_recordings - 1, held_bytes = held_bytes - old.kept_bytes,
        locked_recordings = locked_recordings - (old.locked | old.marked),
        locked_bytes = locked_bytes - (old.locked | old.marked) * old.kept_bytes
    where id = old.volume_id;
    update held_day set recordings = recordings - 1, bytes = bytes - old.kept_bytes,
        locked_recordings = locked_recordings - (old.locked | old.marked),
        locked_bytes = locked_bytes - (old.locked | old.marked) * old.kept_bytes
    where camera_id = old.camera_id and day = old.start_utc / 86400000000 and volume_id = old.volume_id;
    delete from held_day where camera_id = old.camera_id and day = old.start_utc / 86400000000
        and volume_id = old.volume_id and recordings = 0;
end;
create trigger held_delete after delete on recording when old.status = 'completed' begin
    update holding set recordings = recordings - 1, bytes = bytes - old.kept_bytes,
        locked_recordings = locked_recordings - (old.locked | old.marked),
        locked_bytes = locked_bytes - (old.locked | old.marked) * old.kept_bytes
    where camera_id = old.camera_id;
    update volume set held_recordings = held_recordings - 1, held_bytes = held_bytes - old.kept_bytes,
        locked_recordings = locked_recordings - (old.locked | old.marked),
        locked_bytes = locked_bytes - (old.locked | old.marked) * old.kept_bytes
    where id = old.volume_id;
    update held_day set recordings = recordings - 1, bytes = bytes - old.kept_bytes,
        locked_recordings = locked_recordings - (old.locked | old.marked),
        locked_bytes = locked_bytes - (old.locked | old.marked) * old.kept_bytes
    where camera_id = old.camera_id and day = old.start_utc / 86400000000 and volume_id = old.volume_id;
    delete from held_day where camera_id = old.camera_id and day = old.start_utc / 86400000000
        and volume_id = old.volume_id and recordings = 0;
end;
create trigger listed_insert after insert on recording
when new.source_gone = 0 or new.kept_bytes is not null begin
    insert into listed_day (camera_id, day, recordings, bytes, span_us)
    values (new.camera_id, new.start_utc / 86400000000, 1, coalesce(new.kept_bytes, new.stated_bytes),
        new.end_utc - new.start_utc)
    on conflict do update set recordings = recordings + 1, bytes = bytes + excluded.bytes,
        span_us = span_us + excluded.span_us;
end;
create trigger listed_gain after update of camera_id, start_utc, end_utc, stated_bytes, kept_bytes, source_gone on recording
when new.source_gone = 0 or new.kept_bytes is not null begin
    insert into listed_day (camera_id, day, recordings, bytes, span_us)
    values (new.camera_id, new.start_utc / 86400000000, 1, coalesce(new.kept_bytes, new.stated_bytes),
        new.end_utc - new.start_utc)
    on conflict do update set recordings = recordings + 1, bytes = bytes + excluded.bytes,
        span_us = span_us + excluded.span_us;
end;
create trigger listed_loss after update of camera_id, start_utc, end_utc, stated_bytes, kept_bytes, source_gone on recording
when old.source_gone = 0 or old.kept_bytes is not null begin
    update listed_day set recordings = recordings - 1, bytes = bytes - coalesce(old.kept_bytes, old.stated_bytes),
        span_us = span_us - (old.end_utc - old.start_utc)
    where camera_id = old.camera_id and day = old.start_utc / 86400000000;
    delete from listed_day where camera_id = old.camera_id and day = old.start_utc / 86400000000 and recordings = 0;
end;
create trigger listed_delete after delete on recording
when old.source_gone = 0 or old.kept_bytes is not null begin
    update listed_day set recordings = recordings - 1, bytes = bytes - coalesce(old.kept_bytes, old.stated_bytes),
        span_us = span_us - (old.end_utc - old.start_utc)
    where camera_id = old.camera_id and day = old.start_utc / 86400000000;
    delete from listed_day where camera_id = old.camera_id and day = old.start_utc / 86400000000 and recordings = 0;
end;

-- A moment of a camera that a person marked. It protects the recordings that cover it, also those that are fetched
-- later: `recording.marked` follows.
create table bookmark (
    id          text primary key,
    camera_id   text not null references camera (id),
    at_utc      integer not null,
    note        text not null,
    -- Login name, and whether from the LAN or through the relay.
    made_by     text not null,
    via         text not null check (via in ('lan', 'relay')),
    created_utc integer not null
) strict;
create index bookmark_by_camera on bookmark (camera_id, at_utc, id);
-- Where held footage turns out to lie at other times (a recorder's clock is understood anew), so do its bookmarks.
create trigger marked_moved after update of start_utc, end_utc, camera_id on recording
when new.status = 'completed' and (new.start_utc <> old.start_utc or new.end_utc <> old.end_utc
    or new.camera_id <> old.camera_id) begin
    update recording set marked = exists (select 1 from bookmark where bookmark.camera_id = new.camera_id
        and at_utc >= new.start_utc and at_utc < new.end_utc)
    where id = new.id;
end;

-- What people were told of and is not over: it is told again only after its row was gone.
create table alarm (
    rule       text not null,
    -- Id of the camera or name of the volume.
    subject    text not null,
    severity   text not null check (severity in ('info', 'warning', 'critical')),
    message    text not null,
    raised_utc integer not null,
    -- When it was seen last.
    seen_utc   integer not null,
    primary key (rule, subject)
) strict, without rowid;

-- What is still to be entered in the custody log of its volume (P6). Written by triggers, so in the transaction of the
-- change and whoever makes it; deleted once the entry lies there synced.
create table custody_due (
    id           integer primary key,
    volume_id    integer not null references volume (id),
    recording_id text not null,
    stem         text not null,
    kind         text not null check (kind in ('kept', 'left')),
    -- Why it left: the eviction's cause, 'moved' to another name or volume, or 'lost'.
    cause        text,
    at_utc       integer not null
) strict;
create index custody_due_by_volume on custody_due (volume_id, id);

-- How far the log of a volume is known to lie synced: number and hash (hex) of its newest line.
create table custody_head (
    volume_id    integer primary key references volume (id),
    n            integer not null,
    hash         text not null,
    at_utc       integer not null
) strict;
create trigger custody_left after update of status, volume_id, stem on recording
when old.status = 'completed'
    and (new.status <> 'completed' or new.volume_id <> old.volume_id or new.stem <> old.stem) begin
    insert into custody_due (volume_id, recording_id, stem, kind, cause, at_utc)
    values (old.volume_id, old.id, old.stem, 'left', coalesce(new.eviction_cause, iif(new.status = 'completed', 'moved', 'lost')), new.updated_utc);
end;
create trigger custody_kept after update of status, volume_id, stem on recording
when new.status = 'completed'
    and (old.status <> 'completed' or new.volume_id <> old.volume_id or new.stem <> old.stem) begin
    insert into custody_due (volume_id, recording_id, stem, kind, at_utc)
    values (new.volume_id, new.id, new.stem, 'kept', new.updated_utc);
end;

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

create table sync_job (
    id          text primary key,
    camera_id   text references camera (id),
    from_utc    integer not null,
    to_utc      integer not null,
    state       text not null check (state in ('queued', 'discovering', 'downloading', 'done', 'cancelled', 'failed')),
    failure     text,
    created_utc integer not null,
    updated_utc integer not null
) strict;

-- Reports that wait to be told to the relay (T2). `seq` has no holes: rows are only deleted from the front, once the
-- relay's acknowledgement covers them.
create table outbox (
    seq         integer primary key,
    id          text not null,
    ts_utc      integer not null,
    -- JSON of wire::telemetry::Event.
    event       text not null
) strict;

-- The outbox's log: one row while the appliance is claimed, none otherwise (then nothing is reported).
create table outbox_log (
    one         integer primary key check (one = 1),
    -- wire::ids::LogId.
    log         text not null,
    -- Number of the newest report ever written to this log.
    last_seq    integer not null default 0,
    -- What waits, kept by triggers: the bound is on both.
    rows        integer not null default 0,
    bytes       integer not null default 0,
    -- Full resync under way: recordings up to this id are told; null: done.
    resync_after text
) strict;
create trigger outbox_gain after insert on outbox begin
    update outbox_log set last_seq = new.seq, rows = rows + 1, bytes = bytes + length(new.event);
end;
create trigger outbox_loss after delete on outbox begin
    update outbox_log set rows = rows - 1, bytes = bytes - length(old.event);
end;

-- Single values as JSON: this appliance ('appliance'), the claim's membership ('claim'), …
create table setting (
    key   text primary key,
    value text not null
) strict;

create table person (
    id            text primary key,
    username      text not null unique collate nocase,
    password_hash text not null,
    created_utc   integer not null,
    -- Lock-out: failures in a row and until when no attempt is heard.
    failures      integer not null default 0,
    locked_until_utc integer
) strict;

-- Login sessions of people. Tokens are stored as SHA-256 (hex).
create table person_session (
    id              text primary key,
    person_id       text not null references person (id) on delete cascade,
    access_digest   text not null unique,
    access_expires_utc integer not null,
    refresh_digest  text not null unique,
    refresh_expires_utc integer not null,
    csrf_digest     text not null,
    created_utc     integer not null,
    -- When the refresh token was last traded.
    refreshed_utc   integer not null
) strict;

-- Who read which footage (P3).
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
create index access_log_by_time on access_log (at_utc);
