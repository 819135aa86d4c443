#!/bin/sh
# save-snapshot.sh <folder>: saves a snapshot of the cluster there, and removes those that are older than KEEP_DAYS (default 30).
# VAULT_ADDR, VAULT_CACERT and VAULT_TOKEN set the address and the login (policies/snapshot.hcl); BAO names the program.
set -eu
folder=$1
umask 077

"${BAO:-bao}" operator raft snapshot save "$folder/unfinished"
# A truncated archive does not unpack.
gzip -t "$folder/unfinished"
mv "$folder/unfinished" "$folder/$(date -u +%Y-%m-%dT%H%M%SZ).snap"
# The script gets here only with a new snapshot: while none can be saved, the old ones stay.
find "$folder" -name '*.snap' -mtime "+${KEEP_DAYS:-30}" -exec rm {} +
