# What a tenant's auditor may see: which credentials rest here, and when their versions were written and destroyed. No secret, not
# even a sealed one. Put the tenant's id in as for tenant.hcl.

path "secret/metadata/tenants/TENANT_ID/*" {
  capabilities = ["read", "list"]
}
