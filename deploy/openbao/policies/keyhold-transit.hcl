# For KEYHOLD_KEYS=transit: the use of one key. It cannot be made, rotated, exported, configured or deleted with this policy.

# Its type and its versions.
path "transit/keys/keyhold" {
  capabilities = ["read"]
}

# Wraps and unwraps the data keys of tenants.
path "transit/encrypt/keyhold" {
  capabilities = ["update"]
}

path "transit/decrypt/keyhold" {
  capabilities = ["update"]
}

# The fingerprint by which Keyhold knows a version of the key.
path "transit/hmac/keyhold/sha2-256" {
  capabilities = ["update"]
}
