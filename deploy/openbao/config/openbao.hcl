# Settings that only OpenBao accepts (2.7 or newer). The counterpart for Vault is vault.hcl.

listener "tcp" {
  address         = "0.0.0.0:8200"
  cluster_address = "0.0.0.0:8201"
  tls_cert_file   = "/openbao/tls/tls.crt"
  tls_key_file    = "/openbao/tls/tls.key"
  tls_min_version = "tls13"
  # The server loads a renewed certificate from its file within half a minute, without a signal.
  tls_auto_reload = true
}

# Only metrics, on a port that only Prometheus may reach. On the API's port they need a token, and standbys forward such a request
# to the active node, so the state of the other two (sealed or behind) would never be visible.
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

# A standby lags slightly. A read of a version that was just written would answer that it does not exist.
disable_standby_reads = true

# Two devices, on two volumes. A request succeeds if at least one of them records it, so one full or broken volume interrupts
# nothing. Both are files on a local disk: a device that blocks (a socket whose reader stalls, a network file system) would hold
# up every request, whatever the other one does. Ship the logs by reading the files.
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
