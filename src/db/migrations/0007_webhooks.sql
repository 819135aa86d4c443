-- Webhooks: who is to be told of events, and what came of telling them. A message is queued by the record itself, in the
-- transaction of the change that it tells of. Sending one, and noting what came of it, is the service's own bookkeeping.
create schema webhooks;
grant usage on schema webhooks to keyhold_app, keyhold_recorder;

-- The events that can be told, and which fields of their detail go along. src/webhooks/events.ts has the same table.
create table webhook_events (
  name text primary key,
  fields text[] not null
);
insert into webhook_events values
  ('credential.registered', '{}'),
  ('credential.updated', '{changed}'),
  ('credential.secret_replaced', '{version}'),
  ('credential.invalidated', '{reason}'),
  ('credential.degraded', '{reason}'),
  ('credential.recovered', '{}'),
  ('credential.expiring', '{days,expires_at,estimated}'),
  ('credential.expired', '{}'),
  ('credential.permissions_changed', '{changed}'),
  ('credential.account_changed', '{changed}'),
  ('credential.rotation_started', '{rotation_id,from_version,to_version}'),
  ('credential.rotation_finished', '{rotation_id,from_version,to_version}'),
  ('credential.rotation_rolled_back', '{rotation_id,from_version,to_version}'),
  ('credential.rotation_refused', '{reason}'),
  ('credential.rotation_due', '{every_days}'),
  ('credential.rotation_waiting', '{rotation_id}'),
  ('credential.rotation_failed', '{stage,reason}'),
  ('credential.frozen', '{}'),
  ('credential.unfrozen', '{}'),
  ('credential.revoked', '{}'),
  ('credential.deleted', '{}'),
  ('account.frozen', '{account_id}'),
  ('account.unfrozen', '{account_id}'),
  ('account.deleted', '{account_id}'),
  ('tenant.frozen', '{}'),
  ('tenant.unfrozen', '{}'),
  ('tenant.suspended', '{}'),
  ('tenant.resumed', '{}'),
  ('webhook.disabled', '{endpoint_id,reason}');

create table webhook_endpoints (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id uuid not null,
  url text not null check (char_length(url) between 1 and 2048),
  description text not null default '' check (char_length(description) <= 255),
  -- What it is told; none is everything that can be told.
  events text[] not null default '{}',
  status text not null default 'active' check (status in ('active', 'disabled')),
  disabled_reason text check (disabled_reason in ('member', 'gone', 'failing')),
  -- The secret is derived from the tenant's key and this number. The one before it signs as well until then.
  secret_number integer not null default 1 check (secret_number > 0),
  previous_until timestamptz,
  -- Failures since the last success, since when, and until when nothing is sent because of them.
  failures integer not null default 0,
  failing_since timestamptz,
  paused_until timestamptz,
  -- Marked at once; the row goes a while later, with what was to be told.
  deleted_at timestamptz,
  revision bigint not null default 1,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  check ((status = 'disabled') = (disabled_reason is not null))
);
create index webhook_endpoints_by_age on webhook_endpoints (tenant_id, created_at desc, id desc) where deleted_at is null;
create index webhook_endpoints_deleted on webhook_endpoints (deleted_at) where deleted_at is not null;

-- A message on its way to one endpoint. The message has the same id at every endpoint, at every attempt and when it is replayed.
create table webhook_deliveries (
  tenant_id uuid not null,
  id uuid not null default gen_random_uuid(),
  endpoint_id uuid not null,
  message_id uuid not null,
  event text not null,
  -- The body, byte by byte as it is signed and sent.
  payload text not null,
  state text not null default 'pending' check (state in ('pending', 'delivered', 'dead')),
  -- How often it was sent in all, and since it was queued or replayed: where it stands in the schedule.
  attempts integer not null default 0,
  tries integer not null default 0,
  due_at timestamptz default now(),
  -- Whoever sends it has until then to note what came of it.
  leased_until timestamptz,
  settled_at timestamptz,
  -- Kept so long: 90 days, and 30 once it is delivered.
  forget_at timestamptz not null default now() + interval '90 days',
  created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  primary key (tenant_id, id),
  check ((state = 'pending') = (due_at is not null) and (state = 'pending') = (settled_at is null)),
  foreign key (tenant_id, endpoint_id) references webhook_endpoints (tenant_id, id) on delete cascade
);
create index webhook_deliveries_by_age on webhook_deliveries (tenant_id, created_at desc, id desc);
create index webhook_deliveries_by_state on webhook_deliveries (tenant_id, state, created_at desc, id desc);
create index webhook_deliveries_by_endpoint on webhook_deliveries (tenant_id, endpoint_id, created_at desc, id desc);
create index webhook_deliveries_waiting on webhook_deliveries (tenant_id, endpoint_id, due_at) where state = 'pending';
create index webhook_deliveries_leased on webhook_deliveries (tenant_id, endpoint_id) where leased_until is not null;
create index webhook_deliveries_by_end on webhook_deliveries (forget_at);

-- What came of each attempt, in words of our own: nothing of what the receiver answered but its status is kept.
create table webhook_attempts (
  tenant_id uuid not null,
  delivery_id uuid not null,
  number integer not null check (number > 0),
  at timestamptz not null default clock_timestamp(),
  outcome text not null,
  status integer,
  milliseconds integer not null,
  primary key (tenant_id, delivery_id, number),
  foreign key (tenant_id, delivery_id) references webhook_deliveries (tenant_id, id) on delete cascade
);

