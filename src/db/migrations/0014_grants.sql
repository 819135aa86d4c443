-- What rights rest on is bound to a key that is not in the database. The rows of five tables give rights: tenants, accounts, members,
-- api_keys and credentials. Each has a MAC over its grant, one text of all that is judged when a secret is opened. The service makes the
-- MACs in the transaction of the change, and verifies them before it lets a member act and before it opens a secret.
create schema grants;
grant usage on schema grants to keyhold_app, keyhold_recorder;

do $$
declare one text;
begin
  foreach one in array '{tenants,accounts,members,api_keys,credentials}'::text[] loop
    -- How often the grant was signed, and the last MAC; null until it is signed.
    execute format('alter table %I add grant_number bigint not null default 1, add grant_mac bytea check (octet_length(grant_mac) = 32)', one);
    execute format('grant update (grant_number, grant_mac) on %I to keyhold_recorder', one);
    if one <> 'credentials' then
      execute format('create policy recorder_signs on %I for update to keyhold_recorder using (true) with check (true)', one);
    end if;
  end loop;
end $$;
-- Which versions of its secret may be opened: the current one, and a retired one for as long as it is kept.
alter table credentials add openable text[] not null default '{}';
grant update (openable) on credentials to keyhold_recorder;
alter table credentials no force row level security;
alter table credential_versions no force row level security;
update credentials c set openable = array(select v.version || ' ' || v.state || ' ' || v.store from credential_versions v
  where v.credential_id = c.id and v.state <> 'destroyed' order by v.version);
alter table credentials force row level security;
alter table credential_versions force row level security;
-- Of a version before this one, until the service has signed what it finds.
create index tenants_unsigned on tenants (id) where grant_mac is null;

-- What the running transaction has changed and not signed yet: the grant before the change, with its MAC. Both are null for a new row.
-- No row stays when the transaction ends.
create table grants.unsigned (
  tenant_id uuid not null,
  kind text not null check (kind in ('tenants', 'accounts', 'members', 'api_keys', 'credentials')),
  id uuid not null,
  was_text text,
  was_mac bytea,
  primary key (tenant_id, kind, id)
);
alter table grants.unsigned enable row level security;
alter table grants.unsigned force row level security;
create policy recorder on grants.unsigned for all to keyhold_recorder using (true) with check (true);
grant select, insert, update, delete on grants.unsigned to keyhold_recorder;
create policy recorder on freezes for select to keyhold_recorder using (true);
grant select on freezes to keyhold_recorder;

grant create on schema grants, audit, access, clock to keyhold_recorder;
set local role keyhold_recorder;

-- The grants: arrays of JSON whose order never changes, because old MACs cover them. A grant begins with kind, number, tenant and id.
-- Of what is frozen they name the freezes, so that none is lifted by taking its row away.
create function grants.freezes(tenant uuid, account uuid, credential uuid) returns text[] language sql stable parallel safe
return array(select f.id || ' ' || f.rank from public.freezes f
  where f.tenant_id = tenant and f.account_id is not distinct from account and f.credential_id is not distinct from credential
  order by f.id);

create function grants.text(t public.tenants) returns text language sql stable parallel safe
return json_build_array('tenants', t.grant_number, t.id, t.id, t.status,
  case when t.frozen_at is not null then grants.freezes(t.id, null, null) end)::text;

create function grants.text(a public.accounts) returns text language sql stable parallel safe
return json_build_array('accounts', a.grant_number, a.tenant_id, a.id, a.owner_id, a.active, a.switched_off_rank, a.deleted_at is not null,
  case when a.frozen_at is not null then grants.freezes(a.tenant_id, a.id, null) end)::text;

create function grants.text(m public.members) returns text language sql stable parallel safe
return json_build_array('members', m.grant_number, m.tenant_id, m.id, m.issuer, m.subject, m.role, m.status, m.suspended_rank)::text;

create function grants.text(k public.api_keys) returns text language sql stable parallel safe
return json_build_array('api_keys', k.grant_number, k.tenant_id, k.id, k.member_id, encode(k.hash, 'hex'), k.scopes, k.agent,
  audit.stamp(k.expires_at), k.revoked_at is not null, k.makers, k.credentials, k.accounts, k.networks::text[])::text;

create function grants.text(c public.credentials) returns text language sql stable parallel safe
return json_build_array('credentials', c.grant_number, c.tenant_id, c.id, c.owner_id, c.account_id, c.venue, c.environment, c.store,
  c.status, c.switched_off_rank, c.allow, c.reveal, audit.stamp(c.expires_at),
  case when c.frozen_at is not null then grants.freezes(c.tenant_id, null, c.id) end, c.deleted_at is not null, c.revision, c.version,
  c.openable)::text;

