# Unseals with a key from a file (OpenBao only). Use it if another system gives each node the key at its start: a Kubernetes
# secret that is sealed at rest, systemd credentials, a volume in memory. The key and the data folder together give access to
# everything, so the key must never be on the volume of the data, nor in its backups.
#
#   openssl rand -out unseal-1.key 32
#
# To rotate it, make the new key current_… and the present one previous_…, restart the nodes one after the other, and then remove
# the previous one.

seal "static" {
  current_key_id = "1"
  current_key    = "file:///openbao/seal/unseal-1.key"
}
