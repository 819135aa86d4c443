-- The few questions that cannot be asked inside one tenant's scope. Each answers one thing, belongs to keyhold_recorder,
-- and tells ids and states, never a tenant's data.
create schema access;
create schema clock;
grant usage on schema access, clock to keyhold_app, keyhold_recorder;
grant create on schema audit, access, clock to keyhold_recorder;

-- A token's (tenant, issuer, subject) → the membership.
create function access.member(tenant uuid, issuer text, subject text)
returns table (id uuid, role text, status text, tenant_status text, limits jsonb)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select m.id, m.role, m.status, t.status, t.limits from public.members m
  join public.tenants t on t.id = m.tenant_id
  where m.tenant_id = tenant and m.issuer = member.issuer and m.subject = member.subject;
end;

-- The hash of an API key → whose it is.
create function access.api_key(hash bytea)
returns table (id uuid, tenant_id uuid, member_id uuid, scopes text[], agent boolean, active boolean, role text, status text,
  tenant_status text, limits jsonb)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select k.id, k.tenant_id, k.member_id, k.scopes, k.agent,
    k.revoked_at is null and (k.expires_at is null or k.expires_at > now()), m.role, m.status, t.status, t.limits
  from public.api_keys k
  join public.members m on m.tenant_id = k.tenant_id and m.id = k.member_id
  join public.tenants t on t.id = k.tenant_id
  where k.hash = api_key.hash;
end;

-- After a miss: does the id exist in the caller's own tenant? Tells 403 from 404 inside a tenant, and nothing across.
create function access.exists_in_tenant(kind text, id uuid)
returns boolean language sql stable security definer set search_path = pg_catalog, pg_temp
return case kind
  when 'credential' then exists (select from public.credentials c
    where c.tenant_id = scope.tenant() and c.id = exists_in_tenant.id and c.deleted_at is null)
  when 'account' then exists (select from public.accounts a
    where a.tenant_id = scope.tenant() and a.id = exists_in_tenant.id and a.deleted_at is null)
  when 'member' then exists (select from public.members m
    where m.tenant_id = scope.tenant() and m.id = exists_in_tenant.id)
  when 'api_key' then exists (select from public.api_keys k
    where k.tenant_id = scope.tenant() and k.id = exists_in_tenant.id)
  else false
end;

-- What the clock must look at: tenants and ids, never rows.
create function clock.stale_intents(older interval, most integer)
returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select i.tenant_id, i.id from public.intents i where i.created_at < now() - older order by i.created_at limit most;
end;

-- The venues that are to be asked about something by now: from venue to venue through the index, however much is due at each.
create function clock.due_venues()
returns table (venue text)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  with recursive first (venue, at) as (
    (select c.venue, greatest(c.next_check_at, c.check_leased_until) from public.credentials c
      where c.status in ('active', 'pending') and c.deleted_at is null and c.frozen_at is null
      order by c.venue, greatest(c.next_check_at, c.check_leased_until) limit 1)
    union all
    select n.venue, n.at from first f cross join lateral (
      select c.venue, greatest(c.next_check_at, c.check_leased_until) as at from public.credentials c
      where c.status in ('active', 'pending') and c.deleted_at is null and c.frozen_at is null and c.venue > f.venue
      order by c.venue, greatest(c.next_check_at, c.check_leased_until) limit 1
    ) n
  )
  select f.venue from first f where f.at <= now();
end;

-- What one venue is to be asked about by now, the longest due first; what could not be opened when it was tried comes after that. What
-- may not be opened would only fill the record. Account and tenant are looked up row by row: few are due at a time.
create function clock.due_checks(venue text, most integer)
returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select c.tenant_id, c.id from public.credentials c
  where c.venue = due_checks.venue and greatest(c.next_check_at, c.check_leased_until) <= now()
    and c.status in ('active', 'pending') and c.deleted_at is null and c.frozen_at is null
    and (select a.active and a.deleted_at is null and a.frozen_at is null from public.accounts a where a.id = c.account_id)
    and (select t.status = 'active' and t.frozen_at is null from public.tenants t where t.id = c.tenant_id)
  order by c.venue, greatest(c.next_check_at, c.check_leased_until) limit most;
end;

