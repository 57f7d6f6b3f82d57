# What kerf needs at AWS for one EKS cluster. The policies, in policies/, are written from hack/iam; the rest is here.

data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

locals {
  irsa = var.controller_identity == "IRSA"

  # What differs between accounts and clusters in the policies.
  names = {
    partition       = data.aws_partition.current.partition
    domain          = data.aws_partition.current.dns_suffix
    region          = data.aws_region.current.region
    account_id      = data.aws_caller_identity.current.account_id
    cluster_name    = var.cluster_name
    namespace       = var.namespace
    service_account = var.service_account
    oidc_issuer     = var.oidc_issuer
  }
}

# Nodes.

resource "aws_iam_role" "node" {
  name               = "KarpenterNodeRole-${var.cluster_name}"
  assume_role_policy = templatefile("${path.module}/policies/node-trust.json.tftpl", local.names)
  tags               = var.tags
}

resource "aws_iam_role_policy_attachment" "node" {
  for_each = toset([
    "AmazonEKS_CNI_Policy",
    "AmazonEKSWorkerNodePolicy",
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonSSMManagedInstanceCore",
  ])

  role       = aws_iam_role.node.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/${each.value}"
}

resource "aws_iam_instance_profile" "node" {
  name = "KarpenterNodeInstanceProfile-${var.cluster_name}"
  role = aws_iam_role.node.name
  tags = var.tags
}

resource "aws_eks_access_entry" "node" {
  count = var.create_access_entry ? 1 : 0

  cluster_name  = var.cluster_name
  principal_arn = aws_iam_role.node.arn
  type          = "EC2_LINUX"
  tags          = var.tags
}

# The controller.

resource "aws_iam_role" "controller" {
  name = "${var.cluster_name}-karpenter"
  assume_role_policy = templatefile(
    local.irsa ? "${path.module}/policies/irsa-trust.json.tftpl" : "${path.module}/policies/pod-identity-trust.json.tftpl",
    local.names,
  )
  tags = var.tags

  lifecycle {
    precondition {
      condition     = !local.irsa || var.oidc_issuer != ""
      error_message = "controller_identity IRSA needs oidc_issuer."
    }
  }
}

resource "aws_iam_policy" "controller" {
  name   = "KarpenterControllerPolicy-${var.cluster_name}"
  policy = templatefile("${path.module}/policies/controller.json.tftpl", merge(local.names, { node_role_arn = aws_iam_role.node.arn }))
  tags   = var.tags
}

resource "aws_iam_role_policy_attachment" "controller" {
  role       = aws_iam_role.controller.name
  policy_arn = aws_iam_policy.controller.arn
}

resource "aws_eks_pod_identity_association" "controller" {
  count = local.irsa ? 0 : 1

  cluster_name    = var.cluster_name
  namespace       = var.namespace
  service_account = var.service_account
  role_arn        = aws_iam_role.controller.arn
  tags            = var.tags
}

# The queue of events that announce the end of an instance. Messages are kept for four days, for changes that AWS announces
# days before and once: kerf may be down over a long weekend. It drops what is too old to go by.

resource "aws_sqs_queue" "interruption" {
  count = var.create_interruption_queue ? 1 : 0

  name                      = "${var.cluster_name}-kerf"
  message_retention_seconds = 345600
  sqs_managed_sse_enabled   = true
  tags                      = var.tags
}

resource "aws_cloudwatch_event_rule" "interruption" {
  for_each = { for name, event in jsondecode(file("${path.module}/policies/events.json")) : name => event if var.create_interruption_queue }

  name_prefix   = "Karpenter${each.key}-"
  event_pattern = jsonencode({ source = [each.value.source], "detail-type" = [each.value.detail_type] })
  tags          = var.tags
}

resource "aws_cloudwatch_event_target" "interruption" {
  for_each = aws_cloudwatch_event_rule.interruption

  rule      = each.value.name
  target_id = "KarpenterInterruptionQueue"
  arn       = aws_sqs_queue.interruption[0].arn
}

resource "aws_sqs_queue_policy" "interruption" {
  count = var.create_interruption_queue ? 1 : 0

  queue_url = aws_sqs_queue.interruption[0].url
  policy = templatefile("${path.module}/policies/queue.json.tftpl", merge(local.names, {
    queue_arn = aws_sqs_queue.interruption[0].arn
    rule_arns = { for name, rule in aws_cloudwatch_event_rule.interruption : name => rule.arn }
  }))
}

resource "aws_iam_policy" "interruption" {
  count = var.create_interruption_queue ? 1 : 0

  name   = "KarpenterInterruptionPolicy-${var.cluster_name}"
  policy = templatefile("${path.module}/policies/interruption.json.tftpl", merge(local.names, { queue_arn = aws_sqs_queue.interruption[0].arn }))
  tags   = var.tags
}

resource "aws_iam_role_policy_attachment" "interruption" {
  count = var.create_interruption_queue ? 1 : 0

  role       = aws_iam_role.controller.name
  policy_arn = aws_iam_policy.interruption[0].arn
}
