-- The answer to a request under an Idempotency-Key is kept in the transaction of its change, whatever that transaction reaches.
grant create on schema access to keyhold_recorder;
create policy recorder_reads on idempotency_keys for select to keyhold_recorder using (true);
create policy recorder_keeps on idempotency_keys for update to keyhold_recorder using (true) with check (true);
grant select, update (state, status, body) on idempotency_keys to keyhold_recorder;

set local role keyhold_recorder;

-- Keeps the answer of the run that took the key at that moment. Not true when another run has the key by now, or the key is known no
-- more: then the change that was answered must not commit. The operator's keys lie under an id that no tenant has.
create function access.keep_answer(tenant uuid, principal text, route text, key text, since timestamptz, status integer, body jsonb)
returns boolean language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
  update public.idempotency_keys k set state = 'done', status = keep_answer.status, body = keep_answer.body
  where k.tenant_id = keep_answer.tenant and k.principal = keep_answer.principal and k.route = keep_answer.route
    and k.key = keep_answer.key and k.state = 'running' and k.created_at = keep_answer.since
    and case scope.reach() when 'platform' then keep_answer.tenant = '00000000-0000-0000-0000-000000000000'
      else keep_answer.tenant = scope.tenant() end
  returning true;
end;

revoke all on function access.keep_answer(uuid, text, text, text, timestamptz, integer, jsonb) from public;
grant execute on function access.keep_answer(uuid, text, text, text, timestamptz, integer, jsonb) to keyhold_app;

reset role;
revoke create on schema access from keyhold_recorder;
