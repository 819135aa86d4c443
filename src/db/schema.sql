create schema access authorization keyhold_owner;
grant usage on schema access to keyhold_app;
grant usage on schema access to keyhold_recorder;

create schema audit authorization keyhold_owner;
grant usage on schema audit to keyhold_app;
grant usage on schema audit to keyhold_recorder;

create schema clock authorization keyhold_owner;
grant usage on schema clock to keyhold_app;
grant usage on schema clock to keyhold_recorder;

create schema grants authorization keyhold_owner;
grant usage on schema grants to keyhold_app;
grant usage on schema grants to keyhold_recorder;

create schema public authorization pg_database_owner;
grant usage on schema public to keyhold_app;
grant usage on schema public to keyhold_recorder;
grant usage on schema public to public;

create schema scope authorization keyhold_owner;
grant usage on schema scope to keyhold_app;
grant usage on schema scope to keyhold_recorder;

create schema states authorization keyhold_owner;

create schema webhooks authorization keyhold_owner;
grant usage on schema webhooks to keyhold_app;
grant usage on schema webhooks to keyhold_recorder;

create table audit.heads (
  tenant_id uuid not null,
  link bigint not null,
  seq bigint not null,
  hash bytea not null,
  constraint heads_pkey PRIMARY KEY (tenant_id)
);
alter table audit.heads owner to keyhold_owner;
alter table audit.heads enable row level security;
alter table audit.heads force row level security;
create policy readers on audit.heads for select to keyhold_app
  using (((tenant_id = scope.tenant()) AND (scope.reach() = ANY (ARRAY['tenant-read'::text, 'tenant-write'::text]))));
create policy recorder on audit.heads for all to keyhold_recorder
  using (true)
  with check (true);
grant select on audit.heads to keyhold_app;
grant insert, select, update on audit.heads to keyhold_recorder;

create table audit.index_heads (
  tenant_id uuid not null,
  link bigint not null,
  seq bigint not null,
  constraint index_heads_pkey PRIMARY KEY (tenant_id)
);
alter table audit.index_heads owner to keyhold_owner;
alter table audit.index_heads enable row level security;
alter table audit.index_heads force row level security;
create policy readers on audit.index_heads for select to keyhold_app
  using (((tenant_id = scope.tenant()) AND (scope.reach() = ANY (ARRAY['tenant-read'::text, 'tenant-write'::text]))));
create policy recorder_forgets on audit.index_heads for delete to keyhold_recorder
  using ((NOT (EXISTS ( SELECT
   FROM public.tenants t
  WHERE (t.id = index_heads.tenant_id)))));
create policy recorder_inserts on audit.index_heads for insert to keyhold_recorder
  with check (true);
create policy recorder_moves on audit.index_heads for update to keyhold_recorder
  using (true)
  with check (true);
create policy recorder_reads on audit.index_heads for select to keyhold_recorder
  using (true);
grant select on audit.index_heads to keyhold_app;
grant delete, insert, select, update on audit.index_heads to keyhold_recorder;

create table audit.indexed_events (
  tenant_id uuid not null,
  seq bigint not null,
  link bigint not null,
  recorded_at timestamp with time zone not null,
  event text not null,
  actor text not null,
  issuer text,
  api_key_id uuid,
  credential_id uuid,
  outcome text not null,
  constraint indexed_events_pkey PRIMARY KEY (tenant_id, event, seq)
);
alter table audit.indexed_events owner to keyhold_owner;
CREATE INDEX indexed_events_by_actor ON audit.indexed_events USING btree (tenant_id, actor, seq);
CREATE INDEX indexed_events_by_api_key ON audit.indexed_events USING btree (tenant_id, api_key_id, seq) WHERE (api_key_id IS NOT NULL);
CREATE INDEX indexed_events_by_credential ON audit.indexed_events USING btree (tenant_id, credential_id, seq) WHERE (credential_id IS NOT NULL);
CREATE INDEX indexed_events_by_issuer ON audit.indexed_events USING btree (tenant_id, issuer, seq) WHERE (issuer IS NOT NULL);
CREATE INDEX indexed_events_by_outcome ON audit.indexed_events USING btree (tenant_id, outcome, seq);
CREATE INDEX indexed_events_revealed ON audit.indexed_events USING btree (tenant_id, credential_id, seq) WHERE (event = 'credential.revealed'::text);
alter table audit.indexed_events enable row level security;
alter table audit.indexed_events force row level security;
create policy readers on audit.indexed_events for select to keyhold_app
  using (((tenant_id = scope.tenant()) AND (scope.reach() = ANY (ARRAY['tenant-read'::text, 'tenant-write'::text]))));
create policy recorder_forgets on audit.indexed_events for delete to keyhold_recorder
  using ((NOT (EXISTS ( SELECT
   FROM public.tenants t
  WHERE (t.id = indexed_events.tenant_id)))));
create policy recorder_inserts on audit.indexed_events for insert to keyhold_recorder
  with check (true);
create policy recorder_reads on audit.indexed_events for select to keyhold_recorder
  using (true);
grant select on audit.indexed_events to keyhold_app;
grant delete, insert, select on audit.indexed_events to keyhold_recorder;

create table audit.links (
  tenant_id uuid not null,
  link bigint not null,
  first_seq bigint not null,
  event_count integer not null,
  recorded_at timestamp with time zone not null,
  previous_hash bytea not null,
  hash bytea not null,
  events text not null,
  credential_ids uuid[] not null,
  constraint links_pkey PRIMARY KEY (tenant_id, link),
  constraint readable CHECK (audit.is_readable(events, event_count)) NOT VALID
);
alter table audit.links owner to keyhold_owner;
CREATE INDEX links_by_credential ON audit.links USING gin (credential_ids);
CREATE INDEX links_by_grant ON audit.links USING gin (audit.grant_ids(events)) WITH (fastupdate=off) WHERE audit.names_grants(events);
CREATE INDEX links_by_time ON audit.links USING btree (tenant_id, recorded_at);
alter table audit.links enable row level security;
alter table audit.links force row level security;
create policy readers on audit.links for select to keyhold_app
  using (((tenant_id = scope.tenant()) AND (scope.reach() = ANY (ARRAY['tenant-read'::text, 'tenant-write'::text]))));
create policy recorder on audit.links for all to keyhold_recorder
  using (true)
  with check (true);
grant select on audit.links to keyhold_app;
grant insert, select on audit.links to keyhold_recorder;

create table grants.unsigned (
  tenant_id uuid not null,
  kind text not null,
  id uuid not null,
  was_text text,
  was_mac bytea,
  constraint unsigned_pkey PRIMARY KEY (tenant_id, kind, id),
  constraint unsigned_kind_check CHECK ((kind = ANY (ARRAY['tenants'::text, 'accounts'::text, 'members'::text, 'api_keys'::text, 'credentials'::text])))
);
alter table grants.unsigned owner to keyhold_owner;
CREATE CONSTRAINT TRIGGER signed AFTER INSERT OR UPDATE ON grants.unsigned DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION grants.refuse_unsigned();
alter table grants.unsigned enable row level security;
alter table grants.unsigned force row level security;
create policy recorder on grants.unsigned for all to keyhold_recorder
  using (true)
  with check (true);
grant delete, insert, select, update on grants.unsigned to keyhold_recorder;

create table public.accounts (
  tenant_id uuid not null,
  id uuid not null,
  owner_id uuid not null,
  name text not null,
  active boolean default true not null,
  frozen_at timestamp with time zone,
  deleted_at timestamp with time zone,
  revision bigint default 1 not null,
  created_at timestamp with time zone default date_trunc('milliseconds'::text, now()) not null,
  updated_at timestamp with time zone default now() not null,
  switched_off_rank text,
  grant_number bigint default 1 not null,
  grant_mac bytea,
  constraint accounts_pkey PRIMARY KEY (id),
  constraint accounts_grant_mac_check CHECK ((octet_length(grant_mac) = 32)),
  constraint accounts_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 255))),
  constraint accounts_switched_off_rank_check CHECK ((switched_off_rank = ANY (ARRAY['trader'::text, 'admin'::text, 'owner'::text]))),
  constraint accounts_tenant_id_id_key UNIQUE (tenant_id, id),
  constraint accounts_tenant_id_id_owner_id_key UNIQUE (tenant_id, id, owner_id),
  constraint accounts_tenant_id_owner_id_fkey FOREIGN KEY (tenant_id, owner_id) REFERENCES public.members(tenant_id, id)
);
alter table public.accounts owner to keyhold_owner;
CREATE INDEX accounts_by_age ON public.accounts USING btree (tenant_id, created_at DESC, id DESC);
CREATE INDEX accounts_by_owner ON public.accounts USING btree (tenant_id, owner_id, created_at DESC, id DESC);
CREATE INDEX accounts_deleted ON public.accounts USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);
CREATE TRIGGER changed_rights BEFORE UPDATE ON public.accounts FOR EACH ROW WHEN (((((((((old.tenant_id IS DISTINCT FROM new.tenant_id) OR (old.id IS DISTINCT FROM new.id)) OR (old.owner_id IS DISTINCT FROM new.owner_id)) OR (old.active IS DISTINCT FROM new.active)) OR (old.switched_off_rank IS DISTINCT FROM new.switched_off_rank)) OR ((old.frozen_at IS NULL) IS DISTINCT FROM (new.frozen_at IS NULL))) OR ((old.deleted_at IS NULL) IS DISTINCT FROM (new.deleted_at IS NULL))) OR (old.grant_number IS DISTINCT FROM new.grant_number))) EXECUTE FUNCTION grants.note();
CREATE TRIGGER derive_frozen BEFORE UPDATE OF frozen_at ON public.accounts FOR EACH ROW WHEN ((old.frozen_at IS DISTINCT FROM new.frozen_at)) EXECUTE FUNCTION states.derive_frozen();
CREATE TRIGGER signed_rights AFTER INSERT ON public.accounts FOR EACH ROW EXECUTE FUNCTION grants.note();
alter table public.accounts enable row level security;
alter table public.accounts force row level security;
create policy account_deletes on public.accounts for delete to keyhold_app
  using (scope.writes(tenant_id, owner_id));
create policy account_inserts on public.accounts for insert to keyhold_app
  with check (scope.writes(tenant_id, owner_id));
create policy account_reads on public.accounts for select to keyhold_app
  using (scope.reads(tenant_id, owner_id));
create policy account_updates on public.accounts for update to keyhold_app
  using (scope.writes(tenant_id, owner_id))
  with check (scope.writes(tenant_id, owner_id));
create policy narrowing on public.accounts as restrictive for all to keyhold_app
  using (scope.reaches(id, NULL::uuid))
  with check (scope.reaches(id, NULL::uuid));
create policy recorder on public.accounts for select to keyhold_recorder
  using (true);
create policy recorder_signs on public.accounts for update to keyhold_recorder
  using (true)
  with check (true);
grant delete, insert, select, update on public.accounts to keyhold_app;
grant select, update (grant_mac), update (grant_number) on public.accounts to keyhold_recorder;

create table public.api_keys (
  tenant_id uuid not null,
  id uuid not null,
  member_id uuid not null,
  name text not null,
  prefix text not null,
  hash bytea not null,
  scopes text[] not null,
  agent boolean default false not null,
  expires_at timestamp with time zone default (now() + '90 days'::interval) not null,
  revoked_at timestamp with time zone,
  created_at timestamp with time zone default date_trunc('milliseconds'::text, now()) not null,
  makers uuid[] default '{}'::uuid[] not null,
  credentials uuid[],
  accounts uuid[],
  networks cidr[],
  made_without_end boolean default false not null,
  grant_number bigint default 1 not null,
  grant_mac bytea,
  last_used_at timestamp with time zone,
  constraint api_keys_pkey PRIMARY KEY (id),
  constraint api_keys_accounts_check CHECK ((array_position(accounts, NULL::uuid) IS NULL)),
  constraint api_keys_credentials_check CHECK ((array_position(credentials, NULL::uuid) IS NULL)),
  constraint api_keys_grant_mac_check CHECK ((octet_length(grant_mac) = 32)),
  constraint api_keys_hash_check CHECK ((octet_length(hash) = 32)),
  constraint api_keys_hash_key UNIQUE (hash),
  constraint api_keys_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 64))),
  constraint api_keys_networks_check CHECK (((cardinality(networks) > 0) AND (array_position(networks, NULL::cidr) IS NULL))),
  constraint api_keys_tenant_id_id_key UNIQUE (tenant_id, id),
  constraint api_keys_tenant_id_member_id_fkey FOREIGN KEY (tenant_id, member_id) REFERENCES public.members(tenant_id, id)
);
alter table public.api_keys owner to keyhold_owner;
CREATE INDEX api_keys_by_age ON public.api_keys USING btree (tenant_id, created_at DESC, id DESC);
CREATE INDEX api_keys_by_member ON public.api_keys USING btree (tenant_id, member_id, created_at DESC, id DESC);
CREATE TRIGGER changed_rights BEFORE UPDATE ON public.api_keys FOR EACH ROW WHEN ((((((((((((((old.tenant_id IS DISTINCT FROM new.tenant_id) OR (old.id IS DISTINCT FROM new.id)) OR (old.member_id IS DISTINCT FROM new.member_id)) OR (old.hash IS DISTINCT FROM new.hash)) OR (old.scopes IS DISTINCT FROM new.scopes)) OR (old.agent IS DISTINCT FROM new.agent)) OR (old.expires_at IS DISTINCT FROM new.expires_at)) OR ((old.revoked_at IS NULL) IS DISTINCT FROM (new.revoked_at IS NULL))) OR (old.makers IS DISTINCT FROM new.makers)) OR (old.credentials IS DISTINCT FROM new.credentials)) OR (old.accounts IS DISTINCT FROM new.accounts)) OR (old.networks IS DISTINCT FROM new.networks)) OR (old.grant_number IS DISTINCT FROM new.grant_number))) EXECUTE FUNCTION grants.note();
CREATE TRIGGER end_api_key BEFORE INSERT ON public.api_keys FOR EACH ROW EXECUTE FUNCTION states.end_api_key();
CREATE TRIGGER signed_rights AFTER INSERT ON public.api_keys FOR EACH ROW EXECUTE FUNCTION grants.note();
alter table public.api_keys enable row level security;
alter table public.api_keys force row level security;
create policy api_key_deletes on public.api_keys for delete to keyhold_app
  using (scope.writes(tenant_id, member_id));
create policy api_key_inserts on public.api_keys for insert to keyhold_app
  with check (scope.writes(tenant_id, member_id));
create policy api_key_reads on public.api_keys for select to keyhold_app
  using (scope.reads(tenant_id, member_id));
create policy api_key_updates on public.api_keys for update to keyhold_app
  using (scope.writes(tenant_id, member_id))
  with check (scope.writes(tenant_id, member_id));
create policy recorder on public.api_keys for select to keyhold_recorder
  using (true);
create policy recorder_signs on public.api_keys for update to keyhold_recorder
  using (true)
  with check (true);
grant delete, insert, select, update on public.api_keys to keyhold_app;
grant select, update (grant_mac), update (grant_number), update (last_used_at) on public.api_keys to keyhold_recorder;

create table public.clock_lanes (
  lane text not null,
  holder uuid not null,
  leased_until timestamp with time zone not null,
  constraint clock_lanes_pkey PRIMARY KEY (lane)
);
alter table public.clock_lanes owner to keyhold_owner;
grant delete, insert, select, update on public.clock_lanes to keyhold_recorder;

create table public.credential_versions (
  tenant_id uuid not null,
  credential_id uuid not null,
  version integer not null,
  store text not null,
  data_key_id uuid,
  state text not null,
  key_since timestamp with time zone default now() not null,
  created_at timestamp with time zone default now() not null,
  destroyed_at timestamp with time zone,
  constraint credential_versions_pkey PRIMARY KEY (credential_id, version),
  constraint credential_versions_check CHECK (((state = 'destroyed'::text) = (data_key_id IS NULL))),
  constraint credential_versions_state_check CHECK ((state = ANY (ARRAY['current'::text, 'retired'::text, 'destroyed'::text]))),
  constraint credential_versions_tenant_id_credential_id_fkey FOREIGN KEY (tenant_id, credential_id) REFERENCES public.credentials(tenant_id, id) ON DELETE CASCADE,
  constraint credential_versions_tenant_id_data_key_id_fkey FOREIGN KEY (tenant_id, data_key_id) REFERENCES public.data_keys(tenant_id, id),
  constraint credential_versions_version_check CHECK ((version > 0))
);
alter table public.credential_versions owner to keyhold_owner;
CREATE INDEX credential_versions_by_key ON public.credential_versions USING btree (tenant_id, data_key_id) WHERE (data_key_id IS NOT NULL);
CREATE INDEX credential_versions_by_store ON public.credential_versions USING btree (store, credential_id) WHERE (state = 'current'::text);
CREATE UNIQUE INDEX credential_versions_one_current ON public.credential_versions USING btree (tenant_id, credential_id) WHERE (state = 'current'::text);
CREATE TRIGGER changed_rights AFTER INSERT OR DELETE ON public.credential_versions FOR EACH ROW EXECUTE FUNCTION grants.note_version();
CREATE TRIGGER changed_rights_of AFTER UPDATE ON public.credential_versions FOR EACH ROW WHEN (((((old.credential_id IS DISTINCT FROM new.credential_id) OR (old.version IS DISTINCT FROM new.version)) OR (old.store IS DISTINCT FROM new.store)) OR (old.state IS DISTINCT FROM new.state))) EXECUTE FUNCTION grants.note_version();
CREATE TRIGGER legal_beginnings AFTER INSERT ON public.credential_versions FOR EACH ROW WHEN ((new.state <> 'current'::text)) EXECUTE FUNCTION states.refuse_beginning('state');
CREATE TRIGGER legal_moves AFTER UPDATE ON public.credential_versions FOR EACH ROW WHEN (((old.state <> new.state) AND (((((old.state <> 'current'::text) OR (new.state <> 'retired'::text)) AND ((old.state <> 'current'::text) OR (new.state <> 'destroyed'::text))) AND ((old.state <> 'retired'::text) OR (new.state <> 'current'::text))) AND ((old.state <> 'retired'::text) OR (new.state <> 'destroyed'::text))))) EXECUTE FUNCTION states.refuse_move('state');
alter table public.credential_versions enable row level security;
alter table public.credential_versions force row level security;
create policy recorder on public.credential_versions for select to keyhold_recorder
  using (true);
