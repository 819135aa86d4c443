# In the cluster whose Transit unseals this one: for the token of seal-transit.hcl.

path "transit/encrypt/unseal" {
  capabilities = ["update"]
}

path "transit/decrypt/unseal" {
  capabilities = ["update"]
}

path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
