output "controller_role_arn" {
  description = "Role of the controller."
  value       = aws_iam_role.controller.arn
}

output "node_role_arn" {
  description = "Role of the nodes, which the cluster has to let in."
  value       = aws_iam_role.node.arn
}

output "node_instance_profile" {
  description = "Instance profile of the nodes, for aws.defaultInstanceProfile."
  value       = aws_iam_instance_profile.node.name
}

output "interruption_queue_name" {
  description = "Queue of the events that announce the end of an instance; null where there is none."
  value       = one(aws_sqs_queue.interruption[*].name)
}
