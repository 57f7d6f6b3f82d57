package main

// What the process itself needs, besides what each controller states next to its Register.
//
// +kubebuilder:rbac:groups="",resources=namespaces,resourceNames=kube-system,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,namespace=karpenter,verbs=create
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,namespace=karpenter,resourceNames=kerf-leader-election,verbs=get;update
// +kubebuilder:rbac:groups="",resources=events,namespace=karpenter,verbs=create
