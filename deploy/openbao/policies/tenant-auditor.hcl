# Lets a tenant's auditor see which credentials are stored, and when their versions were written and destroyed, but no secret, not
# even a sealed one. Insert the tenant's id as for tenant.hcl.

path "secret/metadata/tenants/TENANT_ID/*" {
  capabilities = ["read", "list"]
}
