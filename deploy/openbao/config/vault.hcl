# HashiCorp Vault (1.21 or newer) needs this file in place of openbao.hcl. set-up.sh enables its audit devices through the API.
# Vault reads certificates again at SIGHUP. Its standbys answer reads only in the Enterprise edition.

listener "tcp" {
  address         = "0.0.0.0:8200"
  cluster_address = "0.0.0.0:8201"
  tls_cert_file   = "/openbao/tls/tls.crt"
  tls_key_file    = "/openbao/tls/tls.key"
  tls_min_version = "tls13"
  # A standby that has forwarded a request to a hanging leader cannot lead until that request ends. This limits the outage for
  # callers without time-outs of their own (Keyhold has them). The default is 90 s. A snapshot must also finish in this time.
  max_request_duration = "30s"
}

# Only for Prometheus, as in openbao.hcl. Vault cannot keep the rest of the API off this port, but it still requires a token
# there.
listener "tcp" {
  address         = "0.0.0.0:8202"
  tls_cert_file   = "/openbao/tls/tls.crt"
  tls_key_file    = "/openbao/tls/tls.key"
  tls_min_version = "tls13"

  telemetry {
    unauthenticated_metrics_access = true
  }
}

# Raft maps its data file into memory, and locking all of it would take as much memory as there is data. Turn swap off instead
# (also on hosts of OpenBao, which cannot lock memory).
disable_mlock = true