create policy version_reads on public.credential_versions for select to keyhold_app
  using (((tenant_id = scope.tenant()) AND (EXISTS ( SELECT
   FROM public.credentials c
  WHERE ((c.tenant_id = credential_versions.tenant_id) AND (c.id = credential_versions.credential_id))))));
create policy version_writes on public.credential_versions for all to keyhold_app
  using (((tenant_id = scope.tenant()) AND (EXISTS ( SELECT
   FROM public.credentials c
  WHERE ((c.tenant_id = credential_versions.tenant_id) AND (c.id = credential_versions.credential_id) AND scope.writes(c.tenant_id, c.owner_id))))))
  with check (((tenant_id = scope.tenant()) AND (EXISTS ( SELECT
   FROM public.credentials c
  WHERE ((c.tenant_id = credential_versions.tenant_id) AND (c.id = credential_versions.credential_id) AND scope.writes(c.tenant_id, c.owner_id))))));
grant delete, insert, select, update on public.credential_versions to keyhold_app;
grant select on public.credential_versions to keyhold_recorder;

create table public.credentials (
  tenant_id uuid not null,
  id uuid not null,
  account_id uuid not null,
  owner_id uuid not null,
  venue text not null,
  environment text not null,
  label text default 'default'::text not null,
  status text not null,
  permissions jsonb,
  account_facts jsonb default '{}'::jsonb not null,
  allow text[] default '{read}'::text[] not null,
  reveal boolean default false not null,
  store text not null,
  version integer default 1 not null,
  last_version integer default 1 not null,
  frozen_at timestamp with time zone,
  owner_expires_at timestamp with time zone,
  venue_expires_at timestamp with time zone,
  expires_at timestamp with time zone generated always as LEAST(owner_expires_at, venue_expires_at),
  estimated_expires_at timestamp with time zone,
  unused_days smallint,
  health text default 'unknown'::text not null,
  health_message text,
  last_validated_at timestamp with time zone,
  rejected_at timestamp with time zone,
  next_check_at timestamp with time zone default now() not null,
  check_attempts smallint default 0 not null,
  check_leased_until timestamp with time zone,
  warned_days smallint,
  deleted_at timestamp with time zone,
  revision bigint default 1 not null,
  created_at timestamp with time zone default date_trunc('milliseconds'::text, now()) not null,
  updated_at timestamp with time zone default now() not null,
  switched_off_rank text,
  grant_number bigint default 1 not null,
  grant_mac bytea,
  openable text[] default '{}'::text[] not null,
  refused_since timestamp with time zone,
  refused_as text,
  held_at timestamp with time zone,
  constraint credentials_pkey PRIMARY KEY (id),
  constraint credentials_allow_check CHECK ((allow <@ '{read,trade,transfer,withdraw}'::text[])),
  constraint credentials_check CHECK ((last_version >= version)),
  constraint credentials_environment_check CHECK ((environment = ANY (ARRAY['live'::text, 'paper'::text, 'testnet'::text]))),
  constraint credentials_grant_mac_check CHECK ((octet_length(grant_mac) = 32)),
  constraint credentials_health_check CHECK ((health = ANY (ARRAY['unknown'::text, 'healthy'::text, 'degraded'::text, 'unhealthy'::text]))),
  constraint credentials_label_check CHECK (((char_length(label) >= 1) AND (char_length(label) <= 64))),
  constraint credentials_refused_as_check CHECK ((refused_as = ANY (ARRAY['rejected'::text, 'ambiguous'::text, 'ip_not_allowed'::text]))),
  constraint credentials_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'active'::text, 'inactive'::text, 'invalid'::text, 'expired'::text, 'revoked'::text]))),
  constraint credentials_store_check CHECK ((store = ANY (ARRAY['postgres'::text, 'vault'::text, 'aws'::text, 'file'::text, 'env'::text]))),
  constraint credentials_switched_off_rank_check CHECK ((switched_off_rank = ANY (ARRAY['trader'::text, 'admin'::text, 'owner'::text]))),
  constraint credentials_tenant_id_account_id_owner_id_fkey FOREIGN KEY (tenant_id, account_id, owner_id) REFERENCES public.accounts(tenant_id, id, owner_id) ON UPDATE CASCADE,
  constraint credentials_tenant_id_id_key UNIQUE (tenant_id, id),
  constraint credentials_venue_check CHECK (((char_length(venue) >= 1) AND (char_length(venue) <= 64))),
  constraint credentials_version_check CHECK ((version > 0))
);
alter table public.credentials owner to keyhold_owner;
CREATE INDEX credentials_asked ON public.credentials USING btree (venue, GREATEST(next_check_at, check_leased_until)) WHERE ((status = ANY (ARRAY['active'::text, 'pending'::text, 'invalid'::text])) AND (deleted_at IS NULL) AND (frozen_at IS NULL));
CREATE INDEX credentials_by_account ON public.credentials USING btree (tenant_id, account_id, created_at DESC, id DESC) WHERE (deleted_at IS NULL);
CREATE INDEX credentials_by_age ON public.credentials USING btree (tenant_id, created_at DESC, id DESC) WHERE (deleted_at IS NULL);
CREATE INDEX credentials_by_owner ON public.credentials USING btree (tenant_id, owner_id, created_at DESC, id DESC) WHERE (deleted_at IS NULL);
CREATE INDEX credentials_by_venue ON public.credentials USING btree (venue, environment, tenant_id) WHERE ((status = 'active'::text) AND (deleted_at IS NULL));
CREATE INDEX credentials_ending ON public.credentials USING btree (estimated_expires_at) WHERE ((status = 'active'::text) AND (estimated_expires_at IS NOT NULL));
CREATE INDEX credentials_expiring ON public.credentials USING btree (expires_at) WHERE ((status = 'active'::text) AND (expires_at IS NOT NULL));
CREATE INDEX credentials_listed_by_environment ON public.credentials USING btree (tenant_id, environment, created_at DESC, id DESC) WHERE (deleted_at IS NULL);
CREATE INDEX credentials_listed_by_label ON public.credentials USING btree (tenant_id, label, created_at DESC, id DESC) WHERE (deleted_at IS NULL);
CREATE INDEX credentials_listed_by_status ON public.credentials USING btree (tenant_id, status, created_at DESC, id DESC) WHERE (deleted_at IS NULL);
CREATE INDEX credentials_listed_by_venue ON public.credentials USING btree (tenant_id, venue, created_at DESC, id DESC) WHERE (deleted_at IS NULL);
CREATE UNIQUE INDEX credentials_one_per_label ON public.credentials USING btree (tenant_id, account_id, venue, environment, label) WHERE (status <> 'revoked'::text);
CREATE INDEX credentials_refused ON public.credentials USING btree (venue, environment) WHERE (refused_since IS NOT NULL);
CREATE INDEX credentials_unused ON public.credentials USING btree (last_validated_at) WHERE ((status = ANY (ARRAY['active'::text, 'inactive'::text])) AND (unused_days IS NOT NULL));
CREATE TRIGGER changed_rights BEFORE UPDATE ON public.credentials FOR EACH ROW WHEN ((((((((((((((((((((old.tenant_id IS DISTINCT FROM new.tenant_id) OR (old.id IS DISTINCT FROM new.id)) OR (old.owner_id IS DISTINCT FROM new.owner_id)) OR (old.account_id IS DISTINCT FROM new.account_id)) OR (old.venue IS DISTINCT FROM new.venue)) OR (old.environment IS DISTINCT FROM new.environment)) OR (old.store IS DISTINCT FROM new.store)) OR (old.status IS DISTINCT FROM new.status)) OR (old.switched_off_rank IS DISTINCT FROM new.switched_off_rank)) OR (old.allow IS DISTINCT FROM new.allow)) OR (old.reveal IS DISTINCT FROM new.reveal)) OR (old.owner_expires_at IS DISTINCT FROM new.owner_expires_at)) OR (old.venue_expires_at IS DISTINCT FROM new.venue_expires_at)) OR ((old.frozen_at IS NULL) IS DISTINCT FROM (new.frozen_at IS NULL))) OR ((old.deleted_at IS NULL) IS DISTINCT FROM (new.deleted_at IS NULL))) OR (old.revision IS DISTINCT FROM new.revision)) OR (old.version IS DISTINCT FROM new.version)) OR (old.openable IS DISTINCT FROM new.openable)) OR (old.grant_number IS DISTINCT FROM new.grant_number))) EXECUTE FUNCTION grants.note();
CREATE TRIGGER derive_frozen BEFORE UPDATE OF frozen_at ON public.credentials FOR EACH ROW WHEN ((old.frozen_at IS DISTINCT FROM new.frozen_at)) EXECUTE FUNCTION states.derive_frozen();
CREATE TRIGGER legal_beginnings AFTER INSERT ON public.credentials FOR EACH ROW WHEN ((new.status <> ALL (ARRAY['pending'::text, 'active'::text]))) EXECUTE FUNCTION states.refuse_beginning('status');
CREATE TRIGGER legal_moves AFTER UPDATE ON public.credentials FOR EACH ROW WHEN (((old.status <> new.status) AND ((((((((((((((old.status <> 'pending'::text) OR (new.status <> 'active'::text)) AND ((old.status <> 'pending'::text) OR (new.status <> 'invalid'::text))) AND ((old.status <> 'pending'::text) OR (new.status <> 'revoked'::text))) AND ((old.status <> 'active'::text) OR (new.status <> 'inactive'::text))) AND ((old.status <> 'active'::text) OR (new.status <> 'invalid'::text))) AND ((old.status <> 'active'::text) OR (new.status <> 'expired'::text))) AND ((old.status <> 'active'::text) OR (new.status <> 'revoked'::text))) AND ((old.status <> 'inactive'::text) OR (new.status <> 'active'::text))) AND ((old.status <> 'inactive'::text) OR (new.status <> 'revoked'::text))) AND ((old.status <> 'invalid'::text) OR (new.status <> 'active'::text))) AND ((old.status <> 'invalid'::text) OR (new.status <> 'revoked'::text))) AND ((old.status <> 'expired'::text) OR (new.status <> 'active'::text))) AND ((old.status <> 'expired'::text) OR (new.status <> 'revoked'::text))))) EXECUTE FUNCTION states.refuse_move('status');
CREATE TRIGGER signed_rights AFTER INSERT ON public.credentials FOR EACH ROW EXECUTE FUNCTION grants.note();
alter table public.credentials enable row level security;
alter table public.credentials force row level security;
create policy credential_deletes on public.credentials for delete to keyhold_app
  using (scope.writes(tenant_id, owner_id));
create policy credential_inserts on public.credentials for insert to keyhold_app
  with check (scope.writes(tenant_id, owner_id));
create policy credential_reads on public.credentials for select to keyhold_app
  using (scope.reads(tenant_id, owner_id));
create policy credential_updates on public.credentials for update to keyhold_app
  using (scope.writes(tenant_id, owner_id))
  with check (scope.writes(tenant_id, owner_id));
create policy narrowing on public.credentials as restrictive for all to keyhold_app
  using (scope.reaches(account_id, id))
  with check (scope.reaches(account_id, id));
create policy recorder on public.credentials for select to keyhold_recorder
  using (true);
create policy recorder_leases on public.credentials for update to keyhold_recorder
  using (true)
  with check (true);
grant delete, insert, select, update on public.credentials to keyhold_app;
grant select, update (check_leased_until), update (grant_mac), update (grant_number), update (openable) on public.credentials to keyhold_recorder;

create table public.data_keys (
  tenant_id uuid not null,
  id uuid not null,
  use text not null,
  kek_id text not null,
  wrapped bytea not null,
  state text default 'active'::text not null,
  operations bigint default 0 not null,
  created_at timestamp with time zone default now() not null,
  retired_at timestamp with time zone,
  constraint data_keys_pkey PRIMARY KEY (id),
  constraint data_keys_check CHECK (((state = 'retired'::text) = (retired_at IS NOT NULL))),
  constraint data_keys_state_check CHECK ((state = ANY (ARRAY['active'::text, 'retired'::text]))),
  constraint data_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id),
  constraint data_keys_tenant_id_id_key UNIQUE (tenant_id, id),
  constraint data_keys_use_check CHECK ((use = ANY (ARRAY['seal'::text, 'mac'::text])))
);
alter table public.data_keys owner to keyhold_owner;
CREATE INDEX data_keys_by_wrapping_key ON public.data_keys USING btree (kek_id);
CREATE UNIQUE INDEX data_keys_one_active ON public.data_keys USING btree (tenant_id, use) WHERE (state = 'active'::text);
CREATE INDEX data_keys_retired ON public.data_keys USING btree (tenant_id) WHERE (state = 'retired'::text);
alter table public.data_keys enable row level security;
alter table public.data_keys force row level security;
create policy platform_adds_mac_key on public.data_keys for insert to keyhold_app
  with check (((scope.reach() = 'platform'::text) AND (use = 'mac'::text) AND (NOT access.has_members(tenant_id))));
create policy recorder on public.data_keys for select to keyhold_recorder
  using (true);
create policy service_only on public.data_keys for all to keyhold_app
  using (((tenant_id = scope.tenant()) AND (scope.reach() = 'tenant-write'::text)))
  with check (((tenant_id = scope.tenant()) AND (scope.reach() = 'tenant-write'::text)));
grant delete, insert, select, update on public.data_keys to keyhold_app;
grant select (created_at), select (id), select (kek_id), select (operations), select (retired_at), select (state), select (tenant_id), select (use) on public.data_keys to keyhold_recorder;

create table public.freezes (
  tenant_id uuid not null,
  id uuid default gen_random_uuid() not null,
  account_id uuid,
  credential_id uuid,
  rank text not null,
  actor jsonb,
  reason text,
  frozen_at timestamp with time zone default date_trunc('milliseconds'::text, clock_timestamp()) not null,
  constraint freezes_pkey PRIMARY KEY (tenant_id, id),
  constraint freezes_check CHECK (((account_id IS NULL) OR (credential_id IS NULL))),
  constraint freezes_rank_check CHECK ((rank = ANY (ARRAY['trader'::text, 'admin'::text, 'owner'::text, 'operator'::text]))),
  constraint freezes_tenant_id_account_id_credential_id_rank_actor_key UNIQUE NULLS NOT DISTINCT (tenant_id, account_id, credential_id, rank, actor),
  constraint freezes_tenant_id_account_id_fkey FOREIGN KEY (tenant_id, account_id) REFERENCES public.accounts(tenant_id, id) ON DELETE CASCADE,
  constraint freezes_tenant_id_credential_id_fkey FOREIGN KEY (tenant_id, credential_id) REFERENCES public.credentials(tenant_id, id) ON DELETE CASCADE,
  constraint freezes_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE
);
alter table public.freezes owner to keyhold_owner;
CREATE INDEX freezes_by_account ON public.freezes USING btree (tenant_id, account_id) WHERE (account_id IS NOT NULL);
CREATE INDEX freezes_by_credential ON public.freezes USING btree (tenant_id, credential_id) WHERE (credential_id IS NOT NULL);
CREATE TRIGGER changed_rights BEFORE INSERT OR DELETE OR UPDATE ON public.freezes FOR EACH ROW EXECUTE FUNCTION grants.note_freeze();
alter table public.freezes enable row level security;
alter table public.freezes force row level security;
create policy freeze_reads on public.freezes for select to keyhold_app
  using ((((account_id IS NULL) AND (credential_id IS NULL) AND ((tenant_id = scope.tenant()) OR (scope.reach() = 'platform'::text))) OR ((tenant_id = scope.tenant()) AND ((EXISTS ( SELECT
   FROM public.accounts a
  WHERE ((a.tenant_id = freezes.tenant_id) AND (a.id = freezes.account_id)))) OR (EXISTS ( SELECT
   FROM public.credentials c
  WHERE ((c.tenant_id = freezes.tenant_id) AND (c.id = freezes.credential_id))))))));
create policy member_freezes on public.freezes for insert to keyhold_app
  with check (((rank <> 'operator'::text) AND scope.freezes(tenant_id, account_id, credential_id)));
create policy member_lifts on public.freezes for delete to keyhold_app
  using (((rank <> 'operator'::text) AND ((scope.reach() = 'tenant-write'::text) OR (rank = 'trader'::text)) AND scope.freezes(tenant_id, account_id, credential_id)));
create policy operator_freezes on public.freezes for insert to keyhold_app
  with check (((scope.reach() = 'platform'::text) AND (rank = 'operator'::text) AND (account_id IS NULL) AND (credential_id IS NULL)));
create policy operator_lifts on public.freezes for delete to keyhold_app
  using (((scope.reach() = 'platform'::text) AND (account_id IS NULL) AND (credential_id IS NULL)));
create policy recorder on public.freezes for select to keyhold_recorder
  using (true);
grant delete, insert, select on public.freezes to keyhold_app;
grant select on public.freezes to keyhold_recorder;

