# On Kubernetes only: each node labels its own pod. By the label openbao-active the service openbao-active finds the leader.

service_registration "kubernetes" {}
