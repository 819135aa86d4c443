# Can save snapshots, but not restore them. A snapshot is encrypted like the data: without the seal it cannot be read.

path "sys/storage/raft/snapshot" {
  capabilities = ["read"]
}
