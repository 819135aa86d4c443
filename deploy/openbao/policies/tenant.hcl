# keyhold-service.hcl for a Keyhold that serves only one tenant. Insert the tenant's id:
#
#   sed "s/TENANT_ID/$id/" policies/tenant.hcl | bao policy write "keyhold-tenant-$id" -
#
# The id is written out, not taken from {{identity…}}: a person who can change an identity could change what a template allows.

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
