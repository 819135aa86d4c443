-- The record. Written by two functions alone, which belong to a role that nobody logs in as and that has policies of its own.
create schema audit;
grant usage on schema audit to keyhold_app, keyhold_recorder;

-- Where each tenant's chain ends. Locking this row orders all writers of one tenant.
create table audit.heads (
  tenant_id uuid primary key,
  link bigint not null,
  seq bigint not null,
  hash bytea not null
);

-- One link holds the events of one commit. `events` is the text that is hashed and exported, one JSON object a line.
-- No foreign keys: the record outlives what it tells of.
create table audit.links (
  tenant_id uuid not null,
  link bigint not null,
  first_seq bigint not null,
  event_count integer not null,
  recorded_at timestamptz not null,
  previous_hash bytea not null,
  hash bytea not null,
  events text not null,
  credential_ids uuid[] not null,
  primary key (tenant_id, link)
);
create index links_by_time on audit.links (tenant_id, recorded_at);
create index links_by_credential on audit.links using gin (credential_ids);

do $$
declare one text;
begin
  foreach one in array '{heads,links}'::text[] loop
    execute format('alter table audit.%I enable row level security', one);
    execute format('alter table audit.%I force row level security', one);
    execute format('create policy recorder on audit.%I for all to keyhold_recorder using (true) with check (true)', one);
    execute format($p$create policy readers on audit.%I for select to keyhold_app
      using (tenant_id = scope.tenant() and scope.reach() in ('tenant-read', 'tenant-write'))$p$, one);
    execute format('grant select on audit.%I to keyhold_app', one);
    execute format('grant select, insert on audit.%I to keyhold_recorder', one);
  end loop;
  -- Where a chain ends moves; what is recorded is never written again.
  grant update on audit.heads to keyhold_recorder;
  -- What the recorder must see to judge a use.
  foreach one in array '{tenants,members,accounts,credentials,health_checks,rotations,rotation_schedules,venue_rotations,sealed_secrets,credential_versions,api_keys,intents}'::text[] loop
    execute format('create policy recorder on %I for select to keyhold_recorder using (true)', one);
    execute format('grant select on %I to keyhold_recorder', one);
  end loop;
  -- It leases checks, and writes nothing else of a credential.
  create policy recorder_leases on credentials for update to keyhold_recorder using (true) with check (true);
  grant update (check_leased_until) on credentials to keyhold_recorder;
  -- Of data keys everything but the keys.
  -- What has been kept long enough can be forgotten, and nothing else.
  create policy recorder on invocations for select to keyhold_recorder using (true);
  create policy recorder_forgets on invocations for delete to keyhold_recorder
    using (state in ('done', 'refused') and updated_at < now() - interval '90 days');
  create policy recorder_forgets on health_checks for delete to keyhold_recorder
    using (checked_at < now() - interval '90 days');
  grant select, delete on invocations to keyhold_recorder;
  grant delete on health_checks to keyhold_recorder;
  create policy recorder on data_keys for select to keyhold_recorder using (true);
  grant select (tenant_id, id, use, kek_id, state, operations, created_at, retired_at) on data_keys to keyhold_recorder;
end $$;

-- Every tenant has a chain from its first moment.
create function audit.begin_chain() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into audit.heads (tenant_id, link, seq, hash)
  values (new.id, 0, 0, sha256(convert_to('keyhold audit chain v1 ' || new.id, 'UTF8')));
  return new;
end $$;
create trigger begin_chain after insert on public.tenants for each row execute function audit.begin_chain();

-- The time of an event, in microseconds, as text.
create function audit.stamp(moment timestamptz) returns text language sql stable parallel safe
return to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');

-- An event as it is hashed, exported and never parsed again for a hash: one line of JSON. Only text is joined to text, so that
-- the planner can inline it.
create function audit.compose(stamp text, detail text, event text, outcome text, seq bigint)
returns text language sql immutable parallel safe
return '{"at":"' || stamp || '","detail":' || detail || ',"event":"' || event || '","outcome":"' || outcome
  || '","seq":' || seq::text || '}';

create function audit.link_hash(tenant uuid, link bigint, previous bytea, events text)
returns bytea language sql stable parallel safe
return sha256(convert_to(tenant::text || E'\n' || link::text || E'\n' || encode(previous, 'hex') || E'\n' || events, 'UTF8'));

-- Appends the events of a change, in the transaction of the change, as its last statement: it holds the chain until the commit.
-- Whoever waits for a chain, here or below, gives up after two seconds: without a record nothing happens.
-- A platform transaction names the tenant; any other speaks for its own alone.
create function audit.record(tenant uuid, events text[], outcomes text[], details text[], credentials uuid[])
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
  perform webhooks.queue(tenant, moment, events, details);
  return head.seq + cardinality(events);
end $$;

-- The group commit before disclosure. One row is one request to open a secret. Locks the chains in the order of their tenants,
-- then judges each row on what is committed now, appends one link per tenant, and answers row by row, with the sealed bytes
-- where they rest in this database. A refused row is recorded as `credential.refused` and answered with its reason.
--
-- need: read | trade | transfer | withdraw | reveal (the credential's policy must allow it), use (a scope of service code),
-- validate (opens what is pending, invalid or expired, so that the venue can be asked), activate (what is switched off, too),
-- reseal (whatever is not revoked, for the service alone: keys and stores change for what is frozen as for everything else).
--
-- versions: the one that is opened, where that is not the one in force. details: objects without the brace that closes them, because
-- the version is added here, and cutting the brace off a text of several bytes a character costs ten times as much as adding it.
--
-- What a row speaks of is found by its key, row by row: a plan of few nodes, because at a low rate most groups hold one or two
-- rows and the start of the plan is most of their cost. Joining by hash takes a quarter more for one row, a sixth more for
-- sixteen, and saves a little only beyond sixty of one tenant. Planning anew for each group costs more than the group itself,
-- and the planner, who cannot know how many rows there are, is not left to choose.
create function audit.append(
  tenants uuid[], members uuid[], roles text[], own boolean[], api_keys uuid[], credentials uuid[], revisions bigint[],
  versions integer[], needs text[], events text[], details text[])
returns table (place bigint, outcome text, revision bigint, version integer, venue text, environment text, store text,
  owner_id uuid, sealed bytea)
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s'
set plan_cache_mode = force_generic_plan set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
#variable_conflict use_column
declare
  moment timestamptz;
  stamp text;
begin
  perform from audit.heads h where h.tenant_id = any (tenants) order by h.tenant_id for update;
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