create table public.health_checks (
  tenant_id uuid not null,
  id uuid not null,
  credential_id uuid not null,
  venue text not null,
  environment text not null,
  purpose text not null,
  outcome text not null,
  status text not null,
  health text not null,
  checked_at timestamp with time zone default date_trunc('milliseconds'::text, clock_timestamp()) not null,
  constraint health_checks_pkey PRIMARY KEY (id),
  constraint health_checks_purpose_check CHECK ((purpose = ANY (ARRAY['register'::text, 'validate'::text, 'health'::text, 'rotate'::text]))),
  constraint health_checks_tenant_id_credential_id_fkey FOREIGN KEY (tenant_id, credential_id) REFERENCES public.credentials(tenant_id, id) ON DELETE CASCADE,
  constraint health_checks_tenant_id_id_key UNIQUE (tenant_id, id)
);
alter table public.health_checks owner to keyhold_owner;
CREATE INDEX health_checks_by_age ON public.health_checks USING btree (checked_at);
CREATE INDEX health_checks_by_credential ON public.health_checks USING btree (tenant_id, credential_id, checked_at DESC, id DESC);
CREATE INDEX health_checks_by_venue ON public.health_checks USING btree (venue, environment, checked_at);
alter table public.health_checks enable row level security;
alter table public.health_checks force row level security;
create policy credential_reads on public.health_checks for select to keyhold_app
  using (((tenant_id = scope.tenant()) AND (EXISTS ( SELECT
   FROM public.credentials c
  WHERE ((c.tenant_id = health_checks.tenant_id) AND (c.id = health_checks.credential_id))))));
create policy credential_writes on public.health_checks for all to keyhold_app
  using (((tenant_id = scope.tenant()) AND (EXISTS ( SELECT
   FROM public.credentials c
  WHERE ((c.tenant_id = health_checks.tenant_id) AND (c.id = health_checks.credential_id) AND scope.writes(c.tenant_id, c.owner_id))))))
  with check (((tenant_id = scope.tenant()) AND (EXISTS ( SELECT
   FROM public.credentials c
  WHERE ((c.tenant_id = health_checks.tenant_id) AND (c.id = health_checks.credential_id) AND scope.writes(c.tenant_id, c.owner_id))))));
create policy recorder on public.health_checks for select to keyhold_recorder
  using (true);
create policy recorder_forgets on public.health_checks for delete to keyhold_recorder
  using ((checked_at < (now() - '90 days'::interval)));
grant delete, insert, select, update on public.health_checks to keyhold_app;
grant delete, select on public.health_checks to keyhold_recorder;

create table public.idempotency_keys (
  tenant_id uuid not null,
  principal text not null,
  route text not null,
  key text not null,
  request_mac bytea not null,
  state text default 'running'::text not null,
  status integer,
  body jsonb,
  created_at timestamp with time zone default now() not null,
  constraint idempotency_keys_pkey PRIMARY KEY (tenant_id, principal, route, key),
  constraint idempotency_keys_key_check CHECK (((char_length(key) >= 1) AND (char_length(key) <= 255))),
  constraint idempotency_keys_state_check CHECK ((state = ANY (ARRAY['running'::text, 'done'::text])))
);
alter table public.idempotency_keys owner to keyhold_owner;
CREATE INDEX idempotency_keys_by_age ON public.idempotency_keys USING btree (created_at);
alter table public.idempotency_keys enable row level security;
alter table public.idempotency_keys force row level security;
create policy recorder_keeps on public.idempotency_keys for update to keyhold_recorder
  using (true)
  with check (true);
create policy recorder_reads on public.idempotency_keys for select to keyhold_recorder
  using (true);
create policy service_only on public.idempotency_keys for all to keyhold_app
  using (((tenant_id = scope.tenant()) AND (scope.reach() = 'tenant-write'::text)))
  with check (((tenant_id = scope.tenant()) AND (scope.reach() = 'tenant-write'::text)));
grant delete, insert, select, update on public.idempotency_keys to keyhold_app;
grant select, update (body), update (state), update (status) on public.idempotency_keys to keyhold_recorder;

create table public.installation (
  singleton boolean default true not null,
  kek_id text not null,
  created_at timestamp with time zone default now() not null,
  constraint installation_pkey PRIMARY KEY (singleton),
  constraint installation_singleton_check CHECK (singleton)
);
alter table public.installation owner to keyhold_owner;
grant insert, select on public.installation to keyhold_app;
grant select (singleton), update (kek_id) on public.installation to keyhold_recorder;

create table public.intents (
  tenant_id uuid not null,
  id uuid not null,
  kind text not null,
  credential_id uuid not null,
  version integer not null,
  store text not null,
  venue text not null,
  environment text not null,
  created_at timestamp with time zone default now() not null,
  constraint intents_pkey PRIMARY KEY (id),
  constraint intents_kind_check CHECK ((kind = ANY (ARRAY['register'::text, 'replace'::text, 'rotate'::text, 'reseal'::text, 'destroy'::text]))),
  constraint intents_tenant_id_id_key UNIQUE (tenant_id, id)
);
alter table public.intents owner to keyhold_owner;
CREATE INDEX intents_by_credential ON public.intents USING btree (tenant_id, credential_id);
CREATE INDEX intents_by_tenant ON public.intents USING btree (tenant_id, created_at);
alter table public.intents enable row level security;
alter table public.intents force row level security;
create policy intent_bookkeeping on public.intents for all to keyhold_app
  using (((tenant_id = scope.tenant()) AND (scope.reach() = ANY (ARRAY['own'::text, 'tenant-write'::text]))))
  with check (((tenant_id = scope.tenant()) AND (scope.reach() = ANY (ARRAY['own'::text, 'tenant-write'::text]))));
create policy recorder on public.intents for select to keyhold_recorder
  using (true);
grant delete, insert, select, update on public.intents to keyhold_app;
grant select on public.intents to keyhold_recorder;

create table public.invocations (
  tenant_id uuid not null,
  id uuid not null,
  credential_id uuid not null,
  principal text not null,
  key text not null,
  operation text not null,
  request_mac bytea not null,
  client_order_id text,
  symbol text,
  state text default 'sending'::text not null,
  result json,
  message text,
  created_at timestamp with time zone default now() not null,
  updated_at timestamp with time zone default now() not null,
  constraint invocations_pkey PRIMARY KEY (id),
  constraint invocations_state_check CHECK ((state = ANY (ARRAY['sending'::text, 'done'::text, 'refused'::text, 'unknown'::text]))),
  constraint invocations_tenant_id_credential_id_fkey FOREIGN KEY (tenant_id, credential_id) REFERENCES public.credentials(tenant_id, id) ON DELETE CASCADE,
  constraint invocations_tenant_id_credential_id_principal_key_key UNIQUE (tenant_id, credential_id, principal, key),
  constraint invocations_tenant_id_id_key UNIQUE (tenant_id, id)
);
alter table public.invocations owner to keyhold_owner;
CREATE INDEX invocations_ended ON public.invocations USING btree (updated_at) WHERE (state = ANY (ARRAY['done'::text, 'refused'::text]));
alter table public.invocations enable row level security;
alter table public.invocations force row level security;
create policy invocation_writes on public.invocations for all to keyhold_app
  using (((tenant_id = scope.tenant()) AND (EXISTS ( SELECT
   FROM public.credentials c
  WHERE ((c.tenant_id = invocations.tenant_id) AND (c.id = invocations.credential_id) AND scope.writes(c.tenant_id, c.owner_id))))))
  with check (((tenant_id = scope.tenant()) AND (EXISTS ( SELECT
   FROM public.credentials c
  WHERE ((c.tenant_id = invocations.tenant_id) AND (c.id = invocations.credential_id) AND scope.writes(c.tenant_id, c.owner_id))))));
create policy recorder on public.invocations for select to keyhold_recorder
  using (true);
create policy recorder_forgets on public.invocations for delete to keyhold_recorder
  using (((state = ANY (ARRAY['done'::text, 'refused'::text])) AND (updated_at < (now() - '90 days'::interval))));
grant delete, insert, select, update on public.invocations to keyhold_app;
grant delete, select on public.invocations to keyhold_recorder;

create table public.members (
  tenant_id uuid not null,
  id uuid not null,
  issuer text not null,
  subject text not null,
  role text not null,
  status text default 'active'::text not null,
  revision bigint default 1 not null,
  created_at timestamp with time zone default date_trunc('milliseconds'::text, now()) not null,
  updated_at timestamp with time zone default now() not null,
  suspended_rank text,
  grant_number bigint default 1 not null,
  grant_mac bytea,
  constraint members_pkey PRIMARY KEY (id),
  constraint members_grant_mac_check CHECK ((octet_length(grant_mac) = 32)),
  constraint members_issuer_check CHECK (((char_length(issuer) >= 1) AND (char_length(issuer) <= 255))),
  constraint members_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'trader'::text, 'viewer'::text, 'auditor'::text]))),
  constraint members_status_check CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text]))),
  constraint members_subject_check CHECK (((char_length(subject) >= 1) AND (char_length(subject) <= 255))),
  constraint members_suspended_rank_check CHECK ((suspended_rank = ANY (ARRAY['trader'::text, 'admin'::text, 'owner'::text]))),
  constraint members_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id),
  constraint members_tenant_id_id_key UNIQUE (tenant_id, id),
  constraint members_tenant_id_issuer_subject_key UNIQUE (tenant_id, issuer, subject)
);
alter table public.members owner to keyhold_owner;
CREATE INDEX members_by_age ON public.members USING btree (tenant_id, created_at DESC, id DESC);
CREATE TRIGGER changed_rights BEFORE UPDATE ON public.members FOR EACH ROW WHEN (((((((((old.tenant_id IS DISTINCT FROM new.tenant_id) OR (old.id IS DISTINCT FROM new.id)) OR (old.issuer IS DISTINCT FROM new.issuer)) OR (old.subject IS DISTINCT FROM new.subject)) OR (old.role IS DISTINCT FROM new.role)) OR (old.status IS DISTINCT FROM new.status)) OR (old.suspended_rank IS DISTINCT FROM new.suspended_rank)) OR (old.grant_number IS DISTINCT FROM new.grant_number))) EXECUTE FUNCTION grants.note();
CREATE TRIGGER signed_rights AFTER INSERT ON public.members FOR EACH ROW EXECUTE FUNCTION grants.note();
alter table public.members enable row level security;
alter table public.members force row level security;
create policy member_deletes on public.members for delete to keyhold_app
  using (((tenant_id = scope.tenant()) AND (scope.reach() = 'tenant-write'::text)));
create policy member_inserts on public.members for insert to keyhold_app
  with check (((tenant_id = scope.tenant()) AND (scope.reach() = 'tenant-write'::text)));
create policy member_reads on public.members for select to keyhold_app
  using (scope.reads(tenant_id, id));
create policy member_updates on public.members for update to keyhold_app
  using (((tenant_id = scope.tenant()) AND (scope.reach() = 'tenant-write'::text)))
  with check (((tenant_id = scope.tenant()) AND (scope.reach() = 'tenant-write'::text)));
create policy platform_adds_owner on public.members for insert to keyhold_app
  with check (((scope.reach() = 'platform'::text) AND (role = 'owner'::text) AND (NOT access.has_members(tenant_id))));
create policy recorder on public.members for select to keyhold_recorder
  using (true);
create policy recorder_signs on public.members for update to keyhold_recorder
  using (true)
  with check (true);
grant delete, insert, select, update on public.members to keyhold_app;
grant select, update (grant_mac), update (grant_number) on public.members to keyhold_recorder;

create table public.operator_keys (
  id uuid not null,
  name text not null,
  prefix text not null,
  hash bytea not null,
  made_by text not null,
  created_at timestamp with time zone default date_trunc('milliseconds'::text, now()) not null,
  expires_at timestamp with time zone not null,
  revoked_at timestamp with time zone,
  constraint operator_keys_pkey PRIMARY KEY (id),
  constraint operator_keys_check CHECK ((expires_at <= (created_at + '24:00:00'::interval))),
  constraint operator_keys_hash_check CHECK ((octet_length(hash) = 32)),
  constraint operator_keys_hash_key UNIQUE (hash),
  constraint operator_keys_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 64)))
);
alter table public.operator_keys owner to keyhold_owner;
alter table public.operator_keys enable row level security;
alter table public.operator_keys force row level security;
create policy platform_only on public.operator_keys for all to keyhold_app
  using ((scope.reach() = 'platform'::text))
  with check ((scope.reach() = 'platform'::text));
create policy recorder_reads on public.operator_keys for select to keyhold_recorder
  using (true);
grant insert, select, update on public.operator_keys to keyhold_app;
grant select on public.operator_keys to keyhold_recorder;

create table public.rate_limits (
  key character varying(255) not null,
  points integer default 0 not null,
  expire bigint,
  constraint rate_limits_pkey PRIMARY KEY (key)
);
alter table public.rate_limits owner to keyhold_owner;
grant delete, insert, select, update on public.rate_limits to keyhold_app;

create table public.rotation_schedules (
  tenant_id uuid not null,
  credential_id uuid not null,
  parent_id uuid,
  every_days integer not null,
  next_at timestamp with time zone not null,
  failures integer default 0 not null,
  last_failure text,
  last_failure_message text,
  last_failed_at timestamp with time zone,
  created_at timestamp with time zone default date_trunc('milliseconds'::text, now()) not null,
  constraint rotation_schedules_pkey PRIMARY KEY (credential_id),
  constraint rotation_schedules_check CHECK ((parent_id <> credential_id)),
  constraint rotation_schedules_every_days_check CHECK (((every_days >= 1) AND (every_days <= 365))),
  constraint rotation_schedules_tenant_id_credential_id_fkey FOREIGN KEY (tenant_id, credential_id) REFERENCES public.credentials(tenant_id, id) ON DELETE CASCADE,
  constraint rotation_schedules_tenant_id_parent_id_fkey FOREIGN KEY (tenant_id, parent_id) REFERENCES public.credentials(tenant_id, id) ON DELETE SET NULL (parent_id)
);
alter table public.rotation_schedules owner to keyhold_owner;
CREATE INDEX rotation_schedules_by_parent ON public.rotation_schedules USING btree (tenant_id, parent_id) WHERE (parent_id IS NOT NULL);
CREATE INDEX rotation_schedules_due ON public.rotation_schedules USING btree (next_at);
alter table public.rotation_schedules enable row level security;
alter table public.rotation_schedules force row level security;
create policy credential_reads on public.rotation_schedules for select to keyhold_app
  using (((tenant_id = scope.tenant()) AND (EXISTS ( SELECT
   FROM public.credentials c
  WHERE ((c.tenant_id = rotation_schedules.tenant_id) AND (c.id = rotation_schedules.credential_id))))));
create policy credential_writes on public.rotation_schedules for all to keyhold_app
  using (((tenant_id = scope.tenant()) AND (EXISTS ( SELECT
   FROM public.credentials c
  WHERE ((c.tenant_id = rotation_schedules.tenant_id) AND (c.id = rotation_schedules.credential_id) AND scope.writes(c.tenant_id, c.owner_id))))))
  with check (((tenant_id = scope.tenant()) AND (EXISTS ( SELECT
   FROM public.credentials c
  WHERE ((c.tenant_id = rotation_schedules.tenant_id) AND (c.id = rotation_schedules.credential_id) AND scope.writes(c.tenant_id, c.owner_id))))));
create policy recorder on public.rotation_schedules for select to keyhold_recorder
  using (true);
grant delete, insert, select, update on public.rotation_schedules to keyhold_app;
grant select on public.rotation_schedules to keyhold_recorder;

create table public.rotations (
  tenant_id uuid not null,
  id uuid not null,
  credential_id uuid not null,
  from_version integer not null,
  to_version integer not null,
  state text not null,
  overlap_until timestamp with time zone not null,
  fallbacks integer default 0 not null,
  last_fallback_at timestamp with time zone,
  started_at timestamp with time zone default date_trunc('milliseconds'::text, now()) not null,
  ended_at timestamp with time zone,
  constraint rotations_pkey PRIMARY KEY (id),
  constraint rotations_check CHECK (((state = 'overlap'::text) = (ended_at IS NULL))),
  constraint rotations_state_check CHECK ((state = ANY (ARRAY['overlap'::text, 'finished'::text, 'rolled_back'::text]))),
  constraint rotations_tenant_id_credential_id_fkey FOREIGN KEY (tenant_id, credential_id) REFERENCES public.credentials(tenant_id, id) ON DELETE CASCADE,
  constraint rotations_tenant_id_id_key UNIQUE (tenant_id, id)
);
alter table public.rotations owner to keyhold_owner;
CREATE INDEX rotations_by_credential ON public.rotations USING btree (tenant_id, credential_id, started_at DESC);
CREATE INDEX rotations_due ON public.rotations USING btree (overlap_until) WHERE (state = 'overlap'::text);
CREATE UNIQUE INDEX rotations_one_open ON public.rotations USING btree (tenant_id, credential_id) WHERE (state = 'overlap'::text);
CREATE TRIGGER legal_beginnings AFTER INSERT ON public.rotations FOR EACH ROW WHEN ((new.state = 'rolled_back'::text)) EXECUTE FUNCTION states.refuse_beginning('state');
CREATE TRIGGER legal_moves AFTER UPDATE ON public.rotations FOR EACH ROW WHEN (((old.state <> new.state) AND (((old.state <> 'overlap'::text) OR (new.state <> 'finished'::text)) AND ((old.state <> 'overlap'::text) OR (new.state <> 'rolled_back'::text))))) EXECUTE FUNCTION states.refuse_move('state');
alter table public.rotations enable row level security;
alter table public.rotations force row level security;
create policy credential_reads on public.rotations for select to keyhold_app
  using (((tenant_id = scope.tenant()) AND (EXISTS ( SELECT
   FROM public.credentials c
  WHERE ((c.tenant_id = rotations.tenant_id) AND (c.id = rotations.credential_id))))));
create policy credential_writes on public.rotations for all to keyhold_app
  using (((tenant_id = scope.tenant()) AND (EXISTS ( SELECT
   FROM public.credentials c
  WHERE ((c.tenant_id = rotations.tenant_id) AND (c.id = rotations.credential_id) AND scope.writes(c.tenant_id, c.owner_id))))))
  with check (((tenant_id = scope.tenant()) AND (EXISTS ( SELECT
   FROM public.credentials c
  WHERE ((c.tenant_id = rotations.tenant_id) AND (c.id = rotations.credential_id) AND scope.writes(c.tenant_id, c.owner_id))))));
create policy recorder on public.rotations for select to keyhold_recorder
  using (true);
grant delete, insert, select, update on public.rotations to keyhold_app;
grant select on public.rotations to keyhold_recorder;

