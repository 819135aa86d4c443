#!/bin/sh
# Prepares an initialised and unsealed cluster for Keyhold. It updates existing settings to those in this folder, so you can run
# it again after every change. `./set-up.sh kubernetes` also sets up logins by service account.
#
# VAULT_ADDR, VAULT_CACERT and VAULT_TOKEN set the address and the login, for `bao` and for `vault`; BAO names the program.
set -eu
cd "$(dirname "$0")"
bao=${BAO:-bao}

# lists <secrets|auth|audit> <path>: whether it is there.
lists() {
  "$bao" "$1" list -format=json | grep -q "\"$2/\""
}

# Audit devices come first, so that they record all later steps. OpenBao has them from openbao.hcl. The paths apply to every node.
if "$bao" version | grep -q '^Vault'; then
  lists audit primary || "$bao" audit enable -path=primary file "file_path=${AUDIT:-/openbao/audit}/audit.log"
  lists audit spare || "$bao" audit enable -path=spare file "file_path=${AUDIT_SPARE:-/openbao/audit-spare}/audit.log"
fi

# A dead server is removed if a fourth has taken its place, and never so that fewer than three are left.
"$bao" operator raft autopilot set-config -cleanup-dead-servers=true -dead-server-last-contact-threshold=10m \
  -min-quorum=3 -server-stabilization-time=10s -last-contact-threshold=10s

# No write, not even an operator's, can overwrite a version without naming the newest one. The engine refuses requests for some
# moments until it has started.
lists secrets secret || "$bao" secrets enable -path=secret -version=2 kv
tries=30
until "$bao" write secret/config cas_required=true; do
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || exit 1
  sleep 1
done

# The key of KEYHOLD_KEYS=transit, which never leaves this cluster. An existing one stays as it is.
lists secrets transit || "$bao" secrets enable transit
"$bao" write -f transit/keys/keyhold type=aes256-gcm96

for policy in keyhold-service keyhold-transit prometheus snapshot; do
  "$bao" policy write "$policy" "policies/$policy.hcl"
done

# Logins of Keyhold. secret_id_bound_cidrs and token_bound_cidrs bind secret and token to the networks that Keyhold runs in; they are
# not set because only you know them:
#   bao write auth/approle/role/keyhold @roles/keyhold-approle.json secret_id_bound_cidrs=10.1.0.0/16 token_bound_cidrs=10.1.0.0/16
lists auth approle || "$bao" auth enable approle
"$bao" write auth/approle/role/keyhold @roles/keyhold-approle.json

if [ "${1:-}" = kubernetes ]; then
  lists auth kubernetes || "$bao" auth enable kubernetes
  "$bao" write auth/kubernetes/config kubernetes_host=https://kubernetes.default.svc
  "$bao" write auth/kubernetes/role/keyhold @roles/keyhold-kubernetes.json
  "$bao" write auth/kubernetes/role/snapshot @roles/snapshot-kubernetes.json
fi
