# A node of the cluster, for OpenBao and for HashiCorp Vault. All three nodes have the same files; who a node is stands in its
# environment: BAO_RAFT_NODE_ID, BAO_API_ADDR and BAO_CLUSTER_ADDR (VAULT_… for Vault). Give the server the whole folder:
#
#   bao server -config=/openbao/config
#
# node.hcl, then openbao.hcl or vault.hcl, then one seal-….hcl.

storage "raft" {
  path = "/openbao/data"

  # The default, 5, is for very small machines: there it takes the others several seconds to miss a leader.
  performance_multiplier = 1

  # All of them on every node, so that it does not matter which starts first. `bao operator init` runs on one node, once: two nodes
  # that are both initialised are two clusters, and never become one.
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
  # Twice the interval at which Prometheus asks, or more: what is older is forgotten, and 0 turns these metrics off.
  prometheus_retention_time = "2m"
  # Otherwise the name of the host is part of each metric's name.
  disable_hostname = true
}

# People use the command line or the API, whose calls are all in the audit logs; a page that keeps tokens in a browser is not needed.
ui = false

log_level  = "info"
log_format = "json"
