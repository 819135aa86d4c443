# Unseals with a key in Transit of another cluster. The token comes from the environment, BAO_TOKEN (VAULT_TOKEN for Vault): an orphan
# with policies/unseal.hcl and a period, which the nodes renew. In the other cluster:
#
#   bao secrets enable transit
#   bao write -f transit/keys/unseal
#   bao policy write unseal policies/unseal.hcl
#   bao token create -orphan -period=720h -policy=unseal -no-default-policy
#
# Nodes that are down for longer than the period need another token. The other cluster must not unseal with a key of this one.

seal "transit" {
  address     = "https://unseal.example:8200"
  tls_ca_cert = "/openbao/tls/unseal-ca.crt"
  mount_path  = "transit/"
  key_name    = "unseal"
}
