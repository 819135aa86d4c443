-- The answer to a request under an Idempotency-Key is kept in the transaction of its change, whatever that transaction reaches.
grant create on schema access to keyhold_recorder;
create policy recorder_reads on idempotency_keys for select to keyhold_recorder using (true);
create policy recorder_keeps on idempotency_keys for update to keyhold_recorder using (true) with check (true);
grant select, update (state, status, body) on idempotency_keys to keyhold_recorder;

alter table api_keys add last_used_at timestamptz;
grant update (last_used_at) on api_keys to keyhold_recorder;

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

-- When API keys were used last, by so many seconds ago. The service gathers them, so that no request waits for a write.
create function access.note_uses(ids uuid[], seconds_ago double precision[]) returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
  update public.api_keys k set last_used_at = u.at
  from (select id, clock_timestamp() - make_interval(secs => ago) as at from unnest(ids, seconds_ago) a (id, ago)) u
  where k.id = u.id and (k.last_used_at is null or k.last_used_at < u.at);
end;
revoke all on function access.note_uses(uuid[], double precision[]) from public;
grant execute on function access.note_uses(uuid[], double precision[]) to keyhold_app;
revoke all on function access.keep_answer(uuid, text, text, text, timestamptz, integer, jsonb) from public;
grant execute on function access.keep_answer(uuid, text, text, text, timestamptz, integer, jsonb) to keyhold_app;

reset role;
revoke create on schema access from keyhold_recorder;

-- Every filter of a list has an index that begins with the tenant, in the order of the list.
create index credentials_listed_by_venue on credentials (tenant_id, venue, created_at desc, id desc) where deleted_at is null;
create index credentials_listed_by_environment on credentials (tenant_id, environment, created_at desc, id desc) where deleted_at is null;
create index credentials_listed_by_status on credentials (tenant_id, status, created_at desc, id desc) where deleted_at is null;
create index credentials_listed_by_label on credentials (tenant_id, label, created_at desc, id desc) where deleted_at is null;
drop index accounts_by_owner;
create index accounts_by_owner on accounts (tenant_id, owner_id, created_at desc, id desc);
drop index api_keys_by_member;
create index api_keys_by_member on api_keys (tenant_id, member_id, created_at desc, id desc);

-- Who was shown a secret is asked for each rotation at a venue: a credential has few such events and many others.
create index indexed_events_revealed on audit.indexed_events (tenant_id, credential_id, seq) where event = 'credential.revealed';
