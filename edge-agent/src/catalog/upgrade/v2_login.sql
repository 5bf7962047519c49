-- What a recorder last said of its credentials outlives a restart: each further attempt could lock the account.
create table login (
    recorder_id text primary key references recorder (id),
    settings    text not null,
    proven      integer not null check (proven in (0, 1)),
    refusal     text check (refusal in ('refused', 'locked')),
    reason      text,
    vendor_code integer,
    answered_utc integer not null
) strict;
