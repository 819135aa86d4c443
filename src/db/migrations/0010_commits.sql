-- One tenant's slow change holds up no other tenant.
grant create on schema audit to keyhold_recorder;
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

reset role;
revoke create on schema audit from keyhold_recorder;
