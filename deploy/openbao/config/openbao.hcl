# What only OpenBao takes (2.7 or newer). Vault's counterpart is vault.hcl.

listener "tcp" {
  address         = "0.0.0.0:8200"
  cluster_address = "0.0.0.0:8201"
  tls_cert_file   = "/openbao/tls/tls.crt"
  tls_key_file    = "/openbao/tls/tls.key"
  tls_min_version = "tls13"
  # A renewed certificate is taken from its file within half a minute, without a signal.
  tls_auto_reload = true
}

# Metrics, and nothing else, on a port that Prometheus alone may reach. On the API's port they need a token, and standbys hand such
# a request to the active node: the state of the other two, sealed or behind, would never be seen.
listener "tcp" {
  address         = "0.0.0.0:8202"
  tls_cert_file   = "/openbao/tls/tls.crt"
  tls_key_file    = "/openbao/tls/tls.key"
  tls_min_version = "tls13"
  tls_auto_reload = true

  telemetry {
    unauthenticated_metrics_access = true
    metrics_only                   = true
  }
}

# A standby is a moment behind. Whoever asks it for a version that was just written would be told that there is none.
disable_standby_reads = true

# Two devices, on two volumes. A request is answered when at least one of them has it, so a full or broken volume stops nobody.
# Both are files on a local disk: a device that blocks (a socket whose reader stalls, a network file system) would hold up every
# request, whatever the other one does. Ship the logs elsewhere by reading the files.
audit "file" "primary" {
  options {
    file_path = "/openbao/audit/audit.log"
  }
}

audit "file" "spare" {
  options {
    file_path = "/openbao/audit-spare/audit.log"
  }
}
