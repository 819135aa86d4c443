-- The scope of a transaction: who it acts for. Set by withTenant() and withPlatform() with set_config(…, true), so that it
-- ends with the transaction. After a commit current_setting() gives '' and not NULL, hence nullif.
create schema scope;

create function scope.tenant() returns uuid language sql stable parallel safe
  return nullif(current_setting('keyhold.tenant_id', true), '')::uuid;

create function scope.member() returns uuid language sql stable parallel safe
  return nullif(current_setting('keyhold.member_id', true), '')::uuid;

-- own | tenant-read | tenant-write | platform; null when no scope is set.
create function scope.reach() returns text language sql stable parallel safe
  return nullif(current_setting('keyhold.reach', true), '');

-- May this transaction read what `owner` owns in `tenant`?
create function scope.reads(tenant uuid, owner uuid) returns boolean language sql stable parallel safe
  return tenant = scope.tenant()
     and (scope.reach() in ('tenant-read', 'tenant-write') or (scope.reach() = 'own' and owner = scope.member()));

-- May this transaction change what `owner` owns in `tenant`?
create function scope.writes(tenant uuid, owner uuid) returns boolean language sql stable parallel safe
  return tenant = scope.tenant()
     and (scope.reach() = 'tenant-write' or (scope.reach() = 'own' and owner = scope.member()));

grant usage on schema scope, public to keyhold_app, keyhold_recorder;
revoke create on schema public from public;
