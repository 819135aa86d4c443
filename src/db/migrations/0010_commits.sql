-- One tenant's slow change holds up no other tenant.

-- Links of the record whose events are still to be queued for webhooks: for which endpoints, and at which venue and in which
-- environment the credentials are that the events are about. A credential may be gone before its webhooks are queued.
create table webhook_links (
  tenant_id uuid not null,
  link bigint not null,
  endpoints uuid[] not null,
  places jsonb not null,
  primary key (tenant_id, link)
);
drop index intents_by_age;
create index intents_by_tenant on intents (tenant_id, created_at);
alter table webhook_links enable row level security;
alter table webhook_links force row level security;
create policy recorder on webhook_links for all to keyhold_recorder using (true) with check (true);
create policy tenant_reads on webhook_links for select to keyhold_app
  using (tenant_id = scope.tenant() and scope.reach() in ('tenant-read', 'tenant-write'));
grant select on webhook_links to keyhold_app;
grant select, insert, update, delete on webhook_links to keyhold_recorder;

-- Lanes of the clock that a process works in.
create table clock_lanes (
  lane text primary key,
  holder uuid not null,
  leased_until timestamptz not null
);
grant select, insert, update, delete on clock_lanes to keyhold_recorder;

grant create on schema audit, webhooks, clock to keyhold_recorder;
set local role keyhold_recorder;

-- The group commit before disclosure, as 0005_audit.sql describes it, but that it need not wait.
--
-- patience: how many milliseconds it waits for each chain. With 0 it takes the chains that are free and gives no answer to the rows
-- of the others: the caller tries those again. Only a statement that waits has a place in the queue for a chain, so the second try
-- waits. The chains are locked first in either case, and the rows are judged by a second statement, which sees all that was
-- committed before the locks were taken.
drop function audit.append(uuid[], uuid[], text[], boolean[], uuid[], uuid[], bigint[], integer[], text[], text[], text[]);
create function audit.append(
  tenants uuid[], members uuid[], roles text[], own boolean[], api_keys uuid[], credentials uuid[], revisions bigint[],
  versions integer[], needs text[], events text[], details text[], patience integer default 2000)
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
          and (k.id is null or k.revoked_at is not null or k.expires_at <= moment) then 'api_key_inactive'
        when c.id is null or c.deleted_at is not null or o.deleted_at is not null then 'absent'
        when a.own and c.owner_id is distinct from a.member_id then 'forbidden'
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
    from unnest(tenants, members, roles, own, api_keys, credentials, revisions, versions, needs, events, details)
      with ordinality a (tenant_id, member_id, role, own, api_key_id, credential_id, revision, version, need, event, detail, place)
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

revoke all on function
  audit.append(uuid[], uuid[], text[], boolean[], uuid[], uuid[], bigint[], integer[], text[], text[], text[], integer)
  from public;
grant execute on function
  audit.append(uuid[], uuid[], text[], boolean[], uuid[], uuid[], bigint[], integer[], text[], text[], text[], integer)
  to keyhold_app;

-- Notes that a link tells something that endpoints of its tenant want to be told. Called by audit.record, which holds the chain: one
-- row, however many endpoints and events there are. No foreign key, which would wait for rows that others hold.
create function webhooks.announce(tenant uuid, link bigint, names text[], credentials uuid[])
returns void language plpgsql as $$
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
end $$;

-- Appends the events of a change, in the transaction of the change, as its last statement: it holds the chain until the commit.
-- Whoever waits for a chain, here or below, gives up after two seconds: without a record nothing happens.
-- A platform transaction names the tenant; any other speaks for its own alone.
create or replace function audit.record(tenant uuid, events text[], outcomes text[], details text[], credentials uuid[])
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
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
end $$;

drop function webhooks.queue(uuid, timestamptz, text[], text[]);
drop function webhooks.compose(uuid, timestamptz, text, text[], json);

-- The body of a message: its kind, when it happened, and which things it is about. Everything else the API tells.
create function webhooks.compose(tenant uuid, moment timestamptz, event text, fields text[], detail json, places jsonb)
returns text language sql stable as $$
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
$$;

