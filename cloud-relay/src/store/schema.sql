-- The relay's store, newest version. Times are microseconds since 1970 (`_utc`). Every table that belongs to a tenant
-- carries its organisation. The footage index is derived: an appliance can tell it again.

create table organisation (
    id          text primary key,
    name        text not null,
    created_utc integer not null
) strict;

create table person (
    id              text primary key,
    -- null: a super admin, who runs the relay.
    organisation_id text references organisation (id),
    username        text not null unique collate nocase,
    password_hash   text not null,
    role            text not null check (role in ('super_admin', 'org_admin', 'operator', 'viewer')),
    must_change_password integer not null default 0 check (must_change_password in (0, 1)),
    -- 0: only the sites listed in person_site.
    all_sites       integer not null default 1 check (all_sites in (0, 1)),
    -- Lock-out: failures in a row, and until when no attempt is heard.
    failures        integer not null default 0,
    locked_until_utc integer,
    created_utc     integer not null,
    check ((role = 'super_admin') = (organisation_id is null))
) strict;

-- Login sessions of people. Tokens are stored as SHA-256 (hex).
create table person_session (
    id                 text primary key,
    person_id          text not null references person (id) on delete cascade,
    access_digest      text not null unique,
    access_expires_utc integer not null,
    refresh_digest     text not null unique,
    refresh_expires_utc integer not null,
    csrf_digest        text not null,
    created_utc        integer not null,
    -- When the tokens were last traded: an older refresh token that comes later has been copied.
    refreshed_utc      integer not null
) strict;
create index person_session_by_person on person_session (person_id);

create table site (
    id              text primary key,
    organisation_id text not null references organisation (id),
    name            text not null,
    created_utc     integer not null,
    -- The site takes every newer system that is put here, without anybody asking.
    automatic_updates integer not null default 0 check (automatic_updates in (0, 1))
) strict;
create index site_by_organisation on site (organisation_id, name, id);

-- The sites of a person who may not see all of the organisation's.
create table person_site (
    person_id text not null references person (id) on delete cascade,
    site_id   text not null references site (id) on delete cascade,
    primary key (person_id, site_id)
) strict, without rowid;

create table appliance (
    id              text primary key,
    organisation_id text not null references organisation (id),
    site_id         text not null unique references site (id),
    -- SHA-256 (hex) of the public key's SPKI: the key that was claimed, and no other.
    spki_sha256     text not null unique,
    certificate_pem text not null,
    certificate_expires_utc integer not null,
    revoked         integer not null default 0 check (revoked in (0, 1)),
    claimed_utc     integer not null,
    -- Presence, from birth and will.
    online          integer not null default 0 check (online in (0, 1)),
    boot_id         text,
    version         text,
    last_seen_utc   integer,
    -- What has been stored of its reports: everything up to `seq` of `log`.
    log             text,
    seq             integer not null default 0,
    agent_state     text,
    storage_state   text,
    host_figures    text,
    -- JSON of wire::update::Update.
    update_state    text
) strict;

-- Logs that an appliance has left behind: what a broker still delivers of them counts no more. The newest few stay.
create table past_log (
    id          integer primary key,
    appliance   text not null references appliance (id) on delete cascade,
    log         text not null,
    unique (appliance, log)
) strict;

-- Certificate requests that wait for their code. Bounded, and gone after CODE_LIFETIME.
create table enrolment (
    appliance   text primary key,
    csr_pem     text not null,
    proof       text not null,
    version     text not null,
    address     text not null,
    seen_utc    integer not null
) strict;

create table recorder (
    id              text not null,
    appliance       text not null references appliance (id) on delete cascade,
    organisation_id text not null,
    site_id         text not null,
    -- JSON of wire::resource::Recorder.
    body            text not null,
    updated_utc     integer not null,
    primary key (appliance, id)
) strict;

create table camera (
    id              text not null,
    appliance       text not null references appliance (id) on delete cascade,
    organisation_id text not null,
    site_id         text not null,
    name            text not null,
    -- JSON of wire::resource::Camera.
    body            text not null,
    updated_utc     integer not null,
    primary key (appliance, id)
) strict;
create index camera_by_id on camera (id);
create index camera_by_organisation on camera (organisation_id, site_id, name, id);

