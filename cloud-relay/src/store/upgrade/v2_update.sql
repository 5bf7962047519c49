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

-- The site takes every newer system that is put here, without anybody asking.
alter table site add column automatic_updates integer not null default 0 check (automatic_updates in (0, 1));
-- JSON of wire::update::Update.
alter table appliance add column update_state text;
