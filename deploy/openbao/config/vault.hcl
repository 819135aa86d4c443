# What HashiCorp Vault (1.21 or newer) needs in place of openbao.hcl. Its audit devices are enabled through the API, which set-up.sh
# does; its certificates are read again at SIGHUP; and its standbys answer no reads unless it is the Enterprise edition.

listener "tcp" {
  address         = "0.0.0.0:8200"
  cluster_address = "0.0.0.0:8201"
  tls_cert_file   = "/openbao/tls/tls.crt"
  tls_key_file    = "/openbao/tls/tls.key"
  tls_min_version = "tls13"
  # A standby that has handed a request to a leader that hangs cannot lead itself until that request ends, so this bounds the outage
  # where callers have no time-outs of their own (Keyhold has). The default is 90 s. A snapshot has to be done in this time, too.
  max_request_duration = "30s"
}

# For Prometheus alone, as in openbao.hcl. Vault cannot keep the rest of the API off this port: there it asks for a token as ever.
listener "tcp" {
  address         = "0.0.0.0:8202"
  tls_cert_file   = "/openbao/tls/tls.crt"
  tls_key_file    = "/openbao/tls/tls.key"
  tls_min_version = "tls13"

  telemetry {
    unauthenticated_metrics_access = true
  }
}

# Raft maps its data file into memory, and locking all of it there would take as much memory as there is data. Turn swap off instead
# (OpenBao knows no locking at all, so the same goes for its hosts).
disable_mlock = true
