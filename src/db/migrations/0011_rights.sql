-- Freezes with a rank, who switched things off, where API keys come from and how far they and tokens reach.

-- A freeze stands until a caller of its rank or a higher one lifts it. Several may stand on one subject: the account or the credential
-- that is named, or the whole tenant where neither is.
create table freezes (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id uuid not null default gen_random_uuid(),
  account_id uuid,
  credential_id uuid,
  rank text not null check (rank in ('trader', 'admin', 'owner', 'operator')),
  -- Who made it: kind, and member_id or task. Null for a freeze that was made before this was kept.
  actor jsonb,
  reason text,
  frozen_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  primary key (tenant_id, id),
  -- The same caller freezes the same subject once.
  unique nulls not distinct (tenant_id, account_id, credential_id, rank, actor),
  check (account_id is null or credential_id is null),
  foreign key (tenant_id, account_id) references accounts (tenant_id, id) on delete cascade,
  foreign key (tenant_id, credential_id) references credentials (tenant_id, id) on delete cascade
);
create index freezes_by_account on freezes (tenant_id, account_id) where account_id is not null;
create index freezes_by_credential on freezes (tenant_id, credential_id) where credential_id is not null;

-- The rank that switched it off. Null is read as owner, because a version before this one does not write it.
alter table accounts add switched_off_rank text check (switched_off_rank in ('trader', 'admin', 'owner'));
alter table credentials add switched_off_rank text check (switched_off_rank in ('trader', 'admin', 'owner'));
alter table members add suspended_rank text check (suspended_rank in ('trader', 'admin', 'owner'));

alter table api_keys
  -- The keys by which this one was made: its maker, the maker's maker, and so on. It ends with the first of them that ends.
  add makers uuid[] not null default '{}',
  -- What it reaches: these credentials, and those of these accounts. Both null is everything that its member reaches.
  add credentials uuid[] check (array_position(credentials, null) is null),
  add accounts uuid[] check (array_position(accounts, null) is null),
  -- From where it may be used; null is from anywhere.
  add networks cidr[] check (cardinality(networks) > 0 and array_position(networks, null) is null),
  -- Made without an end by a version that allowed it. Such a key ends a year after the upgrade.
  add made_without_end boolean not null default false;

-- The owner of the tables is held by their policies, too, and has none: for these statements the policies do not hold it.
alter table tenants no force row level security;
alter table accounts no force row level security;
alter table credentials no force row level security;
alter table api_keys no force row level security;

-- Before this version only members could freeze, and none of them has a higher rank than an owner.
insert into freezes (tenant_id, rank, frozen_at)
  select t.id, 'owner', t.frozen_at from tenants t where t.frozen_at is not null;
insert into freezes (tenant_id, account_id, rank, frozen_at)
  select a.tenant_id, a.id, 'owner', a.frozen_at from accounts a where a.frozen_at is not null;
insert into freezes (tenant_id, credential_id, rank, frozen_at)
  select c.tenant_id, c.id, 'owner', c.frozen_at from credentials c where c.frozen_at is not null;

update api_keys set made_without_end = expires_at is null,
  expires_at = least(expires_at, date_trunc('milliseconds', now()) + interval '366 days');

alter table tenants force row level security;
alter table accounts force row level security;
alter table credentials force row level security;
alter table api_keys force row level security;
alter table api_keys alter column expires_at set not null, alter column expires_at set default now() + interval '90 days';

alter table freezes enable row level security;
alter table freezes force row level security;
grant select, insert, delete on freezes to keyhold_app;

-- Visible to those who see the subject; a freeze of the whole tenant is seen by all of its members and by the operator.
create policy freeze_reads on freezes for select to keyhold_app using (
  (account_id is null and credential_id is null and (tenant_id = scope.tenant() or scope.reach() = 'platform'))
  or (tenant_id = scope.tenant()
    and (exists (select from accounts a where a.tenant_id = freezes.tenant_id and a.id = account_id)
      or exists (select from credentials c where c.tenant_id = freezes.tenant_id and c.id = credential_id))));

create function scope.freezes(tenant uuid, account uuid, credential uuid) returns boolean language sql stable
return tenant = scope.tenant() and (
  (account is null and credential is null and scope.reach() = 'tenant-write')
  or exists (select from public.accounts a
    where a.tenant_id = tenant and a.id = account and scope.writes(a.tenant_id, a.owner_id))
  or exists (select from public.credentials c
    where c.tenant_id = tenant and c.id = credential and scope.writes(c.tenant_id, c.owner_id)));

-- The operator freezes tenants as a whole, and alone has that rank.
create policy operator_freezes on freezes for insert to keyhold_app
  with check (scope.reach() = 'platform' and rank = 'operator' and account_id is null and credential_id is null);
create policy operator_lifts on freezes for delete to keyhold_app
  using (scope.reach() = 'platform' and account_id is null and credential_id is null);
create policy member_freezes on freezes for insert to keyhold_app
  with check (rank <> 'operator' and scope.freezes(tenant_id, account_id, credential_id));
