-- Recorders may be talked to over ISAPI. SQLite cannot change a check, so the column is made anew; a rebuild of the
-- table would have to switch off the foreign keys that lead to it.
alter table recorder add column driver_new text not null default 'sdk' check (driver_new in ('sdk', 'isapi'));
update recorder set driver_new = driver;
alter table recorder drop column driver;
alter table recorder rename column driver_new to driver;
