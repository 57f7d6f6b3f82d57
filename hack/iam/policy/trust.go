package policy

// NodeTrust lets instances take the nodes' role.
func NodeTrust() Document {
	return Document{Version: Version, Statement: []Statement{{
		Effect: allow, Principal: map[string]List{"Service": {"ec2." + Domain}}, Action: List{"sts:AssumeRole"},
	}}}
}

// PodIdentityTrust lets the controller's service account in this one cluster take the controller's role, by way of EKS Pod
// Identity.
func PodIdentityTrust() Document {
	return Document{Version: Version, Statement: []Statement{{
		Effect: allow, Principal: map[string]List{"Service": {"pods.eks.amazonaws.com"}},
		Action: List{"sts:AssumeRole", "sts:TagSession"},
		Condition: Condition{"StringEquals": {
			"aws:RequestTag/eks-cluster-arn":            {"arn:" + Partition + ":eks:" + Region + ":" + Account + ":cluster/" + Cluster},
			"aws:RequestTag/kubernetes-namespace":       {Namespace},
			"aws:RequestTag/kubernetes-service-account": {ServiceAccount},
		}},
	}}}
}

// WebIdentityTrust lets the controller's service account take the controller's role by the tokens of the cluster's issuer:
// IAM roles for service accounts (IRSA).
func WebIdentityTrust() Document {
	return Document{Version: Version, Statement: []Statement{{
		Effect: allow, Principal: map[string]List{"Federated": {"arn:" + Partition + ":iam::" + Account + ":oidc-provider/" + Issuer}},
		Action: List{"sts:AssumeRoleWithWebIdentity"},
		Condition: Condition{"StringEquals": {
			Issuer + ":aud": {"sts.amazonaws.com"},
			Issuer + ":sub": {"system:serviceaccount:" + Namespace + ":" + ServiceAccount},
		}},
	}}}
}