-- The footage index (Q1).
create table recording (
    id              text not null,
    appliance       text not null references appliance (id) on delete cascade,
    organisation_id text not null,
    site_id         text not null,
    camera_id       text not null,
    status          text not null,
    start_utc       integer not null,
    end_utc         integer not null,
    -- Size of the kept file; 0 while none is held.
    kept_bytes      integer not null default 0,
    -- A state changes only for a newer report.
    seq             integer not null,
    updated_utc     integer not null,
    -- JSON of wire::resource::Recording.
    body            text not null,
    primary key (appliance, id)
) strict;
create index recording_by_id on recording (id);
-- One for each way a list is walked; all end in (start, id, appliance), which is the order of every list.
create index recording_by_start on recording (start_utc, id, appliance);
create index recording_by_organisation on recording (organisation_id, start_utc, id, appliance);
create index recording_by_site on recording (site_id, start_utc, id, appliance);
create index recording_by_camera on recording (camera_id, start_utc, id, appliance);
create index recording_by_status on recording (organisation_id, status, start_utc, id, appliance);

-- What each camera holds, so that a list of sites does not count a million recordings, and its longest recording, so
-- that what overlaps a range is found by its start. Kept by triggers.
create table holding (
    appliance  text not null references appliance (id) on delete cascade,
    camera_id  text not null,
    recordings integer not null default 0,
    bytes      integer not null default 0,
    -- Never shrinks.
    longest_us integer not null default 0,
    primary key (appliance, camera_id)
) strict, without rowid;
create trigger holding_insert after insert on recording begin
    insert into holding (appliance, camera_id, recordings, bytes, longest_us)
    values (new.appliance, new.camera_id, new.status = 'completed',
        iif(new.status = 'completed', new.kept_bytes, 0), new.end_utc - new.start_utc)
    on conflict do update set recordings = recordings + excluded.recordings, bytes = bytes + excluded.bytes,
        longest_us = max(longest_us, excluded.longest_us);
end;
create trigger holding_loss after update on recording when old.status = 'completed' begin
    update holding set recordings = recordings - 1, bytes = bytes - old.kept_bytes
    where appliance = old.appliance and camera_id = old.camera_id;
end;
create trigger holding_gain after update on recording begin
    insert into holding (appliance, camera_id, recordings, bytes, longest_us)
    values (new.appliance, new.camera_id, new.status = 'completed',
        iif(new.status = 'completed', new.kept_bytes, 0), new.end_utc - new.start_utc)
    on conflict do update set recordings = recordings + excluded.recordings, bytes = bytes + excluded.bytes,
        longest_us = max(longest_us, excluded.longest_us);
end;
create trigger holding_delete after delete on recording when old.status = 'completed' begin
    update holding set recordings = recordings - 1, bytes = bytes - old.kept_bytes
    where appliance = old.appliance and camera_id = old.camera_id;
end;

create table alert (
    id              text primary key,
    appliance       text not null,
    organisation_id text not null,
    at_utc          integer not null,
    body            text not null
) strict;
create index alert_by_time on alert (organisation_id, at_utc);

-- Every access to footage, every change and every login (Q6). Rows are only added; `bytes` grows while a body flows.
create table audit (
    id              integer primary key autoincrement,
    -- null: a matter of the relay itself.
    organisation_id text,
    site_id         text,
    at_utc          integer not null,
    person_id       text,
    username        text not null,
    address         text not null,
    -- Dotted: 'session.login', 'recording.download', 'appliance.claim'…
    action          text not null,
    -- What it was done to: the id of a camera, recording, site…
    subject         text not null,
    -- HTTP status that it was answered with.
    status          integer not null,
    bytes           integer,
    request_id      text not null
) strict;
create index audit_by_organisation on audit (organisation_id, id);

-- Systems for appliances, put here by the relay's operator. The file is updates/<sha256>.raucb in the state folder.
create table bundle (
    sha256    text primary key,
    version   text not null unique,
    bytes     integer not null,
    added_utc integer not null
) strict;

-- What is to be sent to an appliance, or was sent last. How much of it came is the appliance's to say.
create table delivery (
    appliance   text primary key references appliance (id) on delete cascade,
    sha256      text not null,
    version     text not null,
    bytes       integer not null,
    -- When it is to be installed, where a person said so.
    chosen      text check (chosen in ('now', 'window')),
    -- Who asked for it; null: the site takes updates by itself.
    person_id   text,
    username    text,
    state       text not null check (state in ('pending', 'delivered', 'failed')),
    -- Why it waits, or failed.
    message     text,
    asked_utc   integer not null,
    updated_utc integer not null
) strict;
create index delivery_by_state on delivery (state, asked_utc);

-- Single values.
create table setting (
    key   text primary key,
    value text not null
) strict;
