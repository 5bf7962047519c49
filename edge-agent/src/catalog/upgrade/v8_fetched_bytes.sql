-- What a recording cost: bytes that the recorder has sent for it. Null: it was kept before they were counted.
alter table recording add column fetched_bytes integer;
