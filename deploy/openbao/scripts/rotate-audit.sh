#!/bin/sh
# rotate-audit.sh <log> …: sets an audit log aside when it has more than LIMIT_MIB, 256 if not set, and has the server open a new one;
# it keeps KEEP of them, 8 if not set. A volume that is full would end its device, and with the last one the service, so what has to
# be kept for longer must be shipped elsewhere before.
set -eu
limit=$((${LIMIT_MIB:-256} * 1024 * 1024))

rotate() {
  aside="$1.$(date -u +%Y-%m-%dT%H%M%SZ)"
  mv "$1" "$aside"
  # Without the signal the server would go on writing to the one that is set aside.
  pkill -HUP -x bao || mv "$aside" "$1"
  # The names sort by time.
  ls "$1".* | sort -r | tail -n "+$((${KEEP:-8} + 1))" | xargs -r rm
}

while sleep "${EVERY_SECONDS:-60}"; do
  for log in "$@"; do
    if [ -f "$log" ] && [ "$(wc -c <"$log")" -gt "$limit" ]; then rotate "$log"; fi
  done
done
