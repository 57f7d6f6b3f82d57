variable "cluster_name" {
  description = "Name of the EKS cluster, which has to exist."
  type        = string

  validation {
    condition     = can(regex("^[0-9A-Za-z][0-9A-Za-z_-]{0,45}$", var.cluster_name))
    error_message = "IAM bounds the names of roles, so that the name of the cluster may have 46 characters."
  }
}

variable "controller_identity" {
  description = "How the controller gets its role: PodIdentity (EKS Pod Identity) or IRSA (IAM roles for service accounts)."
  type        = string
  default     = "PodIdentity"

  validation {
    condition     = contains(["PodIdentity", "IRSA"], var.controller_identity)
    error_message = "Use PodIdentity or IRSA."
  }
}

variable "oidc_issuer" {
  description = "Issuer of the cluster's tokens without https://, for IRSA. The IAM OIDC provider for it has to exist."
  type        = string
  default     = ""
}

variable "namespace" {
  description = "Namespace of the controller."
  type        = string
  default     = "karpenter"
}

variable "service_account" {
  description = "Service account of the controller."
  type        = string
  default     = "karpenter"
}

variable "create_access_entry" {
  description = "Whether to let the nodes into the cluster by an access entry. Clusters that only know aws-auth need the mapping there."
  type        = bool
  default     = true
}

variable "create_interruption_queue" {
  description = "Whether to make a queue of the events that announce the end of an instance, and to let the controller read it."
  type        = bool
  default     = true
}

variable "tags" {
  description = "Tags of all that is made here."
  type        = map(string)
  default     = {}
}
