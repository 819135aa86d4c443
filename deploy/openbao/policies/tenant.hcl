# keyhold-service.hcl for a Keyhold that serves one tenant alone. Put the tenant's id in:
#
#   sed "s/TENANT_ID/$id/" policies/tenant.hcl | bao policy write "keyhold-tenant-$id" -
#
# Written out, not with {{identity…}}: a template is as good as whoever may change what it is filled with.

path "secret/data/tenants/TENANT_ID/*" {
  capabilities = ["create", "update", "read"]
}

path "secret/metadata/tenants/TENANT_ID/*" {
  capabilities = ["create", "update", "read"]
}

path "secret/destroy/tenants/TENANT_ID/*" {
  capabilities = ["update"]
}

path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
