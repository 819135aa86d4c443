# Keyhold's own policy in the engine `secret`, key-value of version 2. It cannot list, and cannot delete metadata: after a
# credential's end the numbers and times of its versions stay.

# Sealed secrets: written with check-and-set, read by version.
path "secret/data/tenants/*" {
  capabilities = ["create", "update", "read"]
}

# How many versions a path keeps, and which of them there are.
path "secret/metadata/tenants/*" {
  capabilities = ["create", "update", "read"]
}

# The end of a version.
path "secret/destroy/tenants/*" {
  capabilities = ["update"]
}

# Its own token, whose role leaves out the policy `default`.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
