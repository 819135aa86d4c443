# On Kubernetes only: each node labels its own pod, openbao-active among others, by which the service openbao-active finds the leader.

service_registration "kubernetes" {}
