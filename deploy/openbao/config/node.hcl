# A node of the cluster, for OpenBao and for HashiCorp Vault. All three nodes have the same files; the environment identifies a
# node: BAO_RAFT_NODE_ID, BAO_API_ADDR and BAO_CLUSTER_ADDR (VAULT_… for Vault). Give the server the whole folder:
#
#   bao server -config=/openbao/config
#
# node.hcl, then openbao.hcl or vault.hcl, then one seal-….hcl.

storage "raft" {
  path = "/openbao/data"

  # The default, 5, is for very small machines. With it the other nodes take several seconds to notice the loss of a leader.
  performance_multiplier = 1

  # Every node lists all of them, so that the order of starts does not matter. Run `bao operator init` once, on one node: two
  # initialised nodes are two clusters, and cannot be merged.
  retry_join {
    leader_api_addr     = "https://openbao-0.openbao-internal.openbao.svc:8200"
    leader_ca_cert_file = "/openbao/tls/ca.crt"
  }
  retry_join {
    leader_api_addr     = "https://openbao-1.openbao-internal.openbao.svc:8200"
    leader_ca_cert_file = "/openbao/tls/ca.crt"
  }
  retry_join {
    leader_api_addr     = "https://openbao-2.openbao-internal.openbao.svc:8200"
    leader_ca_cert_file = "/openbao/tls/ca.crt"
  }
}

telemetry {
  # At least twice the scrape interval of Prometheus: older values are dropped, and 0 turns these metrics off.
  prometheus_retention_time = "2m"
  # Otherwise the host name is part of each metric's name.
  disable_hostname = true
}

# The audit logs have every call of the command line and the API. A UI that keeps tokens in a browser is not needed.
ui = false

log_level  = "info"
log_format = "json"
