create table credentials (
  tenant_id uuid not null,
  id uuid not null,
  account_id uuid not null,
  -- The account's owner, repeated so that one policy without a join isolates members.
  owner_id uuid not null,
  venue text not null check (char_length(venue) between 1 and 64),
  environment text not null check (environment in ('live', 'paper', 'testnet')),
  label text not null default 'default' check (char_length(label) between 1 and 64),
  status text not null check (status in ('pending', 'active', 'inactive', 'invalid', 'expired', 'revoked')),
  -- What the venue says the key may do; null until it was asked.
  permissions jsonb,
  -- What the venue told of the account behind the key.
  account_facts jsonb not null default '{}',
  -- What the owner allows: operation classes of invoke, and whether the plaintext may be revealed.
  allow text[] not null default '{read}' check (allow <@ '{read,trade,transfer,withdraw}'),
  reveal boolean not null default false,
  store text not null check (store in ('postgres', 'vault', 'aws', 'file', 'env')),
  version integer not null default 1 check (version > 0),
  -- The highest number that a writer was given: numbers are never given twice, so that no writer can spoil another's version.
  last_version integer not null default 1 check (last_version >= version),
  frozen_at timestamptz,
  -- What the owner chose and what the venue told; whichever comes first ends the credential.
  owner_expires_at timestamptz,
  venue_expires_at timestamptz,
  expires_at timestamptz generated always as (least(owner_expires_at, venue_expires_at)) stored,
  -- When the venue ends the key at the latest by a rule of its own, where it tells nothing of this key; or after how many days without
  -- use. For warnings alone: they end nothing.
  estimated_expires_at timestamptz,
  unused_days smallint,
  health text not null default 'unknown' check (health in ('unknown', 'healthy', 'degraded', 'unhealthy')),
  health_message text,
  last_validated_at timestamptz,
  -- The venue's first refusal of a credential that was active; a second one, a minute later at the earliest, decides.
  rejected_at timestamptz,
  -- When the venue is to be asked again, and how often in a row it could not tell.
  next_check_at timestamptz not null default now(),
  check_attempts smallint not null default 0,
  -- Until then a worker has it in hand, or leaves it alone because it could not be opened. Gone as soon as a check is recorded.
  check_leased_until timestamptz,
  -- Of the last warning before it expires: how many days ahead.
  warned_days smallint,
  -- Marked at once; the row goes when the secret is destroyed in its store.
  deleted_at timestamptz,
  revision bigint not null default 1,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  updated_at timestamptz not null default now(),
  primary key (id),
  unique (tenant_id, id),
  foreign key (tenant_id, account_id, owner_id) references accounts (tenant_id, id, owner_id) on update cascade
);
create unique index credentials_one_per_label on credentials (tenant_id, account_id, venue, environment, label)
  where status <> 'revoked';
create index credentials_by_age on credentials (tenant_id, created_at desc, id desc) where deleted_at is null;
create index credentials_by_account on credentials (tenant_id, account_id, created_at desc, id desc) where deleted_at is null;
create index credentials_by_owner on credentials (tenant_id, owner_id, created_at desc, id desc) where deleted_at is null;
create index credentials_due on credentials (venue, greatest(next_check_at, check_leased_until))
  where status in ('active', 'pending') and deleted_at is null and frozen_at is null;
create index credentials_expiring on credentials (expires_at) where status = 'active' and expires_at is not null;
create index credentials_ending on credentials (estimated_expires_at) where status = 'active' and estimated_expires_at is not null;
create index credentials_unused on credentials (last_validated_at)
  where status in ('active', 'inactive') and unused_days is not null;

-- Data keys, wrapped by a key-encryption key that is not in the database. One seals, and has successors; the other makes MACs,
-- by which old requests must be recognised, and stays.
create table data_keys (
  tenant_id uuid not null references tenants (id),
  id uuid not null,
  use text not null check (use in ('seal', 'mac')),
  kek_id text not null,
  wrapped bytea not null,
  state text not null default 'active' check (state in ('active', 'retired')),
  -- How many values it has sealed at most: counted before they are.
  operations bigint not null default 0,
  created_at timestamptz not null default now(),
  retired_at timestamptz,
  primary key (id),
  unique (tenant_id, id),
  check ((state = 'retired') = (retired_at is not null))
);
create unique index data_keys_one_active on data_keys (tenant_id, use) where state = 'active';
create index data_keys_by_wrapping_key on data_keys (kek_id);
create index data_keys_retired on data_keys (tenant_id) where state = 'retired';

