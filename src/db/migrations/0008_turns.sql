-- Turns of calls with one key where nonces must rise: who is calling, and until when. A row is a lease, so that waiting and calling
-- hold no connection, and a pooler may give each statement another one. The key is a digest, and the row holds nothing of a tenant.
create table turns (
  key bytea primary key check (octet_length(key) = 32),
  holder uuid not null,
  leased_until timestamptz not null,
  -- Another process waits: the holder does not pass the turn on among its own calls.
  wanted boolean not null default false
);
grant select, insert, update, delete on turns to keyhold_app;
