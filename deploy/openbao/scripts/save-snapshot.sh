#!/bin/sh
# save-snapshot.sh <folder>: saves a snapshot of the cluster there, and removes those that are older than KEEP_DAYS, 30 if not set.
# VAULT_ADDR, VAULT_CACERT and VAULT_TOKEN say where and as whom (policies/snapshot.hcl); BAO names the program.
set -eu
folder=$1
umask 077

"${BAO:-bao}" operator raft snapshot save "$folder/unfinished"
# An archive that broke off does not unpack.
gzip -t "$folder/unfinished"
mv "$folder/unfinished" "$folder/$(date -u +%Y-%m-%dT%H%M%SZ).snap"
# Reached only when there is a new one: as long as none can be saved, the old ones stay.
find "$folder" -name '*.snap' -mtime "+${KEEP_DAYS:-30}" -exec rm {} +
