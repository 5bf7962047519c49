-- A volume may be configured before its disk was ever there.
alter table volume add column made integer not null default 1 check (made in (0, 1));
