#!/bin/sh
# rotate-audit.sh <log> …: renames an audit log that is larger than LIMIT_MIB (default 256) and makes the server open a new one.
# It keeps KEEP old logs (default 8). A full volume disables its device, and without a device the service stops. Ship logs that
# you must keep for longer before they are removed.
set -eu
limit=$((${LIMIT_MIB:-256} * 1024 * 1024))

rotate() {
  aside="$1.$(date -u +%Y-%m-%dT%H%M%SZ)"
  mv "$1" "$aside"
  # Without the signal the server would go on writing to the renamed file.
  pkill -HUP -x bao || mv "$aside" "$1"
  # The names sort by time.
  ls "$1".* | sort -r | tail -n "+$((${KEEP:-8} + 1))" | xargs -r rm
}

while sleep "${EVERY_SECONDS:-60}"; do
  for log in "$@"; do
    if [ -f "$log" ] && [ "$(wc -c <"$log")" -gt "$limit" ]; then rotate "$log"; fi
  done
done