create table credential_versions (
  tenant_id uuid not null,
  credential_id uuid not null,
  version integer not null check (version > 0),
  store text not null,
  -- As long as a version can be opened, its key cannot go.
  data_key_id uuid,
  state text not null check (state in ('current', 'retired', 'destroyed')),
  -- Since when Keyhold has had this key, in this version or in one that was sealed before: sealing it anew makes it no younger.
  key_since timestamptz not null default now(),
  created_at timestamptz not null default now(),
  destroyed_at timestamptz,
  primary key (credential_id, version),
  check ((state = 'destroyed') = (data_key_id is null)),
  foreign key (tenant_id, credential_id) references credentials (tenant_id, id) on delete cascade,
  foreign key (tenant_id, data_key_id) references data_keys (tenant_id, id)
);
create unique index credential_versions_one_current on credential_versions (tenant_id, credential_id) where state = 'current';
create index credential_versions_by_key on credential_versions (tenant_id, data_key_id) where data_key_id is not null;
create index credential_versions_by_store on credential_versions (store, credential_id) where state = 'current';

-- A new secret in the place of an old one: for the overlap both versions are kept, the new one current, the old one retired.
create table rotations (
  tenant_id uuid not null,
  id uuid not null,
  credential_id uuid not null,
  from_version integer not null,
  to_version integer not null,
  state text not null check (state in ('overlap', 'finished', 'rolled_back')),
  overlap_until timestamptz not null,
  -- Uses of the old version, because the venue refused the new one.
  fallbacks integer not null default 0,
  last_fallback_at timestamptz,
  started_at timestamptz not null default date_trunc('milliseconds', now()),
  ended_at timestamptz,
  primary key (id),
  unique (tenant_id, id),
  check ((state = 'overlap') = (ended_at is null)),
  foreign key (tenant_id, credential_id) references credentials (tenant_id, id) on delete cascade
);
create unique index rotations_one_open on rotations (tenant_id, credential_id) where state = 'overlap';
create index rotations_by_credential on rotations (tenant_id, credential_id, started_at desc);
create index rotations_due on rotations (overlap_until) where state = 'overlap';

-- When a secret is to be replaced: by a key that Keyhold makes at the venue with a parent key, or, without one, by its owner, who
-- is reminded.
create table rotation_schedules (
  tenant_id uuid not null,
  credential_id uuid not null,
  parent_id uuid,
  every_days integer not null check (every_days between 1 and 365),
  next_at timestamptz not null,
  -- Failures since the last success, and why the last one failed.
  failures integer not null default 0,
  last_failure text,
  last_failure_message text,
  last_failed_at timestamptz,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  primary key (credential_id),
  check (parent_id <> credential_id),
  foreign key (tenant_id, credential_id) references credentials (tenant_id, id) on delete cascade,
  -- What cannot be made any more, its owner is reminded of.
  foreign key (tenant_id, parent_id) references credentials (tenant_id, id) on delete set null (parent_id)
);
create index rotation_schedules_due on rotation_schedules (next_at);
create index rotation_schedules_by_parent on rotation_schedules (tenant_id, parent_id) where parent_id is not null;

