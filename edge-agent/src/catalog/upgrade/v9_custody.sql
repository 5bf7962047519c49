-- What is still to be entered in the custody log of its volume (P6), and how far each log is known to lie synced.
create table custody_due (
    id           integer primary key,
    volume_id    integer not null references volume (id),
    recording_id text not null,
    stem         text not null,
    kind         text not null check (kind in ('kept', 'left')),
    cause        text,
    at_utc       integer not null
) strict;
create index custody_due_by_volume on custody_due (volume_id, id);
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
insert into custody_due (volume_id, recording_id, stem, kind, at_utc)
    select volume_id, id, stem, 'kept', coalesce(completed_utc, updated_utc) from recording
    where status = 'completed' order by completed_utc;
