-- Times that lists are ordered by are whole milliseconds, so that a cursor names them exactly.
create table tenants (
  id uuid primary key,
  name text not null check (char_length(name) between 1 and 255),
  status text not null default 'active' check (status in ('active', 'suspended', 'deleted')),
  frozen_at timestamptz,
  -- What the tenant decides: allow_withdraw, allow_unknown_permissions, allow_deferred.
  policy jsonb not null default '{}',
  -- What the operator decides: requests_per_minute, reveals_per_minute, invokes_per_minute.
  limits jsonb not null default '{}',
  revision bigint not null default 1,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  updated_at timestamptz not null default now()
);

create table members (
  tenant_id uuid not null references tenants (id),
  id uuid not null,
  issuer text not null check (char_length(issuer) between 1 and 255),
  subject text not null check (char_length(subject) between 1 and 255),
  role text not null check (role in ('owner', 'admin', 'trader', 'viewer', 'auditor')),
  status text not null default 'active' check (status in ('active', 'suspended')),
  revision bigint not null default 1,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  updated_at timestamptz not null default now(),
  primary key (id),
  unique (tenant_id, id),
  unique (tenant_id, issuer, subject)
);

create table accounts (
  tenant_id uuid not null,
  id uuid not null,
  owner_id uuid not null,
  name text not null check (char_length(name) between 1 and 255),
  active boolean not null default true,
  frozen_at timestamptz,
  -- Marked at once; the rows go when the secrets below are destroyed in their stores.
  deleted_at timestamptz,
  revision bigint not null default 1,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  updated_at timestamptz not null default now(),
  primary key (id),
  unique (tenant_id, id),
  unique (tenant_id, id, owner_id),
  foreign key (tenant_id, owner_id) references members (tenant_id, id)
);
create index accounts_by_age on accounts (tenant_id, created_at desc, id desc);
create index accounts_by_owner on accounts (tenant_id, owner_id);
create index accounts_deleted on accounts (deleted_at) where deleted_at is not null;
create index members_by_age on members (tenant_id, created_at desc, id desc);
create index tenants_by_age on tenants (created_at desc, id desc);
create index tenants_deleted on tenants (updated_at) where status = 'deleted';

alter table tenants enable row level security;
alter table tenants force row level security;
create policy tenant_reads on tenants for select to keyhold_app
  using (id = scope.tenant() or scope.reach() = 'platform');
create policy tenant_writes on tenants for update to keyhold_app
  using ((id = scope.tenant() and scope.reach() = 'tenant-write') or scope.reach() = 'platform')
  with check ((id = scope.tenant() and scope.reach() = 'tenant-write') or scope.reach() = 'platform');
create policy platform_creates on tenants for insert to keyhold_app with check (scope.reach() = 'platform');
create policy purge on tenants for delete to keyhold_app
  using (id = scope.tenant() and scope.reach() = 'tenant-write' and status = 'deleted');

alter table members enable row level security;
alter table members force row level security;
create policy member_reads on members for select to keyhold_app using (scope.reads(tenant_id, id));
create policy member_inserts on members for insert to keyhold_app
  with check (tenant_id = scope.tenant() and scope.reach() = 'tenant-write');
-- The operator adds the first owner of a new tenant, and sees no member.
create policy platform_adds_owner on members for insert to keyhold_app
  with check (scope.reach() = 'platform' and role = 'owner');
create policy member_updates on members for update to keyhold_app
  using (tenant_id = scope.tenant() and scope.reach() = 'tenant-write')
  with check (tenant_id = scope.tenant() and scope.reach() = 'tenant-write');
create policy member_deletes on members for delete to keyhold_app
  using (tenant_id = scope.tenant() and scope.reach() = 'tenant-write');

alter table accounts enable row level security;
alter table accounts force row level security;
create policy account_reads on accounts for select to keyhold_app using (scope.reads(tenant_id, owner_id));
create policy account_inserts on accounts for insert to keyhold_app with check (scope.writes(tenant_id, owner_id));
create policy account_updates on accounts for update to keyhold_app
  using (scope.writes(tenant_id, owner_id)) with check (scope.writes(tenant_id, owner_id));
create policy account_deletes on accounts for delete to keyhold_app using (scope.writes(tenant_id, owner_id));

grant select, insert, update, delete on tenants, members, accounts to keyhold_app;