-- The first link of each tenant that is still to be queued, from tenant to tenant through the index.
create function webhooks.first_links()
returns table (tenant_id uuid, link bigint, recorded_at timestamptz) language sql stable as $$
  with recursive waiting (tenant_id, link) as (
    (select w.tenant_id, w.link from public.webhook_links w order by w.tenant_id, w.link limit 1)
    union all
    select n.tenant_id, n.link from waiting w cross join lateral (
      select x.tenant_id, x.link from public.webhook_links x where x.tenant_id > w.tenant_id order by x.tenant_id, x.link limit 1
    ) n
  )
  select w.tenant_id, w.link, l.recorded_at from waiting w
  join audit.links l on l.tenant_id = w.tenant_id and l.link = w.link
$$;

-- Queues what the links of some tenants are to tell: of those whose links wait for the longest, about so many events each. A tenant's
-- first link is its turn: the process that holds it queues the links of this tenant in their order, and the others pass it over. In
-- one transaction the link goes and its messages are there, so a crash loses and doubles nothing. What fails is one tenant's failure.
create function webhooks.expand(most_tenants integer, most_events integer)
returns void language plpgsql as $$
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
end $$;

-- Endpoints that somebody keeps locked are waited for only a moment, because the tenants after this one wait meanwhile.
create function webhooks.expand_tenant(tenant uuid, most_events integer)
returns void language plpgsql set lock_timeout = '500ms' as $$
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
end $$;