-- A grant as the service verifies it: its MAC in hexadecimal digits, a space, its text.
create function grants.line(mac bytea, grant_text text) returns text language sql immutable parallel safe
return coalesce(encode(mac, 'hex'), '') || ' ' || grant_text;

-- The keys by which an API key was made: it lives as long as they do.
create function grants.of_makers(makers uuid[]) returns text language sql stable parallel safe
return (select string_agg(grants.line(k.grant_mac, grants.text(k)), E'\n' order by k.id) from public.api_keys k where k.id = any (of_makers.makers));

-- The grant of a row as it is now; nothing for a row that is gone.
create function grants.find(kind text, id uuid)
returns table (grant_text text, mac bytea) language sql stable
begin atomic
  select grants.text(r), r.grant_mac from public.tenants r where find.kind = 'tenants' and r.id = find.id
  union all select grants.text(r), r.grant_mac from public.accounts r where find.kind = 'accounts' and r.id = find.id
  union all select grants.text(r), r.grant_mac from public.members r where find.kind = 'members' and r.id = find.id
  union all select grants.text(r), r.grant_mac from public.api_keys r where find.kind = 'api_keys' and r.id = find.id
  union all select grants.text(r), r.grant_mac from public.credentials r where find.kind = 'credentials' and r.id = find.id;
end;

-- Notes that the grant of a row is to be signed, with what it was before this transaction, and takes the MAC off.
create function grants.note() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- The versions of a credential that may be opened are part of its grant.
create function grants.note_version() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  credential uuid := case when tg_op = 'DELETE' then old.credential_id else new.credential_id end;
begin
  update public.credentials c set openable = array(
    select v.version || ' ' || v.state || ' ' || v.store from public.credential_versions v
    where v.credential_id = credential and v.state <> 'destroyed' order by v.version)
  where c.id = credential;
  return null;
end $$;

-- So are the freezes of what is frozen. One that is noted while its subject is changed belongs to that change.
create function grants.note_freeze() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;

-- At the commit. The record does not name a tenant of a version before this one until the service has signed all that it has; until then
-- processes of that version may go on.
create function grants.refuse_unsigned() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off as $$
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
end $$;

-- Signs what the running transaction has changed. A MAC that is wrong opens nothing.
create function grants.sign(tenant uuid, kinds text[], ids uuid[], macs bytea[]) returns void language plpgsql as $$
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
end $$;

-- A link that signs grants names them at the beginning of its first event: "id:number". The event is hashed, the index is derived
-- from it.
create function audit.names_grants(events text) returns boolean language sql immutable parallel safe
return substr(events, 37, 20) = '"detail":{"grants":[';

create function audit.grant_ids(events text) returns uuid[] language sql immutable parallel safe
return array(select substr(r[1], 1, 36)::uuid from regexp_matches(split_part(events, ']', 1), '"([0-9a-f-]{36}):[0-9]+"', 'g') r);