do $$
declare one text;
begin
  foreach one in array '{webhook_endpoints,webhook_deliveries,webhook_attempts}'::text[] loop
    execute format('alter table %I enable row level security', one);
    execute format('alter table %I force row level security', one);
    execute format('grant select, insert, update, delete on %I to keyhold_app', one);
    -- What a tenant is told concerns all of its members, so it is read and written by those who reach all of them.
    execute format($p$create policy tenant_reads on %I for select to keyhold_app
      using (tenant_id = scope.tenant() and scope.reach() in ('tenant-read', 'tenant-write'))$p$, one);
    execute format($p$create policy tenant_writes on %I for all to keyhold_app
      using (tenant_id = scope.tenant() and scope.reach() = 'tenant-write')
      with check (tenant_id = scope.tenant() and scope.reach() = 'tenant-write')$p$, one);
  end loop;
  foreach one in array '{webhook_endpoints,webhook_deliveries}'::text[] loop
    execute format('create policy recorder on %I for all to keyhold_recorder using (true) with check (true)', one);
  end loop;
end $$;
grant select on webhook_events to keyhold_recorder;
grant select, delete on webhook_endpoints to keyhold_recorder;
grant select, insert, delete on webhook_deliveries to keyhold_recorder;
grant update (leased_until) on webhook_deliveries to keyhold_recorder;

grant create on schema webhooks to keyhold_recorder;

-- The body of a message: its kind, when it happened, and which things it is about; whoever wants to know more asks the API.
create function webhooks.compose(tenant uuid, moment timestamptz, event text, fields text[], detail json)
returns text language sql stable as $$
  select '{"type":' || to_json(event)::text || ',"timestamp":' || to_json(audit.stamp(moment))::text || ',"data":{'
    || string_agg(to_json(told.name)::text || ':' || coalesce(told.value, 'null')::text, ',' order by told.place) || '}}'
  from (
    select 0, 'tenant_id', to_json(tenant)
    union all
    select f.place, f.name, f.value
    from (select (detail->>'credential_id')::uuid as id) about
    left join public.credentials c on c.tenant_id = tenant and c.id = about.id
    cross join lateral (values
      (1, 'credential_id', to_json(about.id)), (2, 'venue', to_json(c.venue)), (3, 'environment', to_json(c.environment))
    ) f (place, name, value)
    where about.id is not null
    union all
    select 3 + f.place, f.name, detail->f.name from unnest(fields) with ordinality f (name, place)
  ) told (place, name, value)
$$;

-- Queues what the endpoints of a tenant want to be told, in the transaction in which it happens. Called by audit.record, so that
-- no change can forget it, and nothing is told of a change that was undone.
create function webhooks.queue(tenant uuid, moment timestamptz, names text[], details text[])
returns void language plpgsql as $$
begin
  if not exists (select from public.webhook_endpoints e
      where e.tenant_id = tenant and e.status = 'active' and e.deleted_at is null) then
    return;
  end if;
  with messages as materialized (
    select h.place, h.event, gen_random_uuid() as id,
      webhooks.compose(tenant, moment, h.event, w.fields, h.detail::json) as payload
    from unnest(names, details) with ordinality h (event, detail, place)
    join public.webhook_events w on w.name = h.event
  )
  insert into public.webhook_deliveries (tenant_id, endpoint_id, message_id, event, payload)
  select tenant, e.id, m.id, m.event, m.payload
  from messages m join public.webhook_endpoints e
    on e.tenant_id = tenant and e.status = 'active' and e.deleted_at is null and (e.events = '{}' or m.event = any (e.events))
  order by m.place;
end $$;

-- The endpoints that something is due for and that may be sent to now: since when, and how much each may be sent beside what is on
-- its way to it. One that was left alone for a while, because it kept failing, is tried with a single message.
create function webhooks.open_endpoints(at_once integer)
returns table (tenant_id uuid, id uuid, failing boolean, due_at timestamptz, free bigint) language sql stable as $$
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
$$;

-- Gives out what is due, to be sent by the caller until its lease ends: ids, never what they tell. Endpoints that work come first.
-- However many there are, few have something due: they are found one by one, and never by reading them all.
create function webhooks.claim(most integer, at_once integer, lease interval)
returns table (tenant_id uuid, id uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
#variable_conflict use_column
begin
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

-- How long the oldest message has been waiting that could be sent now, in seconds. Not what waits for an endpoint that fails.
create function webhooks.outbox_age(at_once integer)
returns double precision language sql security definer set search_path = pg_catalog, pg_temp
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off
return (
  select coalesce(extract(epoch from now() - min(o.due_at)), 0)::double precision from webhooks.open_endpoints(at_once) o
);

-- Removes what has been kept long enough, and endpoints that were deleted a minute ago with all that was for them. Answers how
-- many of both there were.
create function webhooks.forget(most integer)
returns bigint language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  with endpoints as (
    delete from public.webhook_endpoints e where e.deleted_at < now() - interval '1 minute' returning e.id
  ), deliveries as (
    delete from public.webhook_deliveries d using (
      select o.tenant_id, o.id from public.webhook_deliveries o where o.forget_at < now() order by o.forget_at limit most
    ) old
    where d.tenant_id = old.tenant_id and d.id = old.id returning d.id
  )
  select (select count(*) from endpoints) + (select count(*) from deliveries);
end;

do $$
declare one record;
begin
  for one in
    select p.oid::regprocedure as signature, p.prosecdef as asked from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'webhooks'
  loop
    execute format('revoke all on function %s from public', one.signature);
    if one.asked then
      execute format('grant execute on function %s to keyhold_app', one.signature);
    end if;
    execute format('alter function %s owner to keyhold_recorder', one.signature);
  end loop;
end $$;
revoke create on schema webhooks from keyhold_recorder;