-- The ranks in between are told apart by the service: a transaction does not know its member's role.
create policy member_lifts on freezes for delete to keyhold_app
  using (rank <> 'operator' and (scope.reach() = 'tenant-write' or rank = 'trader')
    and scope.freezes(tenant_id, account_id, credential_id));

-- frozen_at says since when any freeze stands, whatever is written to it. A version before this one sets it alone: that becomes a
-- freeze of rank owner, and what such a version lifts stays frozen.
create function states.derive_frozen() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
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
end $$;

do $$
declare one text;
begin
  foreach one in array '{tenants,accounts,credentials}'::text[] loop
    execute format('create trigger derive_frozen before update of frozen_at on %I for each row
      when (old.frozen_at is distinct from new.frozen_at) execute function states.derive_frozen()', one);
  end loop;
end $$;

-- Every key ends: after 90 days if nothing else was asked for, and after 366 days at the latest.
create function states.end_api_key() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.expires_at := least(coalesce(new.expires_at, now() + interval '90 days'), now() + interval '366 days');
  return new;
end $$;
create trigger end_api_key before insert on api_keys for each row execute function states.end_api_key();

-- What a narrowed caller reaches. Both settings empty: everything that its member reaches.
create function scope.reaches(account uuid, credential uuid) returns boolean language sql stable parallel safe
return (coalesce(current_setting('keyhold.accounts', true), '') = ''
    and coalesce(current_setting('keyhold.credentials', true), '') = '')
  or coalesce(account = any (nullif(current_setting('keyhold.accounts', true), '')::uuid[]), false)
  or coalesce(credential = any (nullif(current_setting('keyhold.credentials', true), '')::uuid[]), false);

create policy narrowing on accounts as restrictive for all to keyhold_app
  using (scope.reaches(id, null)) with check (scope.reaches(id, null));
create policy narrowing on credentials as restrictive for all to keyhold_app
  using (scope.reaches(account_id, id)) with check (scope.reaches(account_id, id));

grant create on schema audit, access to keyhold_recorder;
-- The functions below belong to the recorder, and their owner alone replaces them.
set local role keyhold_recorder;

-- Whether all of these keys live. One that is not there does not.
create function access.keys_live(keys uuid[], moment timestamptz) returns boolean language sql stable parallel safe
return keys = '{}' or cardinality(keys) = (
  select count(*) from public.api_keys k where k.id = any (keys) and k.revoked_at is null and k.expires_at > moment);

drop function access.api_key(bytea);
-- The hash of an API key → whose it is, and what it is narrowed to.
create function access.api_key(hash bytea)
returns table (id uuid, tenant_id uuid, member_id uuid, scopes text[], agent boolean, active boolean, role text, status text,
  tenant_status text, limits jsonb, makers uuid[], credentials uuid[], accounts uuid[], networks text[])
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select k.id, k.tenant_id, k.member_id, k.scopes, k.agent,
    k.revoked_at is null and k.expires_at > now() and access.keys_live(k.makers, now()), m.role, m.status, t.status, t.limits,
    k.makers, k.credentials, k.accounts, k.networks::text[]
  from public.api_keys k
  join public.members m on m.tenant_id = k.tenant_id and m.id = k.member_id
  join public.tenants t on t.id = k.tenant_id
  where k.hash = api_key.hash;
end;

-- Whether a member may still act as it did when its request was let in: asked by a change after it has appended its events, while it
-- holds the chain. So a role or a key that ended before the change commits does not make the change.
create function access.standing(tenant uuid, member uuid, role text, api_key uuid, recorded bigint)
returns text language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- The group commit before disclosure, as in 0010_commits.sql, with three things more to judge by: the address that a request came
-- from, and the credentials and accounts that a token is narrowed to (array literals; null is not narrowed). What an API key is
-- narrowed to is read from its row. A version before this one says none of the three: its tokens are not narrowed, and a key that is
-- bound to networks opens nothing through it.
drop function audit.append(uuid[], uuid[], text[], boolean[], uuid[], uuid[], bigint[], integer[], text[], text[], text[], integer);
create function audit.append(
  tenants uuid[], members uuid[], roles text[], own boolean[], api_keys uuid[], credentials uuid[], revisions bigint[],
  versions integer[], needs text[], events text[], details text[], patience integer default 2000, addresses inet[] default '{}',
  reached_credentials text[] default '{}', reached_accounts text[] default '{}')
returns table (place bigint, outcome text, revision bigint, version integer, venue text, environment text, store text,
  owner_id uuid, sealed bytea)
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s'
set plan_cache_mode = force_generic_plan set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
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
      c.revision, c.version, coalesce(a.version, c.version) as opened, c.venue, c.environment, c.store, c.owner_id
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
    )
  from judged j;
end $$;

do $$
declare one record;
begin
  for one in
    select p.oid::regprocedure as signature, p.proname as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where (n.nspname, p.proname) in (('audit', 'append'), ('access', 'keys_live'), ('access', 'api_key'), ('access', 'standing'))
  loop
    execute format('revoke all on function %s from public', one.signature);
    execute format('grant execute on function %s to keyhold_app', one.signature);
  end loop;
end $$;

reset role;
revoke create on schema audit, access from keyhold_recorder;