create table public.sealed_secrets (
  tenant_id uuid not null,
  credential_id uuid not null,
  version integer not null,
  sealed bytea not null,
  created_at timestamp with time zone default now() not null,
  constraint sealed_secrets_pkey PRIMARY KEY (credential_id, version),
  constraint sealed_secrets_version_check CHECK ((version > 0))
);
alter table public.sealed_secrets owner to keyhold_owner;
alter table public.sealed_secrets enable row level security;
alter table public.sealed_secrets force row level security;
create policy recorder on public.sealed_secrets for select to keyhold_recorder
  using (true);
create policy service_only on public.sealed_secrets for all to keyhold_app
  using (((tenant_id = scope.tenant()) AND (scope.reach() = 'tenant-write'::text)))
  with check (((tenant_id = scope.tenant()) AND (scope.reach() = 'tenant-write'::text)));
grant delete, insert, select, update on public.sealed_secrets to keyhold_app;
grant select on public.sealed_secrets to keyhold_recorder;

create table public.tenants (
  id uuid not null,
  name text not null,
  status text default 'active'::text not null,
  frozen_at timestamp with time zone,
  policy jsonb default '{}'::jsonb not null,
  limits jsonb default '{}'::jsonb not null,
  revision bigint default 1 not null,
  created_at timestamp with time zone default date_trunc('milliseconds'::text, now()) not null,
  updated_at timestamp with time zone default now() not null,
  grant_number bigint default 1 not null,
  grant_mac bytea,
  constraint tenants_pkey PRIMARY KEY (id),
  constraint tenants_grant_mac_check CHECK ((octet_length(grant_mac) = 32)),
  constraint tenants_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 255))),
  constraint tenants_status_check CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text, 'deleted'::text])))
);
alter table public.tenants owner to keyhold_owner;
CREATE INDEX tenants_by_age ON public.tenants USING btree (created_at DESC, id DESC);
CREATE INDEX tenants_deleted ON public.tenants USING btree (updated_at) WHERE (status = 'deleted'::text);
CREATE INDEX tenants_unsigned ON public.tenants USING btree (id) WHERE (grant_mac IS NULL);
CREATE TRIGGER begin_chain AFTER INSERT ON public.tenants FOR EACH ROW EXECUTE FUNCTION audit.begin_chain();
CREATE TRIGGER changed_rights BEFORE UPDATE ON public.tenants FOR EACH ROW WHEN (((((old.id IS DISTINCT FROM new.id) OR (old.status IS DISTINCT FROM new.status)) OR ((old.frozen_at IS NULL) IS DISTINCT FROM (new.frozen_at IS NULL))) OR (old.grant_number IS DISTINCT FROM new.grant_number))) EXECUTE FUNCTION grants.note();
CREATE TRIGGER derive_frozen BEFORE UPDATE OF frozen_at ON public.tenants FOR EACH ROW WHEN ((old.frozen_at IS DISTINCT FROM new.frozen_at)) EXECUTE FUNCTION states.derive_frozen();
CREATE TRIGGER signed_rights AFTER INSERT ON public.tenants FOR EACH ROW EXECUTE FUNCTION grants.note();
alter table public.tenants enable row level security;
alter table public.tenants force row level security;
create policy platform_creates on public.tenants for insert to keyhold_app
  with check ((scope.reach() = 'platform'::text));
create policy purge on public.tenants for delete to keyhold_app
  using (((id = scope.tenant()) AND (scope.reach() = 'tenant-write'::text) AND (status = 'deleted'::text)));
create policy recorder on public.tenants for select to keyhold_recorder
  using (true);
create policy recorder_signs on public.tenants for update to keyhold_recorder
  using (true)
  with check (true);
create policy tenant_reads on public.tenants for select to keyhold_app
  using (((id = scope.tenant()) OR (scope.reach() = 'platform'::text)));
create policy tenant_writes on public.tenants for update to keyhold_app
  using ((((id = scope.tenant()) AND (scope.reach() = 'tenant-write'::text)) OR (scope.reach() = 'platform'::text)))
  with check ((((id = scope.tenant()) AND (scope.reach() = 'tenant-write'::text)) OR (scope.reach() = 'platform'::text)));
grant delete, insert, select, update on public.tenants to keyhold_app;
grant select, update (grant_mac), update (grant_number) on public.tenants to keyhold_recorder;

create table public.turns (
  key bytea not null,
  holder uuid not null,
  leased_until timestamp with time zone not null,
  wanted boolean default false not null,
  constraint turns_pkey PRIMARY KEY (key),
  constraint turns_key_check CHECK ((octet_length(key) = 32))
);
alter table public.turns owner to keyhold_owner;
grant delete, insert, select, update on public.turns to keyhold_app;

create table public.venue_refusals (
  venue text not null,
  environment text not null,
  asked_at timestamp with time zone default now() not null,
  form text,
  constraint venue_refusals_pkey PRIMARY KEY (venue, environment),
  constraint venue_refusals_form_check CHECK ((length(form) <= 2000))
);
alter table public.venue_refusals owner to keyhold_owner;
grant insert, select, update on public.venue_refusals to keyhold_app;

create table public.venue_rotations (
  tenant_id uuid not null,
  id uuid not null,
  credential_id uuid not null,
  parent_id uuid not null,
  stage text not null,
  rotation_id uuid,
  reason text,
  due_at timestamp with time zone default now() not null,
  attempts integer default 0 not null,
  started_at timestamp with time zone default date_trunc('milliseconds'::text, now()) not null,
  constraint venue_rotations_pkey PRIMARY KEY (credential_id),
  constraint venue_rotations_check CHECK (((stage = 'overlap'::text) = (rotation_id IS NOT NULL))),
  constraint venue_rotations_check1 CHECK (((stage = 'withdrawing'::text) = (reason IS NOT NULL))),
  constraint venue_rotations_stage_check CHECK ((stage = ANY (ARRAY['creating'::text, 'overlap'::text, 'withdrawing'::text]))),
  constraint venue_rotations_tenant_id_credential_id_fkey FOREIGN KEY (tenant_id, credential_id) REFERENCES public.credentials(tenant_id, id) ON DELETE CASCADE,
  constraint venue_rotations_tenant_id_id_key UNIQUE (tenant_id, id),
  constraint venue_rotations_tenant_id_rotation_id_fkey FOREIGN KEY (tenant_id, rotation_id) REFERENCES public.rotations(tenant_id, id) ON DELETE CASCADE
);
alter table public.venue_rotations owner to keyhold_owner;
CREATE INDEX venue_rotations_by_rotation ON public.venue_rotations USING btree (rotation_id) WHERE (rotation_id IS NOT NULL);
CREATE INDEX venue_rotations_due ON public.venue_rotations USING btree (due_at);
alter table public.venue_rotations enable row level security;
alter table public.venue_rotations force row level security;
create policy credential_reads on public.venue_rotations for select to keyhold_app
  using (((tenant_id = scope.tenant()) AND (EXISTS ( SELECT
   FROM public.credentials c
  WHERE ((c.tenant_id = venue_rotations.tenant_id) AND (c.id = venue_rotations.credential_id))))));
create policy credential_writes on public.venue_rotations for all to keyhold_app
  using (((tenant_id = scope.tenant()) AND (EXISTS ( SELECT
   FROM public.credentials c
  WHERE ((c.tenant_id = venue_rotations.tenant_id) AND (c.id = venue_rotations.credential_id) AND scope.writes(c.tenant_id, c.owner_id))))))
  with check (((tenant_id = scope.tenant()) AND (EXISTS ( SELECT
   FROM public.credentials c
  WHERE ((c.tenant_id = venue_rotations.tenant_id) AND (c.id = venue_rotations.credential_id) AND scope.writes(c.tenant_id, c.owner_id))))));
create policy recorder on public.venue_rotations for select to keyhold_recorder
  using (true);
grant delete, insert, select, update on public.venue_rotations to keyhold_app;
grant select on public.venue_rotations to keyhold_recorder;

create table public.webhook_attempts (
  tenant_id uuid not null,
  delivery_id uuid not null,
  number integer not null,
  at timestamp with time zone default clock_timestamp() not null,
  outcome text not null,
  status integer,
  milliseconds integer not null,
  constraint webhook_attempts_pkey PRIMARY KEY (tenant_id, delivery_id, number),
  constraint webhook_attempts_number_check CHECK ((number > 0)),
  constraint webhook_attempts_tenant_id_delivery_id_fkey FOREIGN KEY (tenant_id, delivery_id) REFERENCES public.webhook_deliveries(tenant_id, id) ON DELETE CASCADE
);
alter table public.webhook_attempts owner to keyhold_owner;
alter table public.webhook_attempts enable row level security;
alter table public.webhook_attempts force row level security;
create policy tenant_reads on public.webhook_attempts for select to keyhold_app
  using (((tenant_id = scope.tenant()) AND (scope.reach() = ANY (ARRAY['tenant-read'::text, 'tenant-write'::text]))));
create policy tenant_writes on public.webhook_attempts for all to keyhold_app
  using (((tenant_id = scope.tenant()) AND (scope.reach() = 'tenant-write'::text)))
  with check (((tenant_id = scope.tenant()) AND (scope.reach() = 'tenant-write'::text)));
grant delete, insert, select, update on public.webhook_attempts to keyhold_app;

