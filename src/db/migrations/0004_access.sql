create table api_keys (
  tenant_id uuid not null,
  id uuid not null,
  member_id uuid not null,
  name text not null check (char_length(name) between 1 and 64),
  -- The first characters, to recognise a key by; the key itself is nowhere.
  prefix text not null,
  -- SHA-256 of 256 random bits: nothing to guess, so no slow hash is needed.
  hash bytea not null unique check (octet_length(hash) = 32),
  scopes text[] not null,
  agent boolean not null default false,
  expires_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  primary key (id),
  unique (tenant_id, id),
  foreign key (tenant_id, member_id) references members (tenant_id, id)
);
create index api_keys_by_age on api_keys (tenant_id, created_at desc, id desc);
create index api_keys_by_member on api_keys (tenant_id, member_id);

-- Answers to writes, replayed for a repeated Idempotency-Key. Bodies of requests are kept as a keyed MAC only.
create table idempotency_keys (
  tenant_id uuid not null,
  principal text not null,
  route text not null,
  key text not null check (char_length(key) between 1 and 255),
  request_mac bytea not null,
  state text not null default 'running' check (state in ('running', 'done')),
  status integer,
  body jsonb,
  created_at timestamptz not null default now(),
  primary key (tenant_id, principal, route, key)
);
create index idempotency_keys_by_age on idempotency_keys (created_at);

-- Operations above class read, committed before the venue is called, so that none is ever sent twice.
create table invocations (
  tenant_id uuid not null,
  id uuid not null,
  credential_id uuid not null,
  principal text not null,
  key text not null,
  operation text not null,
  request_mac bytea not null,
  client_order_id text,
  symbol text,
  state text not null default 'sending' check (state in ('sending', 'done', 'refused', 'unknown')),
  -- Kept as it was answered, whatever characters it holds.
  result json,
  message text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (id),
  unique (tenant_id, id),
  unique (tenant_id, credential_id, principal, key),
  foreign key (tenant_id, credential_id) references credentials (tenant_id, id) on delete cascade
);
create index invocations_ended on invocations (updated_at) where state in ('done', 'refused');

do $$
declare one text;
begin
  foreach one in array '{api_keys,idempotency_keys,invocations}'::text[] loop
    execute format('alter table %I enable row level security', one);
    execute format('alter table %I force row level security', one);
    execute format('grant select, insert, update, delete on %I to keyhold_app', one);
  end loop;
end $$;

-- Bookkeeping of the service itself.
create policy service_only on idempotency_keys for all to keyhold_app
  using (tenant_id = scope.tenant() and scope.reach() = 'tenant-write')
  with check (tenant_id = scope.tenant() and scope.reach() = 'tenant-write');

-- Written by whoever may change the credential.
create policy invocation_writes on invocations for all to keyhold_app
  using (tenant_id = scope.tenant()
    and exists (select from credentials c where c.tenant_id = invocations.tenant_id and c.id = credential_id
      and scope.writes(c.tenant_id, c.owner_id)))
  with check (tenant_id = scope.tenant()
    and exists (select from credentials c where c.tenant_id = invocations.tenant_id and c.id = credential_id
      and scope.writes(c.tenant_id, c.owner_id)));

create policy api_key_reads on api_keys for select to keyhold_app using (scope.reads(tenant_id, member_id));
create policy api_key_inserts on api_keys for insert to keyhold_app with check (scope.writes(tenant_id, member_id));
create policy api_key_updates on api_keys for update to keyhold_app
  using (scope.writes(tenant_id, member_id)) with check (scope.writes(tenant_id, member_id));
create policy api_key_deletes on api_keys for delete to keyhold_app using (scope.writes(tenant_id, member_id));

-- Counters of the rate limiter (the layout that rate-limiter-flexible expects). Holds ids and counts.
create table rate_limits (
  key varchar(255) primary key,
  points integer not null default 0,
  expire bigint
);
grant select, insert, update, delete on rate_limits to keyhold_app;
