-- How far back recorders reach, where an empty answer proves nothing, and what is about to be overwritten (R9).

create table reach (
    recorder_id   text not null references recorder (id),
    channel       integer not null,
    told_utc      integer not null,
    oldest_utc    integer,
    pace_ms_per_h integer,
    primary key (recorder_id, channel)
) strict;

create table reach_reading (
    recorder_id text not null references recorder (id),
    channel     integer not null,
    told_utc    integer not null,
    oldest_utc  integer not null,
    primary key (recorder_id, channel, told_utc)
) strict, without rowid;

create table doubt (
    id          integer primary key,
    recorder_id text not null references recorder (id),
    channel     integer not null,
    kind        text not null check (kind in ('open', 'beyond')),
    from_utc    integer not null,
    to_utc      integer not null check (to_utc > from_utc),
    asked_utc   integer not null
) strict;
create index doubt_by_range on doubt (recorder_id, channel, kind, to_utc);

create table overwrite_risk (
    recorder_id text primary key references recorder (id),
    recordings  integer not null,
    first_gone_utc integer not null,
    told_utc    integer not null
) strict;

-- What was settled before is asked about once more, so that its empty stretches are known to be empty.
insert into doubt (recorder_id, channel, kind, from_utc, to_utc, asked_utc)
    select recorder_id, channel, 'open', from_utc, settled_utc, asked_utc from observation
    where result = 'complete' and settled_utc > from_utc;
