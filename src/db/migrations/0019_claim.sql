-- A sub-select that locks rows runs once for each row that it is joined to when the planner puts it inside a loop, and it then claims more
-- than `most`, and more than `at_once` for one webhook. A materialized expression runs once.
grant create on schema webhooks to keyhold_recorder;
set local role keyhold_recorder;

create or replace function webhooks.claim(most integer, at_once integer, lease interval)
returns table (tenant_id uuid, id uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
#variable_conflict use_column
begin
  perform webhooks.expand(8, 250);
  -- One process claims at a time, so that what is on its way to a webhook is counted right.
  perform pg_advisory_xact_lock(7160433001);
  return query
  with chosen as materialized (
    select w.tenant_id, w.id
    from (select * from webhooks.open_endpoints(at_once) o order by o.failing, o.due_at limit most) e
    cross join lateral (
      select d.tenant_id, d.id, d.due_at from public.webhook_deliveries d
      where d.tenant_id = e.tenant_id and d.endpoint_id = e.id and d.state = 'pending' and d.due_at <= now()
        and coalesce(d.leased_until, now()) <= now()
      order by d.due_at limit e.free
      -- A delivery that is replayed at this moment is left for the next round.
      for update skip locked
    ) w
    order by e.failing, w.due_at limit most
  )
  update public.webhook_deliveries d set leased_until = now() + lease
  from chosen
  where d.tenant_id = chosen.tenant_id and d.id = chosen.id and d.state = 'pending'
  returning d.tenant_id, d.id;
end $$;

reset role;
revoke create on schema webhooks from keyhold_recorder;
