-- An index of the record's events, so that a search reads a range of an index and parses nothing. A job fills it from links that are
-- committed: the commit itself writes no more than before. It can be dropped and filled again at any time.

-- What a search can ask of an event. The text of the event stays in its link.
create table audit.indexed_events (
  tenant_id uuid not null,
  seq bigint not null,
  link bigint not null,
  recorded_at timestamptz not null,
  event text not null,
  -- A member by its id, an operator by its subject, the service by its task.
  actor text not null,
  issuer text,
  api_key_id uuid,
  credential_id uuid,
  outcome text not null,
  -- No index has the tenant and the number alone: the planner could prefer it to the index of the filter, and read the whole record.
  primary key (tenant_id, event, seq)
);
create index indexed_events_by_actor on audit.indexed_events (tenant_id, actor, seq);
create index indexed_events_by_outcome on audit.indexed_events (tenant_id, outcome, seq);
create index indexed_events_by_issuer on audit.indexed_events (tenant_id, issuer, seq) where issuer is not null;
create index indexed_events_by_api_key on audit.indexed_events (tenant_id, api_key_id, seq) where api_key_id is not null;
create index indexed_events_by_credential on audit.indexed_events (tenant_id, credential_id, seq) where credential_id is not null;

-- How far the index goes: the last link that it holds as a whole, and the last event. A large link can be indexed in portions.
create table audit.index_heads (
  tenant_id uuid primary key,
  link bigint not null,
  seq bigint not null
);

do $$
declare one text;
begin
  foreach one in array '{indexed_events,index_heads}'::text[] loop
    execute format('alter table audit.%I enable row level security', one);
    execute format('alter table audit.%I force row level security', one);
    execute format('create policy recorder_reads on audit.%I for select to keyhold_recorder using (true)', one);
    execute format('create policy recorder_inserts on audit.%I for insert to keyhold_recorder with check (true)', one);
    -- The index of a tenant that was erased serves nobody.
    execute format($p$create policy recorder_forgets on audit.%I for delete to keyhold_recorder
      using (not exists (select from public.tenants t where t.id = tenant_id))$p$, one);
    execute format($p$create policy readers on audit.%I for select to keyhold_app
      using (tenant_id = scope.tenant() and scope.reach() in ('tenant-read', 'tenant-write'))$p$, one);
    execute format('grant select on audit.%I to keyhold_app', one);
    execute format('grant select, insert, delete on audit.%I to keyhold_recorder', one);
  end loop;
end $$;
create policy recorder_moves on audit.index_heads for update to keyhold_recorder using (true) with check (true);
grant update on audit.index_heads to keyhold_recorder;

grant create on schema audit to keyhold_recorder;

-- What can be asked of one line of a link. A line that is not an event in JSON has no facts; it spoils neither the index nor a
-- search, and `keyhold audit verify` shows it. Texts are cut where an index entry could become too long.
create function audit.facts_of(line text)
returns table (event text, actor text, issuer text, api_key_id uuid, credential_id uuid, outcome text, detail jsonb)
language sql stable parallel safe
begin atomic
  select left(p.body->>'event', 255),
    left(coalesce(p.actor->>'member_id', p.actor->>'subject', p.actor->>'task', ''), 255), left(p.actor->>'issuer', 255),
    case when pg_input_is_valid(p.actor->>'api_key_id', 'uuid') then (p.actor->>'api_key_id')::uuid end,
    case when pg_input_is_valid(p.detail->>'credential_id', 'uuid') then (p.detail->>'credential_id')::uuid end,
    left(coalesce(p.body->>'outcome', ''), 255), p.detail
  from (
    select b.body, b.body->'detail' as detail, b.body->'detail'->'actor' as actor
    -- Parsed once: without `offset 0` the planner would write the expression into each column.
    from (select case when pg_input_is_valid(line, 'jsonb') then line::jsonb end as body offset 0) b
  ) p
  where p.body->>'event' is not null and jsonb_typeof(p.detail) = 'object';
end;

-- Which tenants have something to be indexed, or an index to be forgotten: tenants in order, beginning after one of them.
create function audit.index_due(after uuid, most integer)
returns table (tenant_id uuid, due boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off
begin atomic
  select h.tenant_id,
    case when t.id is null then i.tenant_id is not null else h.link > coalesce(i.link, 0) end
  from audit.heads h
  left join audit.index_heads i on i.tenant_id = h.tenant_id
  left join public.tenants t on t.id = h.tenant_id
  where h.tenant_id > after order by h.tenant_id limit most;
end;

-- Brings the index of one tenant forward by `most` events at most, in one transaction, and answers by how many. 0: nothing was left,
-- or another process is at it. Of a tenant that was erased it removes as many entries instead.
create function audit.index_events(tenant uuid, most integer)
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
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
end $$;

create function audit.forget_index(tenant uuid, most integer)
returns bigint language plpgsql as $$
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
end $$;

-- The service asks for work, has it done, and reads facts; it does not call the part that forgets.
revoke all on function audit.facts_of(text), audit.index_due(uuid, integer), audit.index_events(uuid, integer),
  audit.forget_index(uuid, integer) from public;
grant execute on function audit.facts_of(text), audit.index_due(uuid, integer), audit.index_events(uuid, integer) to keyhold_app;
alter function audit.facts_of(text) owner to keyhold_recorder;
alter function audit.index_due(uuid, integer) owner to keyhold_recorder;
alter function audit.index_events(uuid, integer) owner to keyhold_recorder;
alter function audit.forget_index(uuid, integer) owner to keyhold_recorder;
revoke create on schema audit from keyhold_recorder;