-- The highest number that the record, up to a link, gives the grant of each of these rows.
create function audit.grant_numbers(tenant uuid, ids uuid[], until bigint)
returns table (id uuid, number bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off
begin atomic
  select one.id, n.number from unnest(grant_numbers.ids) one (id)
  cross join lateral (
    -- Of a link that names it the first place where the id stands is there. No other index is to be taken than that of the names.
    select max(split_part(substr(l.events, strpos(l.events, one.id || ':') + 37, 20), '"', 1)::bigint) as number
    from audit.links l
    where audit.names_grants(l.events) and audit.grant_ids(l.events) @> array[one.id]
      and l.tenant_id::text = tenant::text and l.link + 0 <= until
  ) n
  where n.number is not null;
end;

-- An event as in 0005_audit.sql; none where its name or outcome is not in words of Keyhold's or its detail is no object.
create or replace function audit.compose(stamp text, detail text, event text, outcome text, seq bigint)
returns text language sql immutable parallel safe
return case when event ~ '^[a-z_]+[.][a-z_]+$' and outcome ~ '^[a-z0-9_]+$' and detail is json object
  then '{"at":"' || stamp || '","detail":' || detail || ',"event":"' || event || '","outcome":"' || outcome || '","seq":' || seq::text || '}'
end;

-- As many lines as there are events: none is missing because it could not be read again, and none is broken in two.
create function audit.is_readable(events text, event_count integer) returns boolean language sql immutable parallel safe
return octet_length(events) - octet_length(replace(events, E'\n', '')) = event_count - 1 and strpos(events, E'\r') = 0;

-- Appends the events of a change as audit.record does, unless the transaction has changed rights that are not signed yet. Then it
-- appends nothing and answers them: what is to be signed, what it was, the highest number in the record, and, for what had no MAC, whether
-- the record names the grant of the tenant itself. Called once more with the MACs, it signs and appends.
create function audit.conclude(tenant uuid, kinds text[], ids uuid[], macs bytea[], events text[], outcomes text[], details text[],
  credentials uuid[])
returns table (kind text, id uuid, grant_text text, was_text text, was_mac bytea, recorded bigint, adopted boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' set enable_seqscan = off as $$
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
end $$;

-- Tenants of a version before this one, whose rights are to be signed. One that the record names has been signed, and has no MAC any more
-- because somebody has taken it off.
create function grants.unsigned_tenants(after uuid, most integer) returns table (tenant_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select t.id from public.tenants t
  where t.grant_mac is null and t.status <> 'deleted' and t.id > after
    and not exists (select from audit.grant_numbers(t.id, array[t.id], 9223372036854775807))
  order by t.id limit most;
end;

-- Brings rows without a MAC into the running transaction, to be signed by it: the tenant's own row last, which ends its being of a version
-- before this one. Answers how many. Which of them may be signed the service decides by the record.
create function grants.gather_unsigned(tenant uuid, most integer) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
end $$;

drop function audit.append(uuid[], uuid[], text[], boolean[], uuid[], uuid[], bigint[], integer[], text[], text[], text[], integer,
  inet[], text[], text[]);
-- As in 0011_rights.sql; with a row that opens a secret it answers the grants that it judged, a line each, and the link that records it.
create function audit.append(
  tenants uuid[], members uuid[], roles text[], own boolean[], api_keys uuid[], credentials uuid[], revisions bigint[],
  versions integer[], needs text[], events text[], details text[], patience integer default 2000, addresses inet[] default '{}',
  reached_credentials text[] default '{}', reached_accounts text[] default '{}')
returns table (place bigint, outcome text, revision bigint, version integer, venue text, environment text, store text,
  owner_id uuid, sealed bytea, link bigint, grants text)
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
end $$;

drop function access.member(uuid, text, text);
-- A token's (tenant, issuer, subject) → the membership, with the grants that it rests on and the end of the record at that moment.
create function access.member(tenant uuid, issuer text, subject text)
returns table (id uuid, role text, status text, tenant_status text, limits jsonb, link bigint, grants text)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select m.id, m.role, m.status, t.status, t.limits, h.link,
    grants.line(t.grant_mac, grants.text(t)) || E'\n' || grants.line(m.grant_mac, grants.text(m))
  from public.members m
  join public.tenants t on t.id = m.tenant_id
  join audit.heads h on h.tenant_id = m.tenant_id
  where m.tenant_id = tenant and m.issuer = member.issuer and m.subject = member.subject;
end;

drop function access.api_key(bytea);
-- The hash of an API key → whose it is, and what it is narrowed to, with the same.
create function access.api_key(hash bytea)
returns table (id uuid, tenant_id uuid, member_id uuid, scopes text[], agent boolean, active boolean, role text, status text,
  tenant_status text, limits jsonb, makers uuid[], credentials uuid[], accounts uuid[], networks text[], link bigint, grants text)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select k.id, k.tenant_id, k.member_id, k.scopes, k.agent,
    k.revoked_at is null and k.expires_at > now() and access.keys_live(k.makers, now()), m.role, m.status, t.status, t.limits,
    k.makers, k.credentials, k.accounts, k.networks::text[], h.link,
    concat_ws(E'\n', grants.line(t.grant_mac, grants.text(t)), grants.line(m.grant_mac, grants.text(m)),
      grants.line(k.grant_mac, grants.text(k)), grants.of_makers(k.makers))
  from public.api_keys k
  join public.members m on m.tenant_id = k.tenant_id and m.id = k.member_id
  join public.tenants t on t.id = k.tenant_id
  join audit.heads h on h.tenant_id = k.tenant_id
  where k.hash = api_key.hash;
end;

-- Has a tenant members? For the operator, who sees none and adds the first.
create function access.has_members(tenant uuid) returns boolean language sql stable security definer
set search_path = pg_catalog, pg_temp
return exists (select from public.members m where m.tenant_id = tenant);

-- When keys have changed: the key-encryption key that the database is sealed with from now on. Every data key is wrapped by it already.
create function clock.remember_kek(kek text) returns void language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
begin
  if exists (select from public.data_keys k where k.kek_id <> kek) then
    raise exception 'data keys are wrapped by another key' using errcode = 'object_not_in_prerequisite_state';
  end if;
  update public.installation i set kek_id = kek where i.singleton;
end $$;

reset role;

grant select (singleton), update (kek_id) on installation to keyhold_recorder;
revoke update on installation from keyhold_app;

drop policy platform_adds_owner on members;
create policy platform_adds_owner on members for insert to keyhold_app
  with check (scope.reach() = 'platform' and role = 'owner' and not access.has_members(tenant_id));
-- Its rights are signed when it is made.
create policy platform_adds_mac_key on data_keys for insert to keyhold_app
  with check (scope.reach() = 'platform' and use = 'mac' and not access.has_members(tenant_id));

create trigger signed_rights after insert on tenants for each row execute function grants.note();
create trigger signed_rights after insert on accounts for each row execute function grants.note();
create trigger signed_rights after insert on members for each row execute function grants.note();
create trigger signed_rights after insert on api_keys for each row execute function grants.note();
create trigger signed_rights after insert on credentials for each row execute function grants.note();

-- A grant is signed anew when something of it changes, and when its number is raised for something beside its row.
create trigger changed_rights before update on tenants for each row
  when ((old.id, old.status, old.frozen_at is null, old.grant_number)
    is distinct from (new.id, new.status, new.frozen_at is null, new.grant_number))
  execute function grants.note();
create trigger changed_rights before update on accounts for each row
  when ((old.tenant_id, old.id, old.owner_id, old.active, old.switched_off_rank, old.frozen_at is null, old.deleted_at is null, old.grant_number)
    is distinct from (new.tenant_id, new.id, new.owner_id, new.active, new.switched_off_rank, new.frozen_at is null,
      new.deleted_at is null, new.grant_number))
  execute function grants.note();
create trigger changed_rights before update on members for each row
  when ((old.tenant_id, old.id, old.issuer, old.subject, old.role, old.status, old.suspended_rank, old.grant_number)
    is distinct from (new.tenant_id, new.id, new.issuer, new.subject, new.role, new.status, new.suspended_rank, new.grant_number))
  execute function grants.note();
create trigger changed_rights before update on api_keys for each row
  when ((old.tenant_id, old.id, old.member_id, old.hash, old.scopes, old.agent, old.expires_at, old.revoked_at is null, old.makers,
      old.credentials, old.accounts, old.networks, old.grant_number)
    is distinct from (new.tenant_id, new.id, new.member_id, new.hash, new.scopes, new.agent, new.expires_at, new.revoked_at is null,
      new.makers, new.credentials, new.accounts, new.networks, new.grant_number))
  execute function grants.note();
create trigger changed_rights before update on credentials for each row
  when ((old.tenant_id, old.id, old.owner_id, old.account_id, old.venue, old.environment, old.store, old.status, old.switched_off_rank, old.allow, old.reveal,
      old.owner_expires_at, old.venue_expires_at, old.frozen_at is null, old.deleted_at is null, old.revision, old.version,
      old.openable, old.grant_number)
    is distinct from (new.tenant_id, new.id, new.owner_id, new.account_id, new.venue, new.environment, new.store, new.status, new.switched_off_rank, new.allow,
      new.reveal, new.owner_expires_at, new.venue_expires_at, new.frozen_at is null, new.deleted_at is null, new.revision, new.version,
      new.openable, new.grant_number))
  execute function grants.note();
create trigger changed_rights after insert or delete on credential_versions for each row execute function grants.note_version();
create trigger changed_rights_of after update on credential_versions for each row
  when ((old.credential_id, old.version, old.store, old.state) is distinct from (new.credential_id, new.version, new.store, new.state))
  execute function grants.note_version();
create trigger changed_rights before insert or update or delete on freezes for each row execute function grants.note_freeze();
create constraint trigger signed after insert or update on grants.unsigned deferrable initially deferred for each row
  execute function grants.refuse_unsigned();

alter table audit.links add constraint readable check (audit.is_readable(events, event_count)) not valid;
create index links_by_grant on audit.links using gin (audit.grant_ids(events)) with (fastupdate = off) where audit.names_grants(events);

do $$
declare one record;
begin
  set local role keyhold_recorder;
  for one in
    select p.oid::regprocedure as signature, n.nspname as folder, p.proname as name, p.prosecdef and p.prorettype <> 'trigger'::regtype as asked
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'grants' or (n.nspname, p.proname) in (('audit', 'append'), ('audit', 'conclude'),
      ('audit', 'grant_numbers'), ('access', 'member'), ('access', 'api_key'), ('access', 'has_members'), ('clock', 'remember_kek'))
  loop
    execute format('revoke all on function %s from public', one.signature);
    if one.asked then execute format('grant execute on function %s to keyhold_app', one.signature); end if;
  end loop;
  reset role;
end $$;
revoke create on schema grants, audit, access, clock from keyhold_recorder;
