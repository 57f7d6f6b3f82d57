package plan

const long = `plan answers which machines kerf would buy for the pods of your manifests, what they cost, and how far from the
cheapest possible that is. It needs no cluster and no AWS account: instance types, zones and prices are built in.

It reads pods and what makes them (Deployment, ReplicaSet, StatefulSet, Job, CronJob, ReplicationController), DaemonSets as
overhead of each node, and, where you give them, Provisioners and AWSNodeTemplates, Nodes with the pods that run there,
Machines, claims and volumes, storage classes and namespaces. Output of "kubectl get -o yaml" is fine as it is: pods that a
controller has already are not planned twice, pods on a node take room there, and all others are planned for.

Without a Provisioner, an empty one is assumed: on-demand, linux, amd64, categories c, m and r of a generation above 2.
Selectors of an AWSNodeTemplate cannot be resolved offline: there is a subnet in every zone of --zones.

The answer goes to standard output, all else to standard error. Exit codes: 0 when every pod has a place, 1 when one has
none, 2 when a file or a flag is wrong, 130 when it is interrupted; mistakes in files come as file:line: message, all of them
at once.`

const example = `  # What would this Deployment cost?
  kerf plan -f examples/nginx-to-scaleout.yaml

  # The same, bought as examples/provisioner.yaml says (spot, at most 1000 CPUs)
  kerf plan -f examples/nginx-to-scaleout.yaml -f examples/provisioner.yaml

  # All manifests of a directory, in another region, with what the machines may become instead
  kerf plan -f examples --region us-west-2 -o wide

  # Why a pod goes where it goes, and what would change that
  kerf plan -f examples --explain echoserver

  # What a running cluster would need if all its nodes went
  kubectl get deploy,sts,ds,job,provisioners,awsnodetemplates -A -o yaml | kerf plan -f -

  # What its pending pods would need beside the nodes that are there
  kubectl get nodes,pods,ds,provisioners,awsnodetemplates,pvc,pv,sc -A -o yaml | kerf plan -f -

  # For scripts
  kerf plan -f examples -o json | jq '.costPerHour, .lowerBoundPerHour, .unplaced[].reason'

  # Three instance types at prices of your own
  printf 'name,usd_per_hour\nm5.large,0.06\nm5.xlarge,0.12\nc5.large,0.05\n' > types.csv
  kerf plan -f examples/nginx-to-scaleout.yaml --catalog types.csv`
