# Metrics with a token, for those who leave the port of metrics closed: of the active node only, whichever node is asked.

path "sys/metrics" {
  capabilities = ["read"]
}

path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