-- A key that Keyhold makes at a venue, from before it is asked for until neither it nor the one that it replaces is left to be
-- deleted there. The note on the key is derived from the id, so that it is found when the answer was lost.
create table venue_rotations (
  tenant_id uuid not null,
  id uuid not null,
  credential_id uuid not null,
  -- May be gone by now: then nothing can be asked any more.
  parent_id uuid not null,
  -- creating: it may be there; overlap: it is in force, and the old one works still; withdrawing: it must go.
  stage text not null check (stage in ('creating', 'overlap', 'withdrawing')),
  rotation_id uuid,
  -- Why it must go.
  reason text,
  due_at timestamptz not null default now(),
  attempts integer not null default 0,
  started_at timestamptz not null default date_trunc('milliseconds', now()),
  primary key (credential_id),
  unique (tenant_id, id),
  check ((stage = 'overlap') = (rotation_id is not null)),
  check ((stage = 'withdrawing') = (reason is not null)),
  foreign key (tenant_id, credential_id) references credentials (tenant_id, id) on delete cascade,
  foreign key (tenant_id, rotation_id) references rotations (tenant_id, id) on delete cascade
);
create index venue_rotations_due on venue_rotations (due_at);
create index venue_rotations_by_rotation on venue_rotations (rotation_id) where rotation_id is not null;

-- What the venue answered each time it was asked. Words of Keyhold's, never the venue's own text.
create table health_checks (
  tenant_id uuid not null,
  id uuid not null,
  credential_id uuid not null,
  venue text not null,
  environment text not null,
  purpose text not null check (purpose in ('register', 'validate', 'health', 'rotate')),
  outcome text not null,
  status text not null,
  health text not null,
  checked_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  primary key (id),
  unique (tenant_id, id),
  foreign key (tenant_id, credential_id) references credentials (tenant_id, id) on delete cascade
);
create index health_checks_by_credential on health_checks (tenant_id, credential_id, checked_at desc, id desc);
create index health_checks_by_venue on health_checks (venue, environment, checked_at);
create index health_checks_by_age on health_checks (checked_at);

-- The postgres store: sealed bytes only, one row per version, written before the credential points at it.
create table sealed_secrets (
  tenant_id uuid not null,
  credential_id uuid not null,
  version integer not null check (version > 0),
  sealed bytea not null,
  created_at timestamptz not null default now(),
  primary key (credential_id, version)
);

-- A write that touches a store, from before its first effect until after its last: what a crash leaves is found here.
create table intents (
  tenant_id uuid not null,
  id uuid not null,
  kind text not null check (kind in ('register', 'replace', 'rotate', 'reseal', 'destroy')),
  credential_id uuid not null,
  version integer not null,
  store text not null,
  venue text not null,
  environment text not null,
  created_at timestamptz not null default now(),
  primary key (id),
  unique (tenant_id, id)
);
create index intents_by_age on intents (created_at);
create index intents_by_credential on intents (tenant_id, credential_id);

do $$
declare one text;
begin
  foreach one in array '{credentials,credential_versions,rotations,rotation_schedules,venue_rotations,health_checks,sealed_secrets,data_keys,intents}'::text[] loop
    execute format('alter table %I enable row level security', one);
    execute format('alter table %I force row level security', one);
    execute format('grant select, insert, update, delete on %I to keyhold_app', one);
  end loop;
  -- Reached by the service itself, never by a member: a transaction of reach `own` sees nothing here.
  foreach one in array '{sealed_secrets,data_keys}'::text[] loop
    execute format($p$create policy service_only on %I for all to keyhold_app
      using (tenant_id = scope.tenant() and scope.reach() = 'tenant-write')
      with check (tenant_id = scope.tenant() and scope.reach() = 'tenant-write')$p$, one);
  end loop;
end $$;

-- Ids alone, written in the transaction of the change that they belong to.
create policy intent_bookkeeping on intents for all to keyhold_app
  using (tenant_id = scope.tenant() and scope.reach() in ('own', 'tenant-write'))
  with check (tenant_id = scope.tenant() and scope.reach() in ('own', 'tenant-write'));

create policy credential_reads on credentials for select to keyhold_app using (scope.reads(tenant_id, owner_id));
create policy credential_inserts on credentials for insert to keyhold_app with check (scope.writes(tenant_id, owner_id));
create policy credential_updates on credentials for update to keyhold_app
  using (scope.writes(tenant_id, owner_id)) with check (scope.writes(tenant_id, owner_id));
create policy credential_deletes on credentials for delete to keyhold_app using (scope.writes(tenant_id, owner_id));

