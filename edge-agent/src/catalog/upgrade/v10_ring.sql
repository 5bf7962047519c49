-- The ring buffer by days: what is held and what is listed per camera and UTC day, bookmarks that protect, what is
-- protected in the totals, and what people were told of.
alter table recording add column marked integer not null default 0
    check (marked in (0, 1) and not (marked = 1 and status <> 'completed'));
alter table recording add column protected integer generated always as (locked | marked) virtual;
drop index recording_to_evict;
drop index recording_to_age;
create index recording_to_evict on recording (volume_id, protected, start_utc, id) where status = 'completed';
create index recording_to_age on recording (camera_id, protected, start_utc, id) where status = 'completed';
alter table holding add column locked_recordings integer not null default 0;
alter table holding add column locked_bytes integer not null default 0;
alter table volume add column locked_recordings integer not null default 0;
alter table volume add column locked_bytes integer not null default 0;
update holding set (locked_recordings, locked_bytes) = (select count(*), coalesce(sum(kept_bytes), 0) from recording
    where camera_id = holding.camera_id and status = 'completed' and locked = 1);
update volume set (locked_recordings, locked_bytes) = (select count(*), coalesce(sum(kept_bytes), 0) from recording
    where volume_id = volume.id and status = 'completed' and locked = 1);
drop trigger holding_insert;
drop trigger holding_gain;
drop trigger holding_loss;
drop trigger holding_length;
create trigger longest_insert after insert on recording begin
    update holding set longest_us = max(longest_us, new.end_utc - new.start_utc) where camera_id = new.camera_id;
end;
create trigger longest_update after update of start_utc, end_utc on recording begin
    update holding set longest_us = max(longest_us, new.end_utc - new.start_utc) where camera_id = new.camera_id;
end;

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

create table listed_day (
    camera_id  text not null references camera (id),
    day        integer not null,
    recordings integer not null,
    bytes      integer not null,
    span_us    integer not null,
    primary key (camera_id, day)
) strict, without rowid;
insert into held_day (camera_id, day, volume_id, recordings, bytes, locked_recordings, locked_bytes)
select camera_id, start_utc / 86400000000, volume_id, count(*), sum(kept_bytes), sum(locked), sum(locked * kept_bytes)
from recording where status = 'completed' group by 1, 2, 3;
insert into listed_day (camera_id, day, recordings, bytes, span_us)
select camera_id, start_utc / 86400000000, count(*), sum(coalesce(kept_bytes, stated_bytes)), sum(end_utc - start_utc)
from recording where source_gone = 0 or kept_bytes is not null group by 1, 2;
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
create table bookmark (
    id          text primary key,
    camera_id   text not null references camera (id),
    at_utc      integer not null,
    note        text not null,
    made_by     text not null,
    via         text not null check (via in ('lan', 'relay')),
    created_utc integer not null
) strict;
create index bookmark_by_camera on bookmark (camera_id, at_utc, id);
create trigger marked_moved after update of start_utc, end_utc, camera_id on recording
when new.status = 'completed' and (new.start_utc <> old.start_utc or new.end_utc <> old.end_utc
    or new.camera_id <> old.camera_id) begin
    update recording set marked = exists (select 1 from bookmark where bookmark.camera_id = new.camera_id
        and at_utc >= new.start_utc and at_utc < new.end_utc)
    where id = new.id;
end;

create table alarm (
    rule       text not null,
    subject    text not null,
    severity   text not null check (severity in ('info', 'warning', 'critical')),
    message    text not null,
    raised_utc integer not null,
    seen_utc   integer not null,
    primary key (rule, subject)
) strict, without rowid;
