# Saves snapshots, and cannot restore one. A snapshot is encrypted as the data are: without the seal nobody reads it.

path "sys/storage/raft/snapshot" {
  capabilities = ["read"]
}