-- Queues what links still have to tell, then gives out what is due, to be sent by the caller until its lease ends: ids, never what they
-- tell. Endpoints that work come first.
-- However many there are, few have something due: they are found one by one, and never by reading them all.
create or replace function webhooks.claim(most integer, at_once integer, lease interval)
returns table (tenant_id uuid, id uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
#variable_conflict use_column
begin
  perform webhooks.expand(8, 250);
  -- One process claims at a time, so that what is on its way to an endpoint is counted right.
  perform pg_advisory_xact_lock(7160433001);
  return query
  update public.webhook_deliveries d set leased_until = now() + lease
  from (
    select w.tenant_id, w.id
    from (select * from webhooks.open_endpoints(at_once) o order by o.failing, o.due_at limit most) e
    cross join lateral (
      select d.tenant_id, d.id, d.due_at from public.webhook_deliveries d
      where d.tenant_id = e.tenant_id and d.endpoint_id = e.id and d.state = 'pending' and d.due_at <= now()
        and coalesce(d.leased_until, now()) <= now()
      order by d.due_at limit e.free
      -- What somebody is asking for again this moment is left for the next look.
      for update skip locked
    ) w
    order by e.failing, w.due_at limit most
  ) chosen
  where d.tenant_id = chosen.tenant_id and d.id = chosen.id and d.state = 'pending'
  returning d.tenant_id, d.id;
end $$;

-- How long the oldest message has been waiting that could be sent now, in seconds, queued or still to be queued. Not what waits for an
-- endpoint that fails.
create or replace function webhooks.outbox_age(at_once integer)
returns double precision language sql security definer set search_path = pg_catalog, pg_temp
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off
return (
  select coalesce(extract(epoch from now() - least(
    (select min(o.due_at) from webhooks.open_endpoints(at_once) o), (select min(f.recorded_at) from webhooks.first_links() f)
  )), 0)::double precision
);

revoke all on function webhooks.announce(uuid, bigint, text[], uuid[]),
  webhooks.compose(uuid, timestamptz, text, text[], json, jsonb), webhooks.first_links(), webhooks.expand(integer, integer),
  webhooks.expand_tenant(uuid, integer) from public;

-- What the clock lists, it lists in turns: the first of each tenant, then the second of each. One tenant with much that is due fills no
-- list alone.
-- Intents keep their age however often they fail, so what one tenant left must not be read to find what the others did: from tenant to
-- tenant through the index, and of each an equal part.
create or replace function clock.stale_intents(older interval, most integer)
returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  with recursive first (tenant_id, at) as (
    (select i.tenant_id, i.created_at from public.intents i order by i.tenant_id, i.created_at limit 1)
    union all
    select n.tenant_id, n.created_at from first f cross join lateral (
      select i.tenant_id, i.created_at from public.intents i where i.tenant_id > f.tenant_id
      order by i.tenant_id, i.created_at limit 1
    ) n
  ), concerned as materialized (
    select f.tenant_id, f.at from first f where f.at < now() - older order by f.at limit most
  )
  select c.tenant_id, part.id from concerned c cross join lateral (
    select i.id, i.created_at, row_number() over (order by i.created_at) as turn from public.intents i
    where i.tenant_id = c.tenant_id and i.created_at < now() - older
    order by i.created_at limit greatest(1, most / (select count(*) from concerned))
  ) part
  order by part.turn, part.created_at limit most;
end;

create or replace function clock.due_rotations(most integer)
returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select r.tenant_id, r.id from public.rotations r
  where r.state = 'overlap' and r.overlap_until <= now()
    and not exists (select from public.venue_rotations v where v.rotation_id = r.id)
  order by row_number() over (partition by r.tenant_id order by r.overlap_until), r.overlap_until limit most;
end;

create or replace function clock.due_schedules(most integer)
returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select s.tenant_id, s.credential_id from public.rotation_schedules s where s.next_at <= now()
  order by row_number() over (partition by s.tenant_id order by s.next_at), s.next_at limit most;
end;

-- With the parent key and the venue, whose steps are bounded.
drop function clock.due_venue_rotations(integer);
create function clock.due_venue_rotations(most integer)
returns table (tenant_id uuid, id uuid, parent_id uuid, venue text)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select d.tenant_id, d.credential_id, d.parent_id, c.venue from (
    select v.tenant_id, v.credential_id, v.parent_id, v.due_at,
      row_number() over (partition by v.tenant_id order by v.due_at) as turn
    from public.venue_rotations v where v.due_at <= now() order by turn, v.due_at limit most
  ) d
  join public.credentials c on c.tenant_id = d.tenant_id and c.id = d.credential_id
  order by d.turn, d.due_at;
end;

create or replace function clock.credentials_under_retired_keys(most integer)
returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select v.tenant_id, v.credential_id from public.data_keys k
  join public.credential_versions v on v.tenant_id = k.tenant_id and v.data_key_id = k.id
  join public.credentials c on c.id = v.credential_id
  join public.tenants t on t.id = v.tenant_id
  where k.state = 'retired' and v.state = 'current' and c.deleted_at is null and t.status <> 'deleted'
  order by row_number() over (partition by v.tenant_id order by v.credential_id), v.credential_id limit most;
end;

create or replace function clock.deleted_accounts(most integer)
returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select a.tenant_id, a.id from public.accounts a where a.deleted_at is not null
  order by row_number() over (partition by a.tenant_id order by a.deleted_at), a.deleted_at limit most;
end;

-- A lane that one process works in at a time, by a row and not by a lock of a session, so that it holds no connection and works behind
-- a pooler that shares sessions. Answers whether the lane is the caller's now; asked again, it is for another lease. A process that
-- dies leaves a lease that passes.
create function clock.take_lane(lane text, holder uuid, lease interval)
returns boolean language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  with taken as (
    insert into public.clock_lanes as l (lane, holder, leased_until) values (lane, holder, now() + lease)
    on conflict on constraint clock_lanes_pkey do update set holder = excluded.holder, leased_until = excluded.leased_until
    where l.leased_until <= now() or l.holder = excluded.holder
    returning l.lane
  )
  select exists (select from taken);
end;

create function clock.leave_lane(lane text, holder uuid)
returns void language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  delete from public.clock_lanes l where l.lane = leave_lane.lane and l.holder = leave_lane.holder;
end;

revoke all on function clock.due_venue_rotations(integer), clock.take_lane(text, uuid, interval), clock.leave_lane(text, uuid)
  from public;
grant execute on function clock.due_venue_rotations(integer), clock.take_lane(text, uuid, interval), clock.leave_lane(text, uuid)
  to keyhold_app;

reset role;
revoke create on schema audit, webhooks, clock from keyhold_recorder;
