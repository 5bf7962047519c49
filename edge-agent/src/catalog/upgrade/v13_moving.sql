-- Recordings that are copied from one volume to another: the new place, named before any file has that name. The old one
-- holds until the row is switched.
create table moving (
    recording_id text primary key references recording (id),
    volume_id    integer not null references volume (id),
    stem         text not null,
    unique (volume_id, stem)
) strict;
