-- A password that a person has set is known by an id of its own: sealing it with another key is no other password.
alter table recorder add column password_id text not null default '';
update recorder set password_id = lower(hex(randomblob(16)));
