# Unseals with a key in AWS KMS. Credentials come from the role of the instance or of the service account, which needs
# kms:Encrypt, kms:Decrypt and kms:DescribeKey on this one key.
#
# In OpenBao 2.7 and newer AWS KMS is a plugin. Download it to `plugin_directory`, and take its checksum from its release:
#
#   plugin_directory = "/openbao/plugins"
#   plugin "kms" "awskms" {
#     command   = "openbao-plugin-kms-awskms"
#     sha256sum = "…"
#   }

seal "awskms" {
  region     = "eu-central-1"
  kms_key_id = "alias/openbao-unseal"
}
