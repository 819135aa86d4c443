-- What a venue's refusals make of a credential: since when it is refused, how, and whether that is held back; and that what has become
-- invalid is asked about again.

alter table credentials
  -- Since when the venue refuses a key that it accepted before; null while it accepts it.
  add refused_since timestamptz,
  -- What it says of it.
  add refused_as text check (refused_as in ('rejected', 'ambiguous', 'ip_not_allowed')),
  -- Since when a refusal that would end the credential is held back, because too many are refused.
  add held_at timestamptz;

create index credentials_asked on credentials (venue, greatest(next_check_at, check_leased_until))
  where status in ('active', 'pending', 'invalid') and deleted_at is null and frozen_at is null;
drop index credentials_due;
create index credentials_refused on credentials (venue, environment) where refused_since is not null;
create index credentials_by_venue on credentials (venue, environment, tenant_id) where status = 'active' and deleted_at is null;

-- What a version before this one left behind is not asked about all at once.
update credentials set next_check_at = now() + random() * interval '1 day' where status = 'invalid';

grant create on schema clock to keyhold_recorder;
set local role keyhold_recorder;

-- The same as in 0006_narrow_functions.sql, with what is invalid.
create or replace function clock.due_venues()
returns table (venue text)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  with recursive first (venue, at) as (
    (select c.venue, greatest(c.next_check_at, c.check_leased_until) from public.credentials c
      where c.status in ('active', 'pending', 'invalid') and c.deleted_at is null and c.frozen_at is null
      order by c.venue, greatest(c.next_check_at, c.check_leased_until) limit 1)
    union all
    select n.venue, n.at from first f cross join lateral (
      select c.venue, greatest(c.next_check_at, c.check_leased_until) as at from public.credentials c
      where c.status in ('active', 'pending', 'invalid') and c.deleted_at is null and c.frozen_at is null and c.venue > f.venue
      order by c.venue, greatest(c.next_check_at, c.check_leased_until) limit 1
    ) n
  )
  select f.venue from first f where f.at <= now();
end;

create or replace function clock.due_checks(venue text, most integer)
returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select c.tenant_id, c.id from public.credentials c
  where c.venue = due_checks.venue and greatest(c.next_check_at, c.check_leased_until) <= now()
    and c.status in ('active', 'pending', 'invalid') and c.deleted_at is null and c.frozen_at is null
    and (select a.active and a.deleted_at is null and a.frozen_at is null from public.accounts a where a.id = c.account_id)
    and (select t.status = 'active' and t.frozen_at is null from public.tenants t where t.id = c.tenant_id)
  order by c.venue, greatest(c.next_check_at, c.check_leased_until) limit most;
end;

create or replace function clock.claim_checks(venue text, most integer, lease interval)
returns table (tenant_id uuid, id uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_sort = off as $$
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
end $$;

create or replace function clock.unchecked_since(moment timestamptz, most integer)
returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select c.tenant_id, c.id from public.credentials c
  where c.status in ('active', 'pending', 'invalid') and c.deleted_at is null and c.frozen_at is null
    and (select a.active and a.deleted_at is null and a.frozen_at is null from public.accounts a where a.id = c.account_id)
    and (select t.status = 'active' and t.frozen_at is null from public.tenants t where t.id = c.tenant_id)
    and not exists (select from public.health_checks h where h.tenant_id = c.tenant_id and h.credential_id = c.id
      and h.checked_at >= moment)
  limit most;
end;

-- How many keys of a tenant a venue accepted before and refuses, and how many keys of all others: of those that turned in the time that
-- is given. Of the others, five times their refused keys, but for no tenant more than the others have keys, so that none has more than
-- one vote in five. Counts, and nothing of a tenant's. It takes the place of clock.refusals, which a version before this one asks.
create function clock.refused_keys(tenant uuid, venue text, environment text, kinds text[], own_from timestamptz, own_until timestamptz,
  others_from timestamptz)
returns table (own_keys bigint, own_refused bigint, other_keys bigint, other_fifths bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  with refused as materialized (
    select c.tenant_id, count(*) as number, count(*) filter (where c.status <> 'active') as ended from public.credentials c
    where c.venue = refused_keys.venue and c.environment = refused_keys.environment and c.refused_since is not null
      and c.refused_as = any (kinds) and c.health <> 'healthy' and c.status in ('active', 'invalid', 'expired') and c.deleted_at is null
      and case when c.tenant_id = tenant then c.refused_since between own_from and own_until else c.refused_since >= others_from end
    group by c.tenant_id
  ), found as (
    select coalesce(sum(r.number) filter (where r.tenant_id = tenant), 0) as own,
      coalesce(sum(r.ended) filter (where r.tenant_id = tenant), 0) as own_ended,
      count(*) filter (where r.tenant_id <> tenant) as others, coalesce(sum(r.ended) filter (where r.tenant_id <> tenant), 0) as others_ended
    from refused r
  ), keys as (
    -- Of one refused key, and of one other tenant, nothing follows, whatever there is beside.
    select case when f.own < 2 then 0 else f.own_ended + (select count(*) from public.credentials c
        where c.venue = refused_keys.venue and c.environment = refused_keys.environment and c.tenant_id = tenant
          and c.status = 'active' and c.deleted_at is null) end as own,
      case when f.others < 2 then 0 else f.others_ended + (select count(*) from public.credentials c
        where c.venue = refused_keys.venue and c.environment = refused_keys.environment and c.tenant_id <> tenant
          and c.status = 'active' and c.deleted_at is null) end as others
    from found f
  )
  select k.own::bigint, f.own::bigint, k.others::bigint,
    (select coalesce(sum(least(r.number * 5, k.others)), 0) from refused r where r.tenant_id <> tenant)::bigint
  from found f cross join keys k;
end;

revoke all on function clock.refused_keys(uuid, text, text, text[], timestamptz, timestamptz, timestamptz) from public;
grant execute on function clock.refused_keys(uuid, text, text, text[], timestamptz, timestamptz, timestamptz) to keyhold_app;

reset role;
revoke create on schema clock from keyhold_recorder;
