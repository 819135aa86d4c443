# Metrics with a token, if the metrics port is closed. They are always those of the active node, whichever node is asked.

path "sys/metrics" {
  capabilities = ["read"]
}

path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