-- A version is seen and changed by whoever sees and changes its credential.
create policy version_reads on credential_versions for select to keyhold_app
  using (tenant_id = scope.tenant()
    and exists (select from credentials c where c.tenant_id = credential_versions.tenant_id and c.id = credential_id));
create policy version_writes on credential_versions for all to keyhold_app
  using (tenant_id = scope.tenant()
    and exists (select from credentials c where c.tenant_id = credential_versions.tenant_id and c.id = credential_id
      and scope.writes(c.tenant_id, c.owner_id)))
  with check (tenant_id = scope.tenant()
    and exists (select from credentials c where c.tenant_id = credential_versions.tenant_id and c.id = credential_id
      and scope.writes(c.tenant_id, c.owner_id)));

-- So are its rotations and the history of its checks.
do $$
declare one text;
begin
  foreach one in array '{rotations,rotation_schedules,venue_rotations,health_checks}'::text[] loop
    execute format($p$create policy credential_reads on %I for select to keyhold_app
      using (tenant_id = scope.tenant()
        and exists (select from credentials c where c.tenant_id = %1$I.tenant_id and c.id = credential_id))$p$, one);
    execute format($p$create policy credential_writes on %I for all to keyhold_app
      using (tenant_id = scope.tenant()
        and exists (select from credentials c where c.tenant_id = %1$I.tenant_id and c.id = credential_id
          and scope.writes(c.tenant_id, c.owner_id)))
      with check (tenant_id = scope.tenant()
        and exists (select from credentials c where c.tenant_id = %1$I.tenant_id and c.id = credential_id
          and scope.writes(c.tenant_id, c.owner_id)))$p$, one);
  end loop;
end $$;

-- The legal moves, once more where no mistake gets past them: src/credentials/credential.ts has the same table of a credential's
-- status. A row that stays what it is has not moved. After the row, so that what a policy refuses it refuses first.
create schema states;

create function states.refuse_move() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'what is % in % cannot become %', to_jsonb(old) ->> tg_argv[0], tg_table_name, to_jsonb(new) ->> tg_argv[0]
    using errcode = 'check_violation', constraint = tg_name, table = tg_table_name, schema = tg_table_schema;
end $$;

create function states.refuse_beginning() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'nothing in % begins as %', tg_table_name, to_jsonb(new) ->> tg_argv[0]
    using errcode = 'check_violation', constraint = tg_name, table = tg_table_name, schema = tg_table_schema;
end $$;

create trigger legal_moves after update on credentials for each row
when (old.status <> new.status and (old.status, new.status) not in (
  ('pending', 'active'), ('pending', 'invalid'), ('pending', 'revoked'),
  ('active', 'inactive'), ('active', 'invalid'), ('active', 'expired'), ('active', 'revoked'),
  ('inactive', 'active'), ('inactive', 'revoked'),
  ('invalid', 'active'), ('invalid', 'revoked'),
  ('expired', 'active'), ('expired', 'revoked')))
execute function states.refuse_move('status');

create trigger legal_moves after update on credential_versions for each row
when (old.state <> new.state and (old.state, new.state) not in (
  ('current', 'retired'), ('current', 'destroyed'), ('retired', 'current'), ('retired', 'destroyed')))
execute function states.refuse_move('state');

create trigger legal_moves after update on rotations for each row
when (old.state <> new.state and (old.state, new.state) not in (('overlap', 'finished'), ('overlap', 'rolled_back')))
execute function states.refuse_move('state');

-- Registered with a verdict or without one; and a rotation without an overlap is over when it begins.
create trigger legal_beginnings after insert on credentials for each row
when (new.status not in ('pending', 'active')) execute function states.refuse_beginning('status');
create trigger legal_beginnings after insert on credential_versions for each row
when (new.state <> 'current') execute function states.refuse_beginning('state');
create trigger legal_beginnings after insert on rotations for each row
when (new.state = 'rolled_back') execute function states.refuse_beginning('state');

-- Which key-encryption key this database was made with: a different or missing key stops the start.
create table installation (
  singleton boolean primary key default true check (singleton),
  kek_id text not null,
  created_at timestamptz not null default now()
);
grant select, insert, update on installation to keyhold_app;
