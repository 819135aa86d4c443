-- API keys of the operator, for installations whose identity provider does not speak for the operator yet. They belong to no tenant.
-- Rows are never deleted: they are the record of who made which key.
create table operator_keys (
  id uuid primary key,
  name text not null check (char_length(name) between 1 and 64),
  -- The first characters, to recognise a key by; the key itself is nowhere.
  prefix text not null,
  -- SHA-256 of 256 random bits, as of other API keys.
  hash bytea not null unique check (octet_length(hash) = 32),
  -- The user and the machine that the command ran on.
  made_by text not null,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  check (expires_at <= created_at + interval '24 hours')
);
alter table operator_keys enable row level security;
alter table operator_keys force row level security;
grant select, insert, update on operator_keys to keyhold_app;
create policy platform_only on operator_keys for all to keyhold_app
  using (scope.reach() = 'platform') with check (scope.reach() = 'platform');
grant select on operator_keys to keyhold_recorder;
create policy recorder_reads on operator_keys for select to keyhold_recorder using (true);

-- The hash of a key → its id, while it is in force.
grant create on schema access to keyhold_recorder;
create function access.operator_key(hash bytea)
returns table (id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select k.id from public.operator_keys k
  where k.hash = operator_key.hash and k.revoked_at is null and k.expires_at > now();
end;
revoke all on function access.operator_key(bytea) from public;
grant execute on function access.operator_key(bytea) to keyhold_app;
alter function access.operator_key(bytea) owner to keyhold_recorder;
revoke create on schema access from keyhold_recorder;
