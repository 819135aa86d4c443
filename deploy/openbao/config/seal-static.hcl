# Unseals with a key from a file: OpenBao only, and for those who have a place that hands the key to each node at its start (a secret
# of Kubernetes that is sealed at rest, systemd credentials, a volume in memory). Whoever holds this key and the data folder reads
# everything, so the key must never lie on the volume of the data, nor in its backups.
#
#   openssl rand -out unseal-1.key 32
#
# To rotate it: the new key becomes current_…, the present one previous_…; restart the nodes one after the other, and remove the
# previous one after the last.

seal "static" {
  current_key_id = "1"
  current_key    = "file:///openbao/seal/unseal-1.key"
}