create table public.webhook_deliveries (
  tenant_id uuid not null,
  id uuid default gen_random_uuid() not null,
  endpoint_id uuid not null,
  message_id uuid not null,
  event text not null,
  payload text not null,
  state text default 'pending'::text not null,
  attempts integer default 0 not null,
  tries integer default 0 not null,
  due_at timestamp with time zone default now(),
  leased_until timestamp with time zone,
  settled_at timestamp with time zone,
  forget_at timestamp with time zone default (now() + '90 days'::interval) not null,
  created_at timestamp with time zone default date_trunc('milliseconds'::text, clock_timestamp()) not null,
  constraint webhook_deliveries_pkey PRIMARY KEY (tenant_id, id),
  constraint webhook_deliveries_check CHECK ((((state = 'pending'::text) = (due_at IS NOT NULL)) AND ((state = 'pending'::text) = (settled_at IS NULL)))),
  constraint webhook_deliveries_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'delivered'::text, 'dead'::text]))),
  constraint webhook_deliveries_tenant_id_endpoint_id_fkey FOREIGN KEY (tenant_id, endpoint_id) REFERENCES public.webhook_endpoints(tenant_id, id) ON DELETE CASCADE
);
alter table public.webhook_deliveries owner to keyhold_owner;
CREATE INDEX webhook_deliveries_by_age ON public.webhook_deliveries USING btree (tenant_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_by_end ON public.webhook_deliveries USING btree (forget_at);
CREATE INDEX webhook_deliveries_by_endpoint ON public.webhook_deliveries USING btree (tenant_id, endpoint_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_by_state ON public.webhook_deliveries USING btree (tenant_id, state, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_leased ON public.webhook_deliveries USING btree (tenant_id, endpoint_id) WHERE (leased_until IS NOT NULL);
CREATE INDEX webhook_deliveries_waiting ON public.webhook_deliveries USING btree (tenant_id, endpoint_id, due_at) WHERE (state = 'pending'::text);
alter table public.webhook_deliveries enable row level security;
alter table public.webhook_deliveries force row level security;
create policy recorder on public.webhook_deliveries for all to keyhold_recorder
  using (true)
  with check (true);
create policy tenant_reads on public.webhook_deliveries for select to keyhold_app
  using (((tenant_id = scope.tenant()) AND (scope.reach() = ANY (ARRAY['tenant-read'::text, 'tenant-write'::text]))));
create policy tenant_writes on public.webhook_deliveries for all to keyhold_app
  using (((tenant_id = scope.tenant()) AND (scope.reach() = 'tenant-write'::text)))
  with check (((tenant_id = scope.tenant()) AND (scope.reach() = 'tenant-write'::text)));
grant delete, insert, select, update on public.webhook_deliveries to keyhold_app;
grant delete, insert, select, update (leased_until) on public.webhook_deliveries to keyhold_recorder;

create table public.webhook_endpoints (
  tenant_id uuid not null,
  id uuid not null,
  url text not null,
  description text default ''::text not null,
  events text[] default '{}'::text[] not null,
  status text default 'active'::text not null,
  disabled_reason text,
  secret_number integer default 1 not null,
  previous_until timestamp with time zone,
  failures integer default 0 not null,
  failing_since timestamp with time zone,
  paused_until timestamp with time zone,
  deleted_at timestamp with time zone,
  revision bigint default 1 not null,
  created_at timestamp with time zone default date_trunc('milliseconds'::text, now()) not null,
  updated_at timestamp with time zone default now() not null,
  constraint webhook_endpoints_pkey PRIMARY KEY (tenant_id, id),
  constraint webhook_endpoints_check CHECK (((status = 'disabled'::text) = (disabled_reason IS NOT NULL))),
  constraint webhook_endpoints_description_check CHECK ((char_length(description) <= 255)),
  constraint webhook_endpoints_disabled_reason_check CHECK ((disabled_reason = ANY (ARRAY['member'::text, 'gone'::text, 'failing'::text]))),
  constraint webhook_endpoints_secret_number_check CHECK ((secret_number > 0)),
  constraint webhook_endpoints_status_check CHECK ((status = ANY (ARRAY['active'::text, 'disabled'::text]))),
  constraint webhook_endpoints_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE,
  constraint webhook_endpoints_url_check CHECK (((char_length(url) >= 1) AND (char_length(url) <= 2048)))
);
alter table public.webhook_endpoints owner to keyhold_owner;
CREATE INDEX webhook_endpoints_by_age ON public.webhook_endpoints USING btree (tenant_id, created_at DESC, id DESC) WHERE (deleted_at IS NULL);
CREATE INDEX webhook_endpoints_deleted ON public.webhook_endpoints USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);
alter table public.webhook_endpoints enable row level security;
alter table public.webhook_endpoints force row level security;
create policy recorder on public.webhook_endpoints for all to keyhold_recorder
  using (true)
  with check (true);
create policy tenant_reads on public.webhook_endpoints for select to keyhold_app
  using (((tenant_id = scope.tenant()) AND (scope.reach() = ANY (ARRAY['tenant-read'::text, 'tenant-write'::text]))));
create policy tenant_writes on public.webhook_endpoints for all to keyhold_app
  using (((tenant_id = scope.tenant()) AND (scope.reach() = 'tenant-write'::text)))
  with check (((tenant_id = scope.tenant()) AND (scope.reach() = 'tenant-write'::text)));
grant delete, insert, select, update on public.webhook_endpoints to keyhold_app;
grant delete, select on public.webhook_endpoints to keyhold_recorder;

create table public.webhook_events (
  name text not null,
  fields text[] not null,
  constraint webhook_events_pkey PRIMARY KEY (name)
);
alter table public.webhook_events owner to keyhold_owner;
grant select on public.webhook_events to keyhold_recorder;

create table public.webhook_links (
  tenant_id uuid not null,
  link bigint not null,
  endpoints uuid[] not null,
  places jsonb not null,
  constraint webhook_links_pkey PRIMARY KEY (tenant_id, link)
);
alter table public.webhook_links owner to keyhold_owner;
alter table public.webhook_links enable row level security;
alter table public.webhook_links force row level security;
create policy recorder on public.webhook_links for all to keyhold_recorder
  using (true)
  with check (true);
create policy tenant_reads on public.webhook_links for select to keyhold_app
  using (((tenant_id = scope.tenant()) AND (scope.reach() = ANY (ARRAY['tenant-read'::text, 'tenant-write'::text]))));
grant select on public.webhook_links to keyhold_app;
grant delete, insert, select, update on public.webhook_links to keyhold_recorder;

CREATE OR REPLACE FUNCTION access.api_key(hash bytea)
 RETURNS TABLE(id uuid, tenant_id uuid, member_id uuid, scopes text[], agent boolean, active boolean, role text, status text, tenant_status text, limits jsonb, makers uuid[], credentials uuid[], accounts uuid[], networks text[], link bigint, grants text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT k.id,
     k.tenant_id,
     k.member_id,
     k.scopes,
     k.agent,
     ((k.revoked_at IS NULL) AND (k.expires_at > now()) AND access.keys_live(k.makers, now())),
     m.role,
     m.status,
     t.status,
     t.limits,
     k.makers,
     k.credentials,
     k.accounts,
     (k.networks)::text[] AS networks,
     h.link,
     concat_ws('
'::text, grants.line(t.grant_mac, grants.text(t.*)), grants.line(m.grant_mac, grants.text(m.*)), grants.line(k.grant_mac, grants.text(k.*)), grants.of_makers(k.makers)) AS concat_ws
    FROM (((public.api_keys k
      JOIN public.members m ON (((m.tenant_id = k.tenant_id) AND (m.id = k.member_id))))
      JOIN public.tenants t ON ((t.id = k.tenant_id)))
      JOIN audit.heads h ON ((h.tenant_id = k.tenant_id)))
   WHERE (k.hash = api_key.hash);
END;
alter function access.api_key(bytea) owner to keyhold_recorder;
grant execute on function access.api_key(bytea) to keyhold_app;

CREATE OR REPLACE FUNCTION access.exists_in_tenant(kind text, id uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN CASE kind WHEN 'credential'::text THEN (EXISTS (SELECT FROM public.credentials c WHERE ((c.tenant_id = scope.tenant()) AND (c.id = exists_in_tenant.id) AND (c.deleted_at IS NULL)))) WHEN 'account'::text THEN (EXISTS (SELECT FROM public.accounts a WHERE ((a.tenant_id = scope.tenant()) AND (a.id = exists_in_tenant.id) AND (a.deleted_at IS NULL)))) WHEN 'member'::text THEN (EXISTS (SELECT FROM public.members m WHERE ((m.tenant_id = scope.tenant()) AND (m.id = exists_in_tenant.id)))) WHEN 'api_key'::text THEN (EXISTS (SELECT FROM public.api_keys k WHERE ((k.tenant_id = scope.tenant()) AND (k.id = exists_in_tenant.id)))) ELSE false END;
alter function access.exists_in_tenant(text,uuid) owner to keyhold_recorder;
grant execute on function access.exists_in_tenant(text,uuid) to keyhold_app;

CREATE OR REPLACE FUNCTION access.has_members(tenant uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (EXISTS (SELECT FROM public.members m WHERE (m.tenant_id = has_members.tenant)));
alter function access.has_members(uuid) owner to keyhold_recorder;
grant execute on function access.has_members(uuid) to keyhold_app;

CREATE OR REPLACE FUNCTION access.keep_answer(tenant uuid, principal text, route text, key text, since timestamp with time zone, status integer, body jsonb)
 RETURNS boolean
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 UPDATE public.idempotency_keys k SET state = 'done'::text, status = keep_answer.status, body = keep_answer.body
   WHERE ((k.tenant_id = keep_answer.tenant) AND (k.principal = keep_answer.principal) AND (k.route = keep_answer.route) AND (k.key = keep_answer.key) AND (k.state = 'running'::text) AND (k.created_at = keep_answer.since) AND
         CASE scope.reach()
             WHEN 'platform'::text THEN (keep_answer.tenant = '00000000-0000-0000-0000-000000000000'::uuid)
             ELSE (keep_answer.tenant = scope.tenant())
         END)
   RETURNING true;
END;
alter function access.keep_answer(uuid,text,text,text,timestamp with time zone,integer,jsonb) owner to keyhold_recorder;
grant execute on function access.keep_answer(uuid,text,text,text,timestamp with time zone,integer,jsonb) to keyhold_app;

CREATE OR REPLACE FUNCTION access.keys_live(keys uuid[], moment timestamp with time zone)
 RETURNS boolean
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN ((keys = '{}'::uuid[]) OR (cardinality(keys) = (SELECT count(*) AS count FROM public.api_keys k WHERE ((k.id = ANY (keys_live.keys)) AND (k.revoked_at IS NULL) AND (k.expires_at > keys_live.moment)))));
alter function access.keys_live(uuid[],timestamp with time zone) owner to keyhold_recorder;
grant execute on function access.keys_live(uuid[],timestamp with time zone) to keyhold_app;

CREATE OR REPLACE FUNCTION access.member(tenant uuid, issuer text, subject text)
 RETURNS TABLE(id uuid, role text, status text, tenant_status text, limits jsonb, link bigint, grants text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT m.id,
     m.role,
     m.status,
     t.status,
     t.limits,
     h.link,
     ((grants.line(t.grant_mac, grants.text(t.*)) || '
'::text) || grants.line(m.grant_mac, grants.text(m.*)))
    FROM ((public.members m
      JOIN public.tenants t ON ((t.id = m.tenant_id)))
      JOIN audit.heads h ON ((h.tenant_id = m.tenant_id)))
   WHERE ((m.tenant_id = member.tenant) AND (m.issuer = member.issuer) AND (m.subject = member.subject));
END;
alter function access.member(uuid,text,text) owner to keyhold_recorder;
grant execute on function access.member(uuid,text,text) to keyhold_app;

CREATE OR REPLACE FUNCTION access.note_uses(ids uuid[], seconds_ago double precision[])
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 UPDATE public.api_keys k SET last_used_at = u.at
    FROM ( SELECT a.id,
             (clock_timestamp() - make_interval(secs => a.ago)) AS at
            FROM UNNEST(note_uses.ids, note_uses.seconds_ago) a(id, ago)) u
   WHERE ((k.id = u.id) AND ((k.last_used_at IS NULL) OR (k.last_used_at < u.at)));
END;
alter function access.note_uses(uuid[],double precision[]) owner to keyhold_recorder;
grant execute on function access.note_uses(uuid[],double precision[]) to keyhold_app;

CREATE OR REPLACE FUNCTION access.operator_key(hash bytea)
 RETURNS TABLE(id uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT k.id
    FROM public.operator_keys k
   WHERE ((k.hash = operator_key.hash) AND (k.revoked_at IS NULL) AND (k.expires_at > now()));
END;
alter function access.operator_key(bytea) owner to keyhold_recorder;
grant execute on function access.operator_key(bytea) to keyhold_app;

CREATE OR REPLACE FUNCTION access.standing(tenant uuid, member uuid, role text, api_key uuid, recorded bigint)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return (
    select case
      when t.status is distinct from 'active' then 'tenant_inactive'
      when m.status is distinct from 'active' then 'member_inactive'
      when m.role <> standing.role then 'principal_changed'
      when standing.api_key is not null and (k.id is null or k.revoked_at is not null or k.expires_at <= clock_timestamp()
        or not access.keys_live(k.makers, clock_timestamp())) then 'api_key_inactive'
      else 'ok'
    end
    from (values (1)) one
    left join public.tenants t on t.id = tenant
    left join public.members m on m.tenant_id = tenant and m.id = member
    left join public.api_keys k on k.tenant_id = tenant and k.id = standing.api_key and k.member_id = member
  );
end $function$;
alter function access.standing(uuid,uuid,text,uuid,bigint) owner to keyhold_recorder;
grant execute on function access.standing(uuid,uuid,text,uuid,bigint) to keyhold_app;

CREATE OR REPLACE FUNCTION audit.append(tenants uuid[], members uuid[], roles text[], own boolean[], api_keys uuid[], credentials uuid[], revisions bigint[], versions integer[], needs text[], events text[], details text[], patience integer DEFAULT 2000, addresses inet[] DEFAULT '{}'::inet[], reached_credentials text[] DEFAULT '{}'::text[], reached_accounts text[] DEFAULT '{}'::text[])
 RETURNS TABLE(place bigint, outcome text, revision bigint, version integer, venue text, environment text, store text, owner_id uuid, sealed bytea, link bigint, grants text)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
#variable_conflict use_column
declare
  held uuid[];
  moment timestamptz;
  stamp text;
begin
  if patience > 0 then
    perform set_config('lock_timeout', patience || 'ms', true);
    perform from audit.heads h where h.tenant_id = any (tenants) order by h.tenant_id for update;
    held := tenants;
  else
    held := array(
      select h.tenant_id from audit.heads h where h.tenant_id = any (tenants) order by h.tenant_id for update skip locked);
  end if;
  moment := clock_timestamp();
  stamp := audit.stamp(moment);
  return query
  with judged as materialized (
    select a.place, a.tenant_id, a.credential_id, a.event, a.detail,
      case
        when a.need = 'reseal' and a.member_id is null and t.status <> 'deleted' and c.deleted_at is null
          and o.deleted_at is null and c.status <> 'revoked' then 'ok'
        when t.status is distinct from 'active' then 'tenant_inactive'
        when a.member_id is not null and m.status is distinct from 'active' then 'member_inactive'
        when a.member_id is not null and m.role <> a.role then 'principal_changed'
        when a.api_key_id is not null
          and (k.id is null or k.revoked_at is not null or k.expires_at <= moment or not access.keys_live(k.makers, moment))
          then 'api_key_inactive'
        when k.networks is not null and (a.address <<= any (k.networks)) is not true then 'narrowed'
        when c.id is null or c.deleted_at is not null or o.deleted_at is not null then 'absent'
        when a.own and c.owner_id is distinct from a.member_id then 'forbidden'
        when (k.credentials is not null or k.accounts is not null)
          and (c.id = any (k.credentials)) is not true and (c.account_id = any (k.accounts)) is not true then 'narrowed'
        when (a.reached_credentials is not null or a.reached_accounts is not null)
          and (c.id = any (a.reached_credentials::uuid[])) is not true
          and (c.account_id = any (a.reached_accounts::uuid[])) is not true then 'narrowed'
        when a.need = 'reseal' and a.member_id is not null then 'forbidden'
        when c.status = 'revoked' then 'revoked'
        when coalesce(t.frozen_at, o.frozen_at, c.frozen_at) is not null then 'frozen'
        when not o.active or (c.status = 'inactive' and a.need <> 'activate') then 'inactive'
        when a.revision is not null and c.revision <> a.revision then 'changed'
        when a.need in ('validate', 'activate') then 'ok'
        when c.status = 'expired' or c.expires_at <= moment then 'expired'
        when c.status <> 'active' then c.status
        when a.need = 'reveal' and not c.reveal then 'policy_forbids'
        when a.need in ('read', 'trade', 'transfer', 'withdraw') and a.need <> all (c.allow) then 'policy_forbids'
        else 'ok'
      end as outcome,
      c.revision, c.version, coalesce(a.version, c.version) as opened, c.venue, c.environment, c.store, c.owner_id,
      concat_ws(E'\n', grants.line(t.grant_mac, grants.text(t)), grants.line(o.grant_mac, grants.text(o)),
        grants.line(c.grant_mac, grants.text(c)), case when m.id is not null then grants.line(m.grant_mac, grants.text(m)) end,
        case when k.id is not null then grants.line(k.grant_mac, grants.text(k)) end,
        case when k.makers <> '{}' then grants.of_makers(k.makers) end) as grants
    from unnest(tenants, members, roles, own, api_keys, credentials, revisions, versions, needs, events, details, addresses,
        reached_credentials, reached_accounts)
      with ordinality a (tenant_id, member_id, role, own, api_key_id, credential_id, revision, version, need, event, detail, address,
        reached_credentials, reached_accounts, place)
    left join public.tenants t on t.id = a.tenant_id
    left join public.members m on m.tenant_id = a.tenant_id and m.id = a.member_id
    left join public.api_keys k on k.tenant_id = a.tenant_id and k.id = a.api_key_id and k.member_id = a.member_id
    left join public.credentials c on c.tenant_id = a.tenant_id and c.id = a.credential_id
    left join public.accounts o on o.id = c.account_id
    where a.tenant_id = any (held)
  ), composed as (
    select j.tenant_id, j.credential_id, j.place, h.link, h.seq, h.hash,
      audit.compose(stamp, case when j.outcome = 'ok' then j.detail || ',"version":' || j.opened::text || '}' else j.detail || '}' end,
        case when j.outcome = 'ok' then j.event else 'credential.refused' end, j.outcome,
        h.seq + row_number() over chain) as line
    from judged j join audit.heads h on h.tenant_id = j.tenant_id
    window chain as (partition by j.tenant_id order by j.place)
  ), linked as (
    insert into audit.links
    select g.tenant_id, g.link + 1, g.seq + 1, g.event_count, moment, g.hash,
      audit.link_hash(g.tenant_id, g.link + 1, g.hash, g.lines), g.lines, g.credential_ids
    from (
      -- Grouped and ordered as the window left them, so nothing is sorted twice.
      select c.tenant_id, any_value(c.link) as link, any_value(c.seq) as seq, any_value(c.hash) as hash,
        count(*)::integer as event_count, string_agg(c.line, E'\n' order by c.place) as lines,
        array_agg(c.credential_id) as credential_ids
      from composed c group by c.tenant_id
    ) g
    returning links.tenant_id, links.link, links.first_seq + links.event_count - 1 as seq, links.hash
  ), moved as (
    update audit.heads h set link = l.link, seq = l.seq, hash = l.hash
    from linked l where h.tenant_id = l.tenant_id
  )
  select j.place, j.outcome, j.revision, j.version, j.venue, j.environment, j.store, j.owner_id, (
      select s.sealed from public.sealed_secrets s
      where s.tenant_id = j.tenant_id and s.credential_id = j.credential_id and s.version = j.version
        and j.outcome = 'ok' and j.store = 'postgres'
    ), (select l.link from linked l where l.tenant_id = j.tenant_id), case when j.outcome = 'ok' then j.grants end
  from judged j;
end $function$;
alter function audit.append(uuid[],uuid[],text[],boolean[],uuid[],uuid[],bigint[],integer[],text[],text[],text[],integer,inet[],text[],text[]) owner to keyhold_recorder;
grant execute on function audit.append(uuid[],uuid[],text[],boolean[],uuid[],uuid[],bigint[],integer[],text[],text[],text[],integer,inet[],text[],text[]) to keyhold_app;

CREATE OR REPLACE FUNCTION audit.begin_chain()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  insert into audit.heads (tenant_id, link, seq, hash)
  values (new.id, 0, 0, sha256(convert_to('keyhold audit chain v1 ' || new.id, 'UTF8')));
  return new;
end $function$;
alter function audit.begin_chain() owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION audit.compose(stamp text, detail text, event text, outcome text, seq bigint)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN ((event ~ '^[a-z_]+[.][a-z_]+$'::text) AND (outcome ~ '^[a-z0-9_]+$'::text) AND (detail IS JSON OBJECT)) THEN (((((((((('{"at":"'::text || stamp) || '","detail":'::text) || detail) || ',"event":"'::text) || event) || '","outcome":"'::text) || outcome) || '","seq":'::text) || (seq)::text) || '}'::text) ELSE NULL::text END;
alter function audit.compose(text,text,text,text,bigint) owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION audit.conclude(tenant uuid, kinds text[], ids uuid[], macs bytea[], events text[], outcomes text[], details text[], credentials uuid[])
 RETURNS TABLE(kind text, id uuid, grant_text text, was_text text, was_mac bytea, recorded bigint, adopted boolean)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '2s'
 SET enable_seqscan TO 'off'
AS $function$
#variable_conflict use_column
begin
  if tenant is distinct from scope.tenant() and scope.reach() is distinct from 'platform' then
    raise exception 'the rights of another tenant' using errcode = 'insufficient_privilege';
  end if;
  if cardinality(kinds) > 0 then perform grants.sign(tenant, kinds, ids, macs); end if;
  -- What the transaction has removed needs no MAC.
  delete from grants.unsigned u where u.tenant_id = tenant and u.xmin = pg_current_xact_id()::xid
    and not exists (select from grants.find(u.kind, u.id));
  return query
    select u.kind, u.id, f.grant_text, u.was_text, u.was_mac,
      (select n.number from audit.grant_numbers(tenant, array[u.id], 9223372036854775807) n),
      u.was_text is null or u.was_mac is not null
        or exists (select from audit.grant_numbers(tenant, array[tenant], 9223372036854775807))
    from grants.unsigned u cross join lateral grants.find(u.kind, u.id) f
    where u.tenant_id = tenant and u.xmin = pg_current_xact_id()::xid
    order by u.kind, u.id;
  if not found then perform audit.record(tenant, events, outcomes, details, credentials); end if;
end $function$;
alter function audit.conclude(uuid,text[],uuid[],bytea[],text[],text[],text[],uuid[]) owner to keyhold_recorder;
grant execute on function audit.conclude(uuid,text[],uuid[],bytea[],text[],text[],text[],uuid[]) to keyhold_app;

CREATE OR REPLACE FUNCTION audit.facts_of(line text)
 RETURNS TABLE(event text, actor text, issuer text, api_key_id uuid, credential_id uuid, outcome text, detail jsonb)
 LANGUAGE sql
 STABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT "left"((p.body ->> 'event'::text), 255) AS "left",
     "left"(COALESCE((p.actor ->> 'member_id'::text), (p.actor ->> 'subject'::text), (p.actor ->> 'task'::text), ''::text), 255) AS "left",
     "left"((p.actor ->> 'issuer'::text), 255) AS "left",
         CASE
             WHEN pg_input_is_valid((p.actor ->> 'api_key_id'::text), 'uuid'::text) THEN ((p.actor ->> 'api_key_id'::text))::uuid
             ELSE NULL::uuid
         END AS "case",
         CASE
             WHEN pg_input_is_valid((p.detail ->> 'credential_id'::text), 'uuid'::text) THEN ((p.detail ->> 'credential_id'::text))::uuid
             ELSE NULL::uuid
         END AS "case",
     "left"(COALESCE((p.body ->> 'outcome'::text), ''::text), 255) AS "left",
     p.detail
    FROM ( SELECT b.body,
             (b.body -> 'detail'::text) AS detail,
             ((b.body -> 'detail'::text) -> 'actor'::text) AS actor
            FROM ( SELECT
                         CASE
                             WHEN pg_input_is_valid(facts_of.line, 'jsonb'::text) THEN (facts_of.line)::jsonb
                             ELSE NULL::jsonb
                         END AS body
                  OFFSET 0) b) p
   WHERE (((p.body ->> 'event'::text) IS NOT NULL) AND (jsonb_typeof(p.detail) = 'object'::text));
END;
alter function audit.facts_of(text) owner to keyhold_recorder;
grant execute on function audit.facts_of(text) to keyhold_app;

CREATE OR REPLACE FUNCTION audit.forget_index(tenant uuid, most integer)
 RETURNS bigint
 LANGUAGE plpgsql
AS $function$
declare
  forgotten bigint;
begin
  delete from audit.indexed_events e
    using (select o.event, o.seq from audit.indexed_events o where o.tenant_id = tenant order by o.event, o.seq limit most) old
    where e.tenant_id = tenant and e.event = old.event and e.seq = old.seq;
  get diagnostics forgotten = row_count;
  if forgotten = 0 then
    delete from audit.index_heads i where i.tenant_id = tenant;
  end if;
  return forgotten;
end $function$;
alter function audit.forget_index(uuid,integer) owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION audit.grant_ids(events text)
 RETURNS uuid[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ARRAY(SELECT (substr(r.r[1], 1, 36))::uuid AS substr FROM regexp_matches(split_part(grant_ids.events, ']'::text, 1), '"([0-9a-f-]{36}):[0-9]+"'::text, 'g'::text) r(r));
alter function audit.grant_ids(text) owner to keyhold_recorder;
grant execute on function audit.grant_ids(text) to public;

CREATE OR REPLACE FUNCTION audit.grant_numbers(tenant uuid, ids uuid[], until bigint)
 RETURNS TABLE(id uuid, number bigint)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_seqscan TO 'off'
BEGIN ATOMIC
 SELECT one.id,
     n.number
    FROM (unnest(grant_numbers.ids) one(id)
      CROSS JOIN LATERAL ( SELECT max((split_part(substr(l.events, (strpos(l.events, (one.id || ':'::text)) + 37), 20), '"'::text, 1))::bigint) AS number
            FROM audit.links l
           WHERE (audit.names_grants(l.events) AND (audit.grant_ids(l.events) @> ARRAY[one.id]) AND ((l.tenant_id)::text = (grant_numbers.tenant)::text) AND ((l.link + 0) <= grant_numbers.until))) n)
   WHERE (n.number IS NOT NULL);
END;
alter function audit.grant_numbers(uuid,uuid[],bigint) owner to keyhold_recorder;
grant execute on function audit.grant_numbers(uuid,uuid[],bigint) to keyhold_app;

CREATE OR REPLACE FUNCTION audit.index_due(after uuid, most integer)
 RETURNS TABLE(tenant_id uuid, due boolean)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
BEGIN ATOMIC
 SELECT h.tenant_id,
         CASE
             WHEN (t.id IS NULL) THEN (i.tenant_id IS NOT NULL)
             ELSE (h.link > COALESCE(i.link, (0)::bigint))
         END AS "case"
    FROM ((audit.heads h
      LEFT JOIN audit.index_heads i ON ((i.tenant_id = h.tenant_id)))
      LEFT JOIN public.tenants t ON ((t.id = h.tenant_id)))
   WHERE (h.tenant_id > index_due.after)
   ORDER BY h.tenant_id
  LIMIT index_due.most;
END;
alter function audit.index_due(uuid,integer) owner to keyhold_recorder;
grant execute on function audit.index_due(uuid,integer) to keyhold_app;

CREATE OR REPLACE FUNCTION audit.index_events(tenant uuid, most integer)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
declare
  reached audit.index_heads;
  last_link bigint;
  link_end bigint;
  last_seq bigint;
begin
  if not exists (select from public.tenants t where t.id = tenant) then
    return audit.forget_index(tenant, most);
  end if;
  insert into audit.index_heads values (tenant, 0, 0) on conflict do nothing;
  select * into reached from audit.index_heads i where i.tenant_id = tenant for update skip locked;
  if not found then
    return 0;
  end if;
  select n.link, n.first_seq + n.event_count - 1 into last_link, link_end
    from (
      select l.link, l.first_seq, l.event_count from audit.links l
      where l.tenant_id = tenant and l.link > reached.link order by l.link limit most
    ) n
    where n.first_seq <= reached.seq + most order by n.link desc limit 1;
  if not found then
    return 0;
  end if;
  last_seq := least(reached.seq + most, link_end);
  insert into audit.indexed_events (tenant_id, seq, link, recorded_at, event, actor, issuer, api_key_id, credential_id, outcome)
    select tenant, l.first_seq + t.place - 1, l.link, l.recorded_at, f.event, f.actor, f.issuer, f.api_key_id, f.credential_id, f.outcome
    from audit.links l
    cross join lateral string_to_table(l.events, E'\n') with ordinality t (line, place)
    cross join lateral audit.facts_of(t.line) f
    where l.tenant_id = tenant and l.link > reached.link and l.link <= last_link
      and t.place <= l.event_count and l.first_seq + t.place - 1 > reached.seq and l.first_seq + t.place - 1 <= last_seq
    on conflict do nothing;
  update audit.index_heads i
    set link = case when last_seq = link_end then last_link else last_link - 1 end, seq = last_seq
    where i.tenant_id = tenant;
  return last_seq - reached.seq;
end $function$;
alter function audit.index_events(uuid,integer) owner to keyhold_recorder;
grant execute on function audit.index_events(uuid,integer) to keyhold_app;

CREATE OR REPLACE FUNCTION audit.is_readable(events text, event_count integer)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (((octet_length(events) - octet_length(replace(events, '
'::text, ''::text))) = (event_count - 1)) AND (strpos(events, ''::text) = 0));
alter function audit.is_readable(text,integer) owner to keyhold_recorder;
grant execute on function audit.is_readable(text,integer) to public;

CREATE OR REPLACE FUNCTION audit.link_hash(tenant uuid, link bigint, previous bytea, events text)
 RETURNS bytea
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN sha256(convert_to((((((((tenant)::text || '
'::text) || (link)::text) || '
'::text) || encode(previous, 'hex'::text)) || '
'::text) || events), 'UTF8'::name));
alter function audit.link_hash(uuid,bigint,bytea,text) owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION audit.names_grants(events text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (substr(events, 37, 20) = '"detail":{"grants":['::text);
alter function audit.names_grants(text) owner to keyhold_recorder;
grant execute on function audit.names_grants(text) to public;

CREATE OR REPLACE FUNCTION audit.record(tenant uuid, events text[], outcomes text[], details text[], credentials uuid[])
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '2s'
AS $function$
declare
  head audit.heads;
  moment timestamptz;
  lines text;
begin
  if tenant is distinct from scope.tenant() and scope.reach() is distinct from 'platform' then
    raise exception 'the record of another tenant' using errcode = 'insufficient_privilege';
  end if;
  select * into strict head from audit.heads h where h.tenant_id = tenant for update;
  moment := clock_timestamp();
  select string_agg(audit.compose(audit.stamp(moment), d.detail, d.event, d.outcome, head.seq + d.place), E'\n' order by d.place)
    into strict lines
    from unnest(events, outcomes, details) with ordinality d (event, outcome, detail, place);
  insert into audit.links values (tenant, head.link + 1, head.seq + 1, cardinality(events), moment, head.hash,
    audit.link_hash(tenant, head.link + 1, head.hash, lines), lines,
    array(select distinct c from unnest(credentials) c where c is not null));
  update audit.heads h
    set link = head.link + 1, seq = head.seq + cardinality(events),
        hash = audit.link_hash(tenant, head.link + 1, head.hash, lines)
    where h.tenant_id = tenant;
  perform webhooks.announce(tenant, head.link + 1, events, credentials);
  return head.seq + cardinality(events);
end $function$;
alter function audit.record(uuid,text[],text[],text[],uuid[]) owner to keyhold_recorder;
grant execute on function audit.record(uuid,text[],text[],text[],uuid[]) to keyhold_app;

CREATE OR REPLACE FUNCTION audit.stamp(moment timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN to_char((moment AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text);
alter function audit.stamp(timestamp with time zone) owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION clock.claim_checks(venue text, most integer, lease interval)
 RETURNS TABLE(tenant_id uuid, id uuid)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_sort TO 'off'
AS $function$
#variable_conflict use_column
begin
  return query
  with chosen as materialized (
    select c.tenant_id, c.id from public.credentials c
    where c.venue = claim_checks.venue and greatest(c.next_check_at, c.check_leased_until) <= now()
      and c.status in ('active', 'pending', 'invalid') and c.deleted_at is null and c.frozen_at is null
      and (select a.active and a.deleted_at is null and a.frozen_at is null from public.accounts a where a.id = c.account_id)
      and (select t.status = 'active' and t.frozen_at is null from public.tenants t where t.id = c.tenant_id)
    order by c.venue, greatest(c.next_check_at, c.check_leased_until) limit most
    for no key update of c skip locked
  )
  update public.credentials c set check_leased_until = now() + lease
  from chosen where c.tenant_id = chosen.tenant_id and c.id = chosen.id
  returning c.tenant_id, c.id;
end $function$;
alter function clock.claim_checks(text,integer,interval) owner to keyhold_recorder;
grant execute on function clock.claim_checks(text,integer,interval) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.credential_counts()
 RETURNS TABLE(tenant_id uuid, venue text, status text, count bigint)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT c.tenant_id,
     c.venue,
     c.status,
     count(*) AS count
    FROM public.credentials c
   WHERE (c.deleted_at IS NULL)
   GROUP BY c.tenant_id, c.venue, c.status;
END;
alter function clock.credential_counts() owner to keyhold_recorder;
grant execute on function clock.credential_counts() to keyhold_app;

CREATE OR REPLACE FUNCTION clock.credentials_in_store(store text, most integer)
 RETURNS TABLE(tenant_id uuid, id uuid, venue text, environment text, version integer)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT c.tenant_id,
     c.id,
     c.venue,
     c.environment,
     v.version
    FROM ((public.credential_versions v
      JOIN public.credentials c ON ((c.id = v.credential_id)))
      JOIN public.tenants t ON ((t.id = v.tenant_id)))
   WHERE ((v.store = credentials_in_store.store) AND (v.state = 'current'::text) AND (c.deleted_at IS NULL) AND (t.status <> 'deleted'::text))
   ORDER BY c.id
  LIMIT credentials_in_store.most;
END;
alter function clock.credentials_in_store(text,integer) owner to keyhold_recorder;
grant execute on function clock.credentials_in_store(text,integer) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.credentials_under_retired_keys(most integer)
 RETURNS TABLE(tenant_id uuid, id uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT v.tenant_id,
     v.credential_id
    FROM (((public.data_keys k
      JOIN public.credential_versions v ON (((v.tenant_id = k.tenant_id) AND (v.data_key_id = k.id))))
      JOIN public.credentials c ON ((c.id = v.credential_id)))
      JOIN public.tenants t ON ((t.id = v.tenant_id)))
   WHERE ((k.state = 'retired'::text) AND (v.state = 'current'::text) AND (c.deleted_at IS NULL) AND (t.status <> 'deleted'::text))
   ORDER BY (row_number() OVER (PARTITION BY v.tenant_id ORDER BY v.credential_id)), v.credential_id
  LIMIT credentials_under_retired_keys.most;
END;
alter function clock.credentials_under_retired_keys(integer) owner to keyhold_recorder;
grant execute on function clock.credentials_under_retired_keys(integer) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.data_key_counts()
 RETURNS TABLE(kek_id text, state text, count bigint)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT k.kek_id,
     k.state,
     count(*) AS count
    FROM public.data_keys k
   GROUP BY k.kek_id, k.state;
END;
alter function clock.data_key_counts() owner to keyhold_recorder;
grant execute on function clock.data_key_counts() to keyhold_app;

CREATE OR REPLACE FUNCTION clock.data_keys_wrapped_otherwise(kek text, most integer)
 RETURNS TABLE(tenant_id uuid, id uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT k.tenant_id,
     k.id
    FROM public.data_keys k
   WHERE (k.kek_id <> data_keys_wrapped_otherwise.kek)
   ORDER BY k.id
  LIMIT data_keys_wrapped_otherwise.most;
END;
alter function clock.data_keys_wrapped_otherwise(text,integer) owner to keyhold_recorder;
grant execute on function clock.data_keys_wrapped_otherwise(text,integer) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.deleted_accounts(most integer)
 RETURNS TABLE(tenant_id uuid, id uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT a.tenant_id,
     a.id
    FROM public.accounts a
   WHERE (a.deleted_at IS NOT NULL)
   ORDER BY (row_number() OVER (PARTITION BY a.tenant_id ORDER BY a.deleted_at)), a.deleted_at
  LIMIT deleted_accounts.most;
END;
alter function clock.deleted_accounts(integer) owner to keyhold_recorder;
grant execute on function clock.deleted_accounts(integer) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.deleted_tenants(most integer)
 RETURNS TABLE(tenant_id uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT t.id
    FROM public.tenants t
   WHERE (t.status = 'deleted'::text)
  LIMIT deleted_tenants.most;
END;
alter function clock.deleted_tenants(integer) owner to keyhold_recorder;
grant execute on function clock.deleted_tenants(integer) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.due_checks(venue text, most integer)
 RETURNS TABLE(tenant_id uuid, id uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT c.tenant_id,
     c.id
    FROM public.credentials c
   WHERE ((c.venue = due_checks.venue) AND (GREATEST(c.next_check_at, c.check_leased_until) <= now()) AND (c.status = ANY (ARRAY['active'::text, 'pending'::text, 'invalid'::text])) AND (c.deleted_at IS NULL) AND (c.frozen_at IS NULL) AND ( SELECT (a.active AND (a.deleted_at IS NULL) AND (a.frozen_at IS NULL))
            FROM public.accounts a
           WHERE (a.id = c.account_id)) AND ( SELECT ((t.status = 'active'::text) AND (t.frozen_at IS NULL))
            FROM public.tenants t
           WHERE (t.id = c.tenant_id)))
   ORDER BY c.venue, GREATEST(c.next_check_at, c.check_leased_until)
  LIMIT due_checks.most;
END;
alter function clock.due_checks(text,integer) owner to keyhold_recorder;
grant execute on function clock.due_checks(text,integer) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.due_rotations(most integer)
 RETURNS TABLE(tenant_id uuid, id uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT r.tenant_id,
     r.id
    FROM public.rotations r
   WHERE ((r.state = 'overlap'::text) AND (r.overlap_until <= now()) AND (NOT (EXISTS ( SELECT
            FROM public.venue_rotations v
           WHERE (v.rotation_id = r.id)))))
   ORDER BY (row_number() OVER (PARTITION BY r.tenant_id ORDER BY r.overlap_until)), r.overlap_until
  LIMIT due_rotations.most;
END;
alter function clock.due_rotations(integer) owner to keyhold_recorder;
grant execute on function clock.due_rotations(integer) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.due_schedules(most integer)
 RETURNS TABLE(tenant_id uuid, id uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT s.tenant_id,
     s.credential_id
    FROM public.rotation_schedules s
   WHERE (s.next_at <= now())
   ORDER BY (row_number() OVER (PARTITION BY s.tenant_id ORDER BY s.next_at)), s.next_at
  LIMIT due_schedules.most;
END;
alter function clock.due_schedules(integer) owner to keyhold_recorder;
grant execute on function clock.due_schedules(integer) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.due_venue_rotations(most integer)
 RETURNS TABLE(tenant_id uuid, id uuid, parent_id uuid, venue text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT d.tenant_id,
     d.credential_id,
     d.parent_id,
     c.venue
    FROM (( SELECT v.tenant_id,
             v.credential_id,
             v.parent_id,
             v.due_at,
             row_number() OVER (PARTITION BY v.tenant_id ORDER BY v.due_at) AS turn
            FROM public.venue_rotations v
           WHERE (v.due_at <= now())
           ORDER BY (row_number() OVER (PARTITION BY v.tenant_id ORDER BY v.due_at)), v.due_at
          LIMIT due_venue_rotations.most) d
      JOIN public.credentials c ON (((c.tenant_id = d.tenant_id) AND (c.id = d.credential_id))))
   ORDER BY d.turn, d.due_at;
END;
alter function clock.due_venue_rotations(integer) owner to keyhold_recorder;
grant execute on function clock.due_venue_rotations(integer) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.due_venues()
 RETURNS TABLE(venue text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 WITH RECURSIVE first(venue, at) AS (
         ( SELECT c.venue,
             GREATEST(c.next_check_at, c.check_leased_until) AS "greatest"
            FROM public.credentials c
           WHERE ((c.status = ANY (ARRAY['active'::text, 'pending'::text, 'invalid'::text])) AND (c.deleted_at IS NULL) AND (c.frozen_at IS NULL))
           ORDER BY c.venue, GREATEST(c.next_check_at, c.check_leased_until)
          LIMIT 1)
         UNION ALL
          SELECT n.venue,
             n.at
            FROM (first f_1
              CROSS JOIN LATERAL ( SELECT c.venue,
                     GREATEST(c.next_check_at, c.check_leased_until) AS at
                    FROM public.credentials c
                   WHERE ((c.status = ANY (ARRAY['active'::text, 'pending'::text, 'invalid'::text])) AND (c.deleted_at IS NULL) AND (c.frozen_at IS NULL) AND (c.venue > f_1.venue))
                   ORDER BY c.venue, GREATEST(c.next_check_at, c.check_leased_until)
                  LIMIT 1) n)
         )
  SELECT f.venue
    FROM first f
   WHERE (f.at <= now());
END;
alter function clock.due_venues() owner to keyhold_recorder;
grant execute on function clock.due_venues() to keyhold_app;

CREATE OR REPLACE FUNCTION clock.expired_credentials(most integer)
 RETURNS TABLE(tenant_id uuid, id uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT c.tenant_id,
     c.id
    FROM public.credentials c
   WHERE ((c.status = 'active'::text) AND (c.expires_at <= now()) AND (c.deleted_at IS NULL))
   ORDER BY c.expires_at
  LIMIT expired_credentials.most;
END;
alter function clock.expired_credentials(integer) owner to keyhold_recorder;
grant execute on function clock.expired_credentials(integer) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.expiring_credentials(days integer, most integer)
 RETURNS TABLE(tenant_id uuid, id uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT c.tenant_id,
     c.id
    FROM (public.credentials c
      CROSS JOIN LATERAL ( SELECT min(known.at) AS at
            FROM ( VALUES ((c.status = 'active'::text),c.expires_at), ((c.status = 'active'::text),c.estimated_expires_at), ((c.last_validated_at < (now() - '2 days'::interval)),(c.last_validated_at + make_interval(days => (c.unused_days)::integer)))) known(counts, at)
           WHERE (known.counts AND (known.at > now()))) ends)
   WHERE ((c.deleted_at IS NULL) AND (ends.at <= (now() + make_interval(days => expiring_credentials.days))) AND ((c.warned_days IS NULL) OR (c.warned_days > expiring_credentials.days) OR (ends.at > (now() + make_interval(days => (c.warned_days)::integer)))) AND (((c.status = 'active'::text) AND (c.expires_at > now()) AND (c.expires_at <= (now() + make_interval(days => expiring_credentials.days)))) OR ((c.status = 'active'::text) AND (c.estimated_expires_at > now()) AND (c.estimated_expires_at <= (now() + make_interval(days => expiring_credentials.days)))) OR ((c.status = ANY (ARRAY['active'::text, 'inactive'::text])) AND (c.unused_days IS NOT NULL) AND (c.last_validated_at < (now() - '2 days'::interval)))))
   ORDER BY ends.at
  LIMIT expiring_credentials.most;
END;
alter function clock.expiring_credentials(integer,integer) owner to keyhold_recorder;
grant execute on function clock.expiring_credentials(integer,integer) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.forget_history(most integer)
 RETURNS bigint
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 WITH checks AS (
          DELETE FROM public.health_checks h
            USING ( SELECT o.tenant_id,
                     o.id
                    FROM public.health_checks o
                   WHERE (o.checked_at < (now() - '90 days'::interval))
                   ORDER BY o.checked_at
                  LIMIT forget_history.most) old
           WHERE ((h.tenant_id = old.tenant_id) AND (h.id = old.id))
           RETURNING h.id
         ), calls AS (
          DELETE FROM public.invocations i
            USING ( SELECT o.tenant_id,
                     o.id
                    FROM public.invocations o
                   WHERE ((o.state = ANY (ARRAY['done'::text, 'refused'::text])) AND (o.updated_at < (now() - '90 days'::interval)))
                   ORDER BY o.updated_at
                  LIMIT forget_history.most) old
           WHERE ((i.tenant_id = old.tenant_id) AND (i.id = old.id))
           RETURNING i.id
         )
  SELECT (( SELECT count(*) AS count
            FROM checks) + ( SELECT count(*) AS count
            FROM calls));
END;
alter function clock.forget_history(integer) owner to keyhold_recorder;
grant execute on function clock.forget_history(integer) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.leave_lane(lane text, holder uuid)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 DELETE FROM public.clock_lanes l
   WHERE ((l.lane = leave_lane.lane) AND (l.holder = leave_lane.holder));
END;
alter function clock.leave_lane(text,uuid) owner to keyhold_recorder;
grant execute on function clock.leave_lane(text,uuid) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.refusals(venue text, environment text)
 RETURNS TABLE(checked bigint, refused bigint)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT count(*) AS count,
     count(*) FILTER (WHERE (l.outcome = 'rejected'::text)) AS count
    FROM ( SELECT DISTINCT ON (h.credential_id) h.outcome
            FROM public.health_checks h
           WHERE ((h.venue = refusals.venue) AND (h.environment = refusals.environment) AND (h.checked_at > (now() - '01:00:00'::interval)))
           ORDER BY h.credential_id, h.checked_at DESC) l;
END;
alter function clock.refusals(text,text) owner to keyhold_recorder;
grant execute on function clock.refusals(text,text) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.refused_keys(tenant uuid, venue text, environment text, kinds text[], own_from timestamp with time zone, own_until timestamp with time zone, others_from timestamp with time zone)
 RETURNS TABLE(own_keys bigint, own_refused bigint, other_keys bigint, other_fifths bigint)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 WITH refused AS MATERIALIZED (
          SELECT c.tenant_id,
             count(*) AS number,
             count(*) FILTER (WHERE (c.status <> 'active'::text)) AS ended
            FROM public.credentials c
           WHERE ((c.venue = refused_keys.venue) AND (c.environment = refused_keys.environment) AND (c.refused_since IS NOT NULL) AND (c.refused_as = ANY (refused_keys.kinds)) AND (c.health <> 'healthy'::text) AND (c.status = ANY (ARRAY['active'::text, 'invalid'::text, 'expired'::text])) AND (c.deleted_at IS NULL) AND
                 CASE
                     WHEN (c.tenant_id = refused_keys.tenant) THEN ((c.refused_since >= refused_keys.own_from) AND (c.refused_since <= refused_keys.own_until))
                     ELSE (c.refused_since >= refused_keys.others_from)
                 END)
           GROUP BY c.tenant_id
         ), found AS (
          SELECT COALESCE(sum(r.number) FILTER (WHERE (r.tenant_id = refused_keys.tenant)), (0)::numeric) AS own,
             COALESCE(sum(r.ended) FILTER (WHERE (r.tenant_id = refused_keys.tenant)), (0)::numeric) AS own_ended,
             count(*) FILTER (WHERE (r.tenant_id <> refused_keys.tenant)) AS others,
             COALESCE(sum(r.ended) FILTER (WHERE (r.tenant_id <> refused_keys.tenant)), (0)::numeric) AS others_ended
            FROM refused r
         ), keys AS (
          SELECT
                 CASE
                     WHEN (f_1.own < (2)::numeric) THEN (0)::numeric
                     ELSE (f_1.own_ended + (( SELECT count(*) AS count
                        FROM public.credentials c
                       WHERE ((c.venue = refused_keys.venue) AND (c.environment = refused_keys.environment) AND (c.tenant_id = refused_keys.tenant) AND (c.status = 'active'::text) AND (c.deleted_at IS NULL))))::numeric)
                 END AS own,
                 CASE
                     WHEN (f_1.others < 2) THEN (0)::numeric
                     ELSE (f_1.others_ended + (( SELECT count(*) AS count
                        FROM public.credentials c
                       WHERE ((c.venue = refused_keys.venue) AND (c.environment = refused_keys.environment) AND (c.tenant_id <> refused_keys.tenant) AND (c.status = 'active'::text) AND (c.deleted_at IS NULL))))::numeric)
                 END AS others
            FROM found f_1
         )
  SELECT (k.own)::bigint AS own,
     (f.own)::bigint AS own,
     (k.others)::bigint AS others,
     (( SELECT COALESCE(sum(LEAST(((r.number * 5))::numeric, k.others)), (0)::numeric) AS "coalesce"
            FROM refused r
           WHERE (r.tenant_id <> refused_keys.tenant)))::bigint AS "coalesce"
    FROM (found f
      CROSS JOIN keys k);
END;
alter function clock.refused_keys(uuid,text,text,text[],timestamp with time zone,timestamp with time zone,timestamp with time zone) owner to keyhold_recorder;
grant execute on function clock.refused_keys(uuid,text,text,text[],timestamp with time zone,timestamp with time zone,timestamp with time zone) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.remember_kek(kek text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if exists (select from public.data_keys k where k.kek_id <> kek) then
    raise exception 'data keys are wrapped by another key' using errcode = 'object_not_in_prerequisite_state';
  end if;
  update public.installation i set kek_id = kek where i.singleton;
end $function$;
alter function clock.remember_kek(text) owner to keyhold_recorder;
grant execute on function clock.remember_kek(text) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.sealing_keys(made_before timestamp with time zone, sealed bigint, most integer)
 RETURNS TABLE(tenant_id uuid, id uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT k.tenant_id,
     k.id
    FROM (public.data_keys k
      JOIN public.tenants t ON ((t.id = k.tenant_id)))
   WHERE ((k.use = 'seal'::text) AND (k.state = 'active'::text) AND (t.status <> 'deleted'::text) AND ((k.created_at < sealing_keys.made_before) OR (k.operations >= sealing_keys.sealed)))
   ORDER BY k.id
  LIMIT sealing_keys.most;
END;
alter function clock.sealing_keys(timestamp with time zone,bigint,integer) owner to keyhold_recorder;
grant execute on function clock.sealing_keys(timestamp with time zone,bigint,integer) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.shorten_lease(tenant uuid, id uuid, rest interval)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 UPDATE public.credentials c SET check_leased_until = (now() + shorten_lease.rest)
   WHERE ((c.tenant_id = shorten_lease.tenant) AND (c.id = shorten_lease.id) AND (c.check_leased_until > (now() + shorten_lease.rest)));
END;
alter function clock.shorten_lease(uuid,uuid,interval) owner to keyhold_recorder;
grant execute on function clock.shorten_lease(uuid,uuid,interval) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.stale_intents(older interval, most integer)
 RETURNS TABLE(tenant_id uuid, id uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 WITH RECURSIVE first(tenant_id, at) AS (
         ( SELECT i.tenant_id,
             i.created_at
            FROM public.intents i
           ORDER BY i.tenant_id, i.created_at
          LIMIT 1)
         UNION ALL
          SELECT n.tenant_id,
             n.created_at
            FROM (first f
              CROSS JOIN LATERAL ( SELECT i.tenant_id,
                     i.created_at
                    FROM public.intents i
                   WHERE (i.tenant_id > f.tenant_id)
                   ORDER BY i.tenant_id, i.created_at
                  LIMIT 1) n)
         ), concerned AS MATERIALIZED (
          SELECT f.tenant_id,
             f.at
            FROM first f
           WHERE (f.at < (now() - stale_intents.older))
           ORDER BY f.at
          LIMIT stale_intents.most
         )
  SELECT c.tenant_id,
     part.id
    FROM (concerned c
      CROSS JOIN LATERAL ( SELECT i.id,
             i.created_at,
             row_number() OVER (ORDER BY i.created_at) AS turn
            FROM public.intents i
           WHERE ((i.tenant_id = c.tenant_id) AND (i.created_at < (now() - stale_intents.older)))
           ORDER BY i.created_at
          LIMIT GREATEST((1)::bigint, (stale_intents.most / ( SELECT count(*) AS count
                    FROM concerned)))) part)
   ORDER BY part.turn, part.created_at
  LIMIT stale_intents.most;
END;
alter function clock.stale_intents(interval,integer) owner to keyhold_recorder;
grant execute on function clock.stale_intents(interval,integer) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.take_lane(lane text, holder uuid, lease interval)
 RETURNS boolean
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 WITH taken AS (
          INSERT INTO public.clock_lanes AS l (lane, holder, leased_until)
           VALUES (take_lane.lane, take_lane.holder, (now() + take_lane.lease)) ON CONFLICT ON CONSTRAINT clock_lanes_pkey DO UPDATE SET holder = excluded.holder, leased_until = excluded.leased_until
           WHERE ((l.leased_until <= now()) OR (l.holder = excluded.holder))
           RETURNING l.lane
         )
  SELECT (EXISTS ( SELECT
            FROM taken)) AS "exists";
END;
alter function clock.take_lane(text,uuid,interval) owner to keyhold_recorder;
grant execute on function clock.take_lane(text,uuid,interval) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.unchecked_since(moment timestamp with time zone, most integer)
 RETURNS TABLE(tenant_id uuid, id uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT c.tenant_id,
     c.id
    FROM public.credentials c
   WHERE ((c.status = ANY (ARRAY['active'::text, 'pending'::text, 'invalid'::text])) AND (c.deleted_at IS NULL) AND (c.frozen_at IS NULL) AND ( SELECT (a.active AND (a.deleted_at IS NULL) AND (a.frozen_at IS NULL))
            FROM public.accounts a
           WHERE (a.id = c.account_id)) AND ( SELECT ((t.status = 'active'::text) AND (t.frozen_at IS NULL))
            FROM public.tenants t
           WHERE (t.id = c.tenant_id)) AND (NOT (EXISTS ( SELECT
            FROM public.health_checks h
           WHERE ((h.tenant_id = c.tenant_id) AND (h.credential_id = c.id) AND (h.checked_at >= unchecked_since.moment))))))
  LIMIT unchecked_since.most;
END;
alter function clock.unchecked_since(timestamp with time zone,integer) owner to keyhold_recorder;
grant execute on function clock.unchecked_since(timestamp with time zone,integer) to keyhold_app;

CREATE OR REPLACE FUNCTION clock.unused_data_keys(most integer)
 RETURNS TABLE(tenant_id uuid, id uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT k.tenant_id,
     k.id
    FROM public.data_keys k
   WHERE ((k.state = 'retired'::text) AND (k.retired_at < (now() - '00:10:00'::interval)) AND (NOT (EXISTS ( SELECT
            FROM public.credential_versions v
           WHERE ((v.tenant_id = k.tenant_id) AND (v.data_key_id = k.id))))))
  LIMIT unused_data_keys.most;
END;
alter function clock.unused_data_keys(integer) owner to keyhold_recorder;
grant execute on function clock.unused_data_keys(integer) to keyhold_app;

CREATE OR REPLACE FUNCTION grants.find(kind text, id uuid)
 RETURNS TABLE(grant_text text, mac bytea)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT grants.text(r.*) AS text,
     r.grant_mac
    FROM public.tenants r
   WHERE ((find.kind = 'tenants'::text) AND (r.id = find.id))
 UNION ALL
  SELECT grants.text(r.*) AS text,
     r.grant_mac
    FROM public.accounts r
   WHERE ((find.kind = 'accounts'::text) AND (r.id = find.id))
 UNION ALL
  SELECT grants.text(r.*) AS text,
     r.grant_mac
    FROM public.members r
   WHERE ((find.kind = 'members'::text) AND (r.id = find.id))
 UNION ALL
  SELECT grants.text(r.*) AS text,
     r.grant_mac
    FROM public.api_keys r
   WHERE ((find.kind = 'api_keys'::text) AND (r.id = find.id))
 UNION ALL
  SELECT grants.text(r.*) AS text,
     r.grant_mac
    FROM public.credentials r
   WHERE ((find.kind = 'credentials'::text) AND (r.id = find.id));
END;
alter function grants.find(text,uuid) owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION grants.freezes(tenant uuid, account uuid, credential uuid)
 RETURNS text[]
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN ARRAY(SELECT ((f.id || ' '::text) || f.rank) FROM public.freezes f WHERE ((f.tenant_id = freezes.tenant) AND (NOT (f.account_id IS DISTINCT FROM freezes.account)) AND (NOT (f.credential_id IS DISTINCT FROM freezes.credential))) ORDER BY f.id);
alter function grants.freezes(uuid,uuid,uuid) owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION grants.gather_unsigned(tenant uuid, most integer)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  one text;
  count bigint;
  sum bigint := 0;
begin
  if tenant is distinct from scope.tenant() or scope.reach() is distinct from 'tenant-write' then
    raise exception 'the rights of another tenant' using errcode = 'insufficient_privilege';
  end if;
  -- Who is writing a right of this tenant without a MAC holds the row for a moment.
  perform from public.tenants t where t.id = tenant for update;
  foreach one in array '{accounts,members,api_keys,credentials}'::text[] loop
    execute format('update public.%1$I r set grant_number = r.grant_number + 1 where r.id in (
      select o.id from public.%1$I o where o.tenant_id = $1 and o.grant_mac is null limit $2)', one) using tenant, most - sum;
    get diagnostics count = row_count;
    sum := sum + count;
  end loop;
  if sum < most then
    update public.tenants t set grant_number = t.grant_number + 1 where t.id = tenant and t.grant_mac is null;
    get diagnostics count = row_count;
    sum := sum + count;
  end if;
  return sum;
end $function$;
alter function grants.gather_unsigned(uuid,integer) owner to keyhold_recorder;
grant execute on function grants.gather_unsigned(uuid,integer) to keyhold_app;

CREATE OR REPLACE FUNCTION grants.line(mac bytea, grant_text text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((COALESCE(encode(mac, 'hex'::text), ''::text) || ' '::text) || grant_text);
alter function grants.line(bytea,text) owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION grants.note()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  tenant uuid;
begin
  if tg_table_name = 'tenants' then tenant := new.id; else tenant := new.tenant_id; end if;
  if tg_op = 'INSERT' then
    insert into grants.unsigned values (tenant, tg_table_name, new.id, null, null)
      on conflict (tenant_id, kind, id) do update set was_text = null, was_mac = null;
    return null;
  end if;
  -- A row that another transaction has left here is none of this one's.
  insert into grants.unsigned as u
    select tenant, tg_table_name, new.id, f.grant_text, f.mac from grants.find(tg_table_name, new.id) f
    on conflict (tenant_id, kind, id) do update set was_text = excluded.was_text, was_mac = excluded.was_mac
      where u.xmin <> pg_current_xact_id()::xid;
  if found then new.grant_number := old.grant_number + 1; else new.grant_number := old.grant_number; end if;
  new.grant_mac := null;
  return new;
end $function$;
alter function grants.note() owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION grants.note_freeze()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  f public.freezes := coalesce(new, old);
begin
  if pg_trigger_depth() > 1 then return coalesce(new, old); end if;
  if f.credential_id is not null then
    update public.credentials c set grant_number = c.grant_number + 1 where c.id = f.credential_id;
  elsif f.account_id is not null then
    update public.accounts a set grant_number = a.grant_number + 1 where a.id = f.account_id;
  else
    update public.tenants t set grant_number = t.grant_number + 1 where t.id = f.tenant_id;
  end if;
  return coalesce(new, old);
end $function$;
alter function grants.note_freeze() owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION grants.note_version()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  credential uuid := case when tg_op = 'DELETE' then old.credential_id else new.credential_id end;
begin
  update public.credentials c set openable = array(
    select v.version || ' ' || v.state || ' ' || v.store from public.credential_versions v
    where v.credential_id = credential and v.state <> 'destroyed' order by v.version)
  where c.id = credential;
  return null;
end $function$;
alter function grants.note_version() owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION grants.of_makers(makers uuid[])
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN (SELECT string_agg(grants.line(k.grant_mac, grants.text(k.*)), '
'::text ORDER BY k.id) AS string_agg FROM public.api_keys k WHERE (k.id = ANY (of_makers.makers)));
alter function grants.of_makers(uuid[]) owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION grants.refuse_unsigned()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
begin
  delete from grants.unsigned u where (u.tenant_id, u.kind, u.id) = (new.tenant_id, new.kind, new.id);
  if not found or not exists (select from grants.find(new.kind, new.id) f where f.mac is null) then return null; end if;
  if not exists (select from audit.grant_numbers(new.tenant_id, array[new.tenant_id], 9223372036854775807)) then
    -- Who signs the tenant meanwhile is waited for.
    perform from public.tenants t where t.id = new.tenant_id for share;
    if not exists (select from audit.grant_numbers(new.tenant_id, array[new.tenant_id], 9223372036854775807)) then return null; end if;
  end if;
  raise exception 'a right in % was changed and not signed', new.kind
    using errcode = 'check_violation', constraint = 'signed', table = new.kind;
end $function$;
alter function grants.refuse_unsigned() owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION grants.sign(tenant uuid, kinds text[], ids uuid[], macs bytea[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare one text;
begin
  foreach one in array kinds loop
    if one not in ('tenants', 'accounts', 'members', 'api_keys', 'credentials') then raise exception 'no such kind: %', one; end if;
  end loop;
  for one in select distinct k from unnest(kinds) k loop
    execute format('update public.%I r set grant_mac = s.mac
      from unnest($2, $3, $4) s (kind, id, mac) join grants.unsigned u on u.tenant_id = $1 and u.kind = s.kind and u.id = s.id
      where s.kind = %L and r.id = s.id and r.grant_mac is null and u.xmin = pg_current_xact_id()::xid', one, one)
      using tenant, kinds, ids, macs;
  end loop;
  delete from grants.unsigned u using unnest(kinds, ids) s (kind, id) where u.tenant_id = tenant and u.kind = s.kind and u.id = s.id;
end $function$;
alter function grants.sign(uuid,text[],uuid[],bytea[]) owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION grants.text(a public.accounts)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN (json_build_array('accounts', (a).grant_number, (a).tenant_id, (a).id, (a).owner_id, (a).active, (a).switched_off_rank, ((a).deleted_at IS NOT NULL), CASE WHEN ((a).frozen_at IS NOT NULL) THEN grants.freezes((a).tenant_id, (a).id, NULL::uuid) ELSE NULL::text[] END))::text;
alter function grants.text(public.accounts) owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION grants.text(k public.api_keys)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN (json_build_array('api_keys', (k).grant_number, (k).tenant_id, (k).id, (k).member_id, encode((k).hash, 'hex'::text), (k).scopes, (k).agent, audit.stamp((k).expires_at), ((k).revoked_at IS NOT NULL), (k).makers, (k).credentials, (k).accounts, ((k).networks)::text[]))::text;
alter function grants.text(public.api_keys) owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION grants.text(c public.credentials)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN (json_build_array('credentials', (c).grant_number, (c).tenant_id, (c).id, (c).owner_id, (c).account_id, (c).venue, (c).environment, (c).store, (c).status, (c).switched_off_rank, (c).allow, (c).reveal, audit.stamp((c).expires_at), CASE WHEN ((c).frozen_at IS NOT NULL) THEN grants.freezes((c).tenant_id, NULL::uuid, (c).id) ELSE NULL::text[] END, ((c).deleted_at IS NOT NULL), (c).revision, (c).version, (c).openable))::text;
alter function grants.text(public.credentials) owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION grants.text(m public.members)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN (json_build_array('members', (m).grant_number, (m).tenant_id, (m).id, (m).issuer, (m).subject, (m).role, (m).status, (m).suspended_rank))::text;
alter function grants.text(public.members) owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION grants.text(t public.tenants)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN (json_build_array('tenants', (t).grant_number, (t).id, (t).id, (t).status, CASE WHEN ((t).frozen_at IS NOT NULL) THEN grants.freezes((t).id, NULL::uuid, NULL::uuid) ELSE NULL::text[] END))::text;
alter function grants.text(public.tenants) owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION grants.unsigned_tenants(after uuid, most integer)
 RETURNS TABLE(tenant_id uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT t.id
    FROM public.tenants t
   WHERE ((t.grant_mac IS NULL) AND (t.status <> 'deleted'::text) AND (t.id > unsigned_tenants.after) AND (NOT (EXISTS ( SELECT
            FROM audit.grant_numbers(t.id, ARRAY[t.id], '9223372036854775807'::bigint) grant_numbers(id, number)))))
   ORDER BY t.id
  LIMIT unsigned_tenants.most;
END;
alter function grants.unsigned_tenants(uuid,integer) owner to keyhold_recorder;
grant execute on function grants.unsigned_tenants(uuid,integer) to keyhold_app;

CREATE OR REPLACE FUNCTION scope.freezes(tenant uuid, account uuid, credential uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
RETURN ((tenant = scope.tenant()) AND (((account IS NULL) AND (credential IS NULL) AND (scope.reach() = 'tenant-write'::text)) OR (EXISTS (SELECT FROM public.accounts a WHERE ((a.tenant_id = freezes.tenant) AND (a.id = freezes.account) AND scope.writes(a.tenant_id, a.owner_id)))) OR (EXISTS (SELECT FROM public.credentials c WHERE ((c.tenant_id = freezes.tenant) AND (c.id = freezes.credential) AND scope.writes(c.tenant_id, c.owner_id))))));
alter function scope.freezes(uuid,uuid,uuid) owner to keyhold_owner;
grant execute on function scope.freezes(uuid,uuid,uuid) to public;

CREATE OR REPLACE FUNCTION scope.member()
 RETURNS uuid
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN (NULLIF(current_setting('keyhold.member_id'::text, true), ''::text))::uuid;
alter function scope.member() owner to keyhold_owner;
grant execute on function scope.member() to public;

CREATE OR REPLACE FUNCTION scope.reach()
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN NULLIF(current_setting('keyhold.reach'::text, true), ''::text);
alter function scope.reach() owner to keyhold_owner;
grant execute on function scope.reach() to public;

CREATE OR REPLACE FUNCTION scope.reaches(account uuid, credential uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN (((COALESCE(current_setting('keyhold.accounts'::text, true), ''::text) = ''::text) AND (COALESCE(current_setting('keyhold.credentials'::text, true), ''::text) = ''::text)) OR COALESCE((account = ANY ((NULLIF(current_setting('keyhold.accounts'::text, true), ''::text))::uuid[])), false) OR COALESCE((credential = ANY ((NULLIF(current_setting('keyhold.credentials'::text, true), ''::text))::uuid[])), false));
alter function scope.reaches(uuid,uuid) owner to keyhold_owner;
grant execute on function scope.reaches(uuid,uuid) to public;

CREATE OR REPLACE FUNCTION scope.reads(tenant uuid, owner uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN ((tenant = scope.tenant()) AND ((scope.reach() = ANY (ARRAY['tenant-read'::text, 'tenant-write'::text])) OR ((scope.reach() = 'own'::text) AND (owner = scope.member()))));
alter function scope.reads(uuid,uuid) owner to keyhold_owner;
grant execute on function scope.reads(uuid,uuid) to public;

CREATE OR REPLACE FUNCTION scope.tenant()
 RETURNS uuid
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN (NULLIF(current_setting('keyhold.tenant_id'::text, true), ''::text))::uuid;
alter function scope.tenant() owner to keyhold_owner;
grant execute on function scope.tenant() to public;

CREATE OR REPLACE FUNCTION scope.writes(tenant uuid, owner uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN ((tenant = scope.tenant()) AND ((scope.reach() = 'tenant-write'::text) OR ((scope.reach() = 'own'::text) AND (owner = scope.member()))));
alter function scope.writes(uuid,uuid) owner to keyhold_owner;
grant execute on function scope.writes(uuid,uuid) to public;

CREATE OR REPLACE FUNCTION states.derive_frozen()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  subject jsonb := to_jsonb(new);
  tenant uuid := coalesce(subject ->> 'tenant_id', subject ->> 'id')::uuid;
  account uuid := case tg_table_name when 'accounts' then new.id end;
  credential uuid := case tg_table_name when 'credentials' then new.id end;
  since timestamptz := (select min(f.frozen_at) from public.freezes f where f.tenant_id = tenant
    and f.account_id is not distinct from account and f.credential_id is not distinct from credential);
begin
  if since is null and new.frozen_at is not null then
    insert into public.freezes (tenant_id, account_id, credential_id, rank, frozen_at)
    values (tenant, account, credential, 'owner', new.frozen_at);
  else
    new.frozen_at := since;
  end if;
  return new;
end $function$;
alter function states.derive_frozen() owner to keyhold_owner;
grant execute on function states.derive_frozen() to public;

CREATE OR REPLACE FUNCTION states.end_api_key()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  new.expires_at := least(coalesce(new.expires_at, now() + interval '90 days'), now() + interval '366 days');
  return new;
end $function$;
alter function states.end_api_key() owner to keyhold_owner;
grant execute on function states.end_api_key() to public;

CREATE OR REPLACE FUNCTION states.refuse_beginning()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  raise exception 'nothing in % begins as %', tg_table_name, to_jsonb(new) ->> tg_argv[0]
    using errcode = 'check_violation', constraint = tg_name, table = tg_table_name, schema = tg_table_schema;
end $function$;
alter function states.refuse_beginning() owner to keyhold_owner;
grant execute on function states.refuse_beginning() to public;

CREATE OR REPLACE FUNCTION states.refuse_move()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  raise exception 'what is % in % cannot become %', to_jsonb(old) ->> tg_argv[0], tg_table_name, to_jsonb(new) ->> tg_argv[0]
    using errcode = 'check_violation', constraint = tg_name, table = tg_table_name, schema = tg_table_schema;
end $function$;
alter function states.refuse_move() owner to keyhold_owner;
grant execute on function states.refuse_move() to public;

CREATE OR REPLACE FUNCTION webhooks.announce(tenant uuid, link bigint, names text[], credentials uuid[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  if not exists (select from public.webhook_endpoints e
      where e.tenant_id = tenant and e.status = 'active' and e.deleted_at is null) then
    return;
  end if;
  insert into public.webhook_links (tenant_id, link, endpoints, places)
  select tenant, announce.link, array_agg(e.id), (
      select coalesce(jsonb_object_agg(c.id, jsonb_build_array(c.venue, c.environment)), '{}') from public.credentials c
      where c.tenant_id = tenant and c.id = any (credentials)
    )
  from public.webhook_endpoints e
  where e.tenant_id = tenant and e.status = 'active' and e.deleted_at is null
    and exists (select from public.webhook_events w where w.name = any (names) and (e.events = '{}' or w.name = any (e.events)))
  having count(*) > 0;
end $function$;
alter function webhooks.announce(uuid,bigint,text[],uuid[]) owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION webhooks.claim(most integer, at_once integer, lease interval)
 RETURNS TABLE(tenant_id uuid, id uuid)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
#variable_conflict use_column
begin
  perform webhooks.expand(8, 250);
  -- One process claims at a time, so that what is on its way to a webhook is counted right.
  perform pg_advisory_xact_lock(7160433001);
  return query
  with chosen as materialized (
    select w.tenant_id, w.id
    from (select * from webhooks.open_endpoints(at_once) o order by o.failing, o.due_at limit most) e
    cross join lateral (
      select d.tenant_id, d.id, d.due_at from public.webhook_deliveries d
      where d.tenant_id = e.tenant_id and d.endpoint_id = e.id and d.state = 'pending' and d.due_at <= now()
        and coalesce(d.leased_until, now()) <= now()
      order by d.due_at limit e.free
      -- A delivery that is replayed at this moment is left for the next round.
      for update skip locked
    ) w
    order by e.failing, w.due_at limit most
  )
  update public.webhook_deliveries d set leased_until = now() + lease
  from chosen
  where d.tenant_id = chosen.tenant_id and d.id = chosen.id and d.state = 'pending'
  returning d.tenant_id, d.id;
end $function$;
alter function webhooks.claim(integer,integer,interval) owner to keyhold_recorder;
grant execute on function webhooks.claim(integer,integer,interval) to keyhold_app;

CREATE OR REPLACE FUNCTION webhooks.compose(tenant uuid, moment timestamp with time zone, event text, fields text[], detail json, places jsonb)
 RETURNS text
 LANGUAGE sql
 STABLE
AS $function$
  select '{"type":' || to_json(event)::text || ',"timestamp":' || to_json(audit.stamp(moment))::text || ',"data":{'
    || string_agg(to_json(told.name)::text || ':' || coalesce(told.value, 'null')::text, ',' order by told.place) || '}}'
  from (
    select 0, 'tenant_id', to_json(tenant)
    union all
    select f.place, f.name, f.value
    from (select detail->>'credential_id' as id) about
    cross join lateral (values
      (1, 'credential_id', to_json(about.id)), (2, 'venue', (places->about.id->0)::json),
      (3, 'environment', (places->about.id->1)::json)
    ) f (place, name, value)
    where about.id is not null
    union all
    select 3 + f.place, f.name, detail->f.name from unnest(fields) with ordinality f (name, place)
  ) told (place, name, value)
$function$;
alter function webhooks.compose(uuid,timestamp with time zone,text,text[],json,jsonb) owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION webhooks.expand(most_tenants integer, most_events integer)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  turn uuid;
begin
  foreach turn in array array(
    select w.tenant_id from webhooks.first_links() f
    join public.webhook_links w on w.tenant_id = f.tenant_id and w.link = f.link
    order by f.recorded_at limit most_tenants
    for update of w skip locked
  ) loop
    begin
      perform webhooks.expand_tenant(turn, most_events);
    exception when others then
      raise warning 'the webhooks of tenant % could not be queued: %', turn, sqlerrm;
    end;
  end loop;
end $function$;
alter function webhooks.expand(integer,integer) owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION webhooks.expand_tenant(tenant uuid, most_events integer)
 RETURNS void
 LANGUAGE plpgsql
 SET lock_timeout TO '500ms'
AS $function$
begin
  with taken as (
    delete from public.webhook_links w using (
      select x.link, sum(l.event_count) over (order by x.link) - l.event_count as events_before
      from (select i.link from public.webhook_links i where i.tenant_id = tenant order by i.link limit most_events) x
      join audit.links l on l.tenant_id = tenant and l.link = x.link
    ) first
    where w.tenant_id = tenant and w.link = first.link and first.events_before < most_events
    returning w.link, w.endpoints, w.places
  ), messages as materialized (
    select t.link, h.place, t.endpoints, e.name as event, l.recorded_at, gen_random_uuid() as id,
      webhooks.compose(tenant, l.recorded_at, e.name, e.fields, h.line::json->'detail', t.places) as payload
    from taken t
    join audit.links l on l.tenant_id = tenant and l.link = t.link
    cross join lateral string_to_table(l.events, E'\n') with ordinality h (line, place)
    join public.webhook_events e on e.name = h.line::json->>'event'
  )
  insert into public.webhook_deliveries (tenant_id, endpoint_id, message_id, event, payload, due_at, created_at)
  select tenant, e.id, m.id, m.event, m.payload, m.recorded_at, date_trunc('milliseconds', m.recorded_at)
  from messages m join public.webhook_endpoints e
    on e.tenant_id = tenant and e.id = any (m.endpoints) and e.deleted_at is null and (e.events = '{}' or m.event = any (e.events))
  order by m.link, m.place;
end $function$;
alter function webhooks.expand_tenant(uuid,integer) owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION webhooks.first_links()
 RETURNS TABLE(tenant_id uuid, link bigint, recorded_at timestamp with time zone)
 LANGUAGE sql
 STABLE
AS $function$
  with recursive waiting (tenant_id, link) as (
    (select w.tenant_id, w.link from public.webhook_links w order by w.tenant_id, w.link limit 1)
    union all
    select n.tenant_id, n.link from waiting w cross join lateral (
      select x.tenant_id, x.link from public.webhook_links x where x.tenant_id > w.tenant_id order by x.tenant_id, x.link limit 1
    ) n
  )
  select w.tenant_id, w.link, l.recorded_at from waiting w
  join audit.links l on l.tenant_id = w.tenant_id and l.link = w.link
$function$;
alter function webhooks.first_links() owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION webhooks.forget(most integer)
 RETURNS bigint
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 WITH endpoints AS (
          DELETE FROM public.webhook_endpoints e
           WHERE (e.deleted_at < (now() - '00:01:00'::interval))
           RETURNING e.id
         ), deliveries AS (
          DELETE FROM public.webhook_deliveries d
            USING ( SELECT o.tenant_id,
                     o.id
                    FROM public.webhook_deliveries o
                   WHERE (o.forget_at < now())
                   ORDER BY o.forget_at
                  LIMIT forget.most) old
           WHERE ((d.tenant_id = old.tenant_id) AND (d.id = old.id))
           RETURNING d.id
         )
  SELECT (( SELECT count(*) AS count
            FROM endpoints) + ( SELECT count(*) AS count
            FROM deliveries));
END;
alter function webhooks.forget(integer) owner to keyhold_recorder;
grant execute on function webhooks.forget(integer) to keyhold_app;

CREATE OR REPLACE FUNCTION webhooks.open_endpoints(at_once integer)
 RETURNS TABLE(tenant_id uuid, id uuid, failing boolean, due_at timestamp with time zone, free bigint)
 LANGUAGE sql
 STABLE
AS $function$
  with recursive waiting (tenant_id, endpoint_id) as (
    -- From endpoint to endpoint through the index, however much is waiting for each.
    (select d.tenant_id, d.endpoint_id from public.webhook_deliveries d where d.state = 'pending'
      order by d.tenant_id, d.endpoint_id limit 1)
    union all
    select n.tenant_id, n.endpoint_id from waiting w cross join lateral (
      select d.tenant_id, d.endpoint_id from public.webhook_deliveries d
      where d.state = 'pending' and (d.tenant_id, d.endpoint_id) > (w.tenant_id, w.endpoint_id)
      order by d.tenant_id, d.endpoint_id limit 1
    ) n
  )
  select e.tenant_id, e.id, e.failures > 0, first.due_at, room.free
  from waiting w
  join public.webhook_endpoints e on e.tenant_id = w.tenant_id and e.id = w.endpoint_id
  join public.tenants t on t.id = e.tenant_id
  cross join lateral (
    select d.due_at from public.webhook_deliveries d
    where d.tenant_id = e.tenant_id and d.endpoint_id = e.id and d.state = 'pending' and d.due_at <= now()
      and coalesce(d.leased_until, now()) <= now()
    order by d.due_at limit 1
  ) first
  cross join lateral (
    select case when e.paused_until is null then at_once else 1 end - count(*) as free from public.webhook_deliveries d
    where d.tenant_id = e.tenant_id and d.endpoint_id = e.id and d.leased_until > now()
  ) room
  where e.status = 'active' and e.deleted_at is null and coalesce(e.paused_until, now()) <= now() and t.status <> 'deleted'
    and room.free > 0
$function$;
alter function webhooks.open_endpoints(integer) owner to keyhold_recorder;

CREATE OR REPLACE FUNCTION webhooks.outbox_age(at_once integer)
 RETURNS double precision
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
RETURN (SELECT (COALESCE(EXTRACT(epoch FROM (now() - LEAST((SELECT min(o.due_at) AS min FROM webhooks.open_endpoints(outbox_age.at_once) o(tenant_id, id, failing, due_at, free)), (SELECT min(f.recorded_at) AS min FROM webhooks.first_links() f(tenant_id, link, recorded_at))))), (0)::numeric))::double precision AS "coalesce");
alter function webhooks.outbox_age(integer) owner to keyhold_recorder;
grant execute on function webhooks.outbox_age(integer) to keyhold_app;
