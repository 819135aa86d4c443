# For KEYHOLD_KEYS=transit: allows the use of one key, but not to create, rotate, export, configure or delete it.

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

# The fingerprint by which Keyhold recognises a version of the key.
path "transit/hmac/keyhold/sha2-256" {
  capabilities = ["update"]
}
