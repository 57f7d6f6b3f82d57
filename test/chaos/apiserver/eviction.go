package apiserver

import (
	"context"
	"fmt"

	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Create evicts a pod.
func (s *subresource) Create(ctx context.Context, object, sub client.Object, _ ...client.SubResourceCreateOption) error {
	eviction, ok := sub.(*policyv1.Eviction)
	if !ok || s.name != "eviction" {
		return fmt.Errorf("creating subresource %s is not modelled", s.name)
	}
	how := Deletion{}
	if eviction.DeleteOptions != nil {
		how = Deletion{Preconditions: eviction.DeleteOptions.Preconditions, Grace: eviction.DeleteOptions.GracePeriodSeconds}
	}
	request := Request{Verb: "evict", Kind: "Pod", Name: object.GetName(), Sub: s.name}
	return s.client.do(ctx, request, object, func() (client.Object, error) { return nil, s.client.store.Evict(s.client.by, object, how) })
}