-- Gives the same out, to be checked by the caller until its lease ends. Workers that claim at once wait for nobody: each is given what
-- no other is. So is what somebody is changing this moment left for the next time, but not what only a foreign key holds.
create function clock.claim_checks(venue text, most integer, lease interval)
returns table (tenant_id uuid, id uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_sort = off as $$
#variable_conflict use_column
begin
  return query
  with chosen as materialized (
    select c.tenant_id, c.id from public.credentials c
    where c.venue = claim_checks.venue and greatest(c.next_check_at, c.check_leased_until) <= now()
      and c.status in ('active', 'pending') and c.deleted_at is null and c.frozen_at is null
      and (select a.active and a.deleted_at is null and a.frozen_at is null from public.accounts a where a.id = c.account_id)
      and (select t.status = 'active' and t.frozen_at is null from public.tenants t where t.id = c.tenant_id)
    order by c.venue, greatest(c.next_check_at, c.check_leased_until) limit most
    for no key update of c skip locked
  )
  update public.credentials c set check_leased_until = now() + lease
  from chosen where c.tenant_id = chosen.tenant_id and c.id = chosen.id
  returning c.tenant_id, c.id;
end $$;

-- Ends a lease before its time. It makes none longer: whoever has been given the same since then keeps it, at worst too short.
create function clock.shorten_lease(tenant uuid, id uuid, rest interval)
returns void language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  update public.credentials c set check_leased_until = now() + rest
  where c.tenant_id = tenant and c.id = shorten_lease.id and c.check_leased_until > now() + rest;
end;

-- For an operator who does not want to wait: what was not checked since a moment, due or not.
create function clock.unchecked_since(moment timestamptz, most integer)
returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select c.tenant_id, c.id from public.credentials c
  where c.status in ('active', 'pending') and c.deleted_at is null and c.frozen_at is null
    and (select a.active and a.deleted_at is null and a.frozen_at is null from public.accounts a where a.id = c.account_id)
    and (select t.status = 'active' and t.frozen_at is null from public.tenants t where t.id = c.tenant_id)
    and not exists (select from public.health_checks h where h.tenant_id = c.tenant_id and h.credential_id = c.id
      and h.checked_at >= moment)
  limit most;
end;

-- How many credentials of a venue were checked within the last hour, and how many of them the venue refused last.
create function clock.refusals(venue text, environment text)
returns table (checked bigint, refused bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select count(*), count(*) filter (where l.outcome = 'rejected') from (
    select distinct on (h.credential_id) h.outcome from public.health_checks h
    where h.venue = refusals.venue and h.environment = refusals.environment and h.checked_at > now() - interval '1 hour'
    order by h.credential_id, h.checked_at desc
  ) l;
end;

-- Rotations whose overlap is over, but for those whose old key is to be deleted at the venue first.
create function clock.due_rotations(most integer)
returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select r.tenant_id, r.id from public.rotations r
  where r.state = 'overlap' and r.overlap_until <= now()
    and not exists (select from public.venue_rotations v where v.rotation_id = r.id)
  order by r.overlap_until limit most;
end;

-- Credentials whose secret is to be replaced by now.
create function clock.due_schedules(most integer)
returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select s.tenant_id, s.credential_id from public.rotation_schedules s
  where s.next_at <= now() order by s.next_at limit most;
end;

-- Credentials about whose keys a venue is to be asked by now.
create function clock.due_venue_rotations(most integer)
returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select v.tenant_id, v.credential_id from public.venue_rotations v
  where v.due_at <= now() order by v.due_at limit most;
end;

-- Credentials that end within so many days and whose owner was not warned of it yet, or was before the date was moved. What ends one
-- first counts: a date that is told, or a rule of its venue. Whoever is checked is used, every day at least: two days without an answer
-- of the venue mean that nobody keeps the key alive.
create function clock.expiring_credentials(days integer, most integer)
returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select c.tenant_id, c.id from public.credentials c
  cross join lateral (
    select min(known.at) as at from (values
      (c.status = 'active', c.expires_at),
      (c.status = 'active', c.estimated_expires_at),
      (c.last_validated_at < now() - interval '2 days', c.last_validated_at + make_interval(days => c.unused_days))
    ) known(counts, at) where known.counts and known.at > now()
  ) ends
  where c.deleted_at is null and ends.at <= now() + make_interval(days => days)
    and (c.warned_days is null or c.warned_days > days or ends.at > now() + make_interval(days => c.warned_days))
    and (
      (c.status = 'active' and c.expires_at > now() and c.expires_at <= now() + make_interval(days => days))
      or (c.status = 'active' and c.estimated_expires_at > now() and c.estimated_expires_at <= now() + make_interval(days => days))
      or (c.status in ('active', 'inactive') and c.unused_days is not null and c.last_validated_at < now() - interval '2 days')
    )
  order by ends.at limit most;
end;

create function clock.expired_credentials(most integer)
returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select c.tenant_id, c.id from public.credentials c
  where c.status = 'active' and c.expires_at <= now() and c.deleted_at is null order by c.expires_at limit most;
end;

-- Removes what was kept for a quarter of a year: answers of venues about keys, and calls that were settled. A call of which nobody
-- knows what came of it stays. Answers how many of both there were.
create function clock.forget_history(most integer)
returns bigint language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  with checks as (
    delete from public.health_checks h using (
      select o.tenant_id, o.id from public.health_checks o where o.checked_at < now() - interval '90 days'
      order by o.checked_at limit most
    ) old
    where h.tenant_id = old.tenant_id and h.id = old.id returning h.id
  ), calls as (
    delete from public.invocations i using (
      select o.tenant_id, o.id from public.invocations o
      where o.state in ('done', 'refused') and o.updated_at < now() - interval '90 days' order by o.updated_at limit most
    ) old
    where i.tenant_id = old.tenant_id and i.id = old.id returning i.id
  )
  select (select count(*) from checks) + (select count(*) from calls);
end;

create function clock.deleted_accounts(most integer)
returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select a.tenant_id, a.id from public.accounts a where a.deleted_at is not null limit most;
end;

create function clock.deleted_tenants(most integer)
returns table (tenant_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select t.id from public.tenants t where t.status = 'deleted' limit most;
end;

-- What must be gone through when keys or stores change.
create function clock.data_keys_wrapped_otherwise(kek text, most integer)
returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select k.tenant_id, k.id from public.data_keys k where k.kek_id <> kek order by k.id limit most;
end;

-- Keys that seal, and were made before a moment or have sealed so much.
create function clock.sealing_keys(made_before timestamptz, sealed bigint, most integer)
returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select k.tenant_id, k.id from public.data_keys k join public.tenants t on t.id = k.tenant_id
  where k.use = 'seal' and k.state = 'active' and t.status <> 'deleted'
    and (k.created_at < made_before or k.operations >= sealed)
  order by k.id limit most;
end;

-- Credentials whose present version is sealed with a key that has a successor.
create function clock.credentials_under_retired_keys(most integer)
returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select v.tenant_id, v.credential_id from public.data_keys k
  join public.credential_versions v on v.tenant_id = k.tenant_id and v.data_key_id = k.id
  join public.credentials c on c.id = v.credential_id
  join public.tenants t on t.id = v.tenant_id
  where k.state = 'retired' and v.state = 'current' and c.deleted_at is null and t.status <> 'deleted'
  order by v.credential_id limit most;
end;

-- Retired keys that nothing needs. Ten minutes are longer than any writer takes who was given the key before it was retired.
create function clock.unused_data_keys(most integer)
returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select k.tenant_id, k.id from public.data_keys k
  where k.state = 'retired' and k.retired_at < now() - interval '10 minutes'
    and not exists (select from public.credential_versions v where v.tenant_id = k.tenant_id and v.data_key_id = k.id)
  limit most;
end;

create function clock.credentials_in_store(store text, most integer)
returns table (tenant_id uuid, id uuid, venue text, environment text, version integer)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select c.tenant_id, c.id, c.venue, c.environment, v.version from public.credential_versions v
  join public.credentials c on c.id = v.credential_id
  join public.tenants t on t.id = v.tenant_id
  where v.store = credentials_in_store.store and v.state = 'current' and c.deleted_at is null and t.status <> 'deleted'
  order by c.id limit most;
end;

-- How many data keys each key-encryption key wraps.
create function clock.data_key_counts()
returns table (kek_id text, state text, count bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select k.kek_id, k.state, count(*) from public.data_keys k group by k.kek_id, k.state;
end;

-- For the gauge of credentials by tenant, venue and status.
create function clock.credential_counts()
returns table (tenant_id uuid, venue text, status text, count bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select c.tenant_id, c.venue, c.status, count(*) from public.credentials c
  where c.deleted_at is null group by c.tenant_id, c.venue, c.status;
end;

-- Nobody but the service calls them, and it never calls the parts that they are made of.
do $$
declare one record;
begin
  for one in
    select p.oid::regprocedure as signature, p.proname as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('audit', 'access', 'clock')
  loop
    execute format('revoke all on function %s from public', one.signature);
    if one.name not in ('begin_chain', 'stamp', 'compose', 'link_hash') then
      execute format('grant execute on function %s to keyhold_app', one.signature);
    end if;
    -- Last: an owner who is no superuser has no say over what it has given away.
    execute format('alter function %s owner to keyhold_recorder', one.signature);
  end loop;
end $$;
revoke create on schema audit, access, clock from keyhold_recorder;
