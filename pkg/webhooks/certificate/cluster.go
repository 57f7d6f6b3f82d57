package certificate

import (
	"context"
	"fmt"
	"maps"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// cluster is what is read and written. Every write is one of an object as it was read: where it has changed since, the write
// fails with a conflict.
type cluster struct {
	settings Settings
	live     client.Reader
	writer   client.Writer
}

// outdated reports whether a write failed because its object is not as it was read.
func outdated(err error) bool { return apierrors.IsConflict(err) || apierrors.IsNotFound(err) }

// look reads everything: the configurations, and then the Secret. The order is part of what keeps handshakes from failing. With an
// error it returns what it has seen; of the webhooks that is all or nothing, and then seen is zero.
func (c cluster) look(ctx context.Context, clock clock.PassiveClock) (view, error) {
	v := view{now: clock.Now().Round(0)} // the time of the wall: no other counts for certificates
	for _, configuration := range c.settings.configurations() {
		name := configuration.GetName()
		if err := c.live.Get(ctx, client.ObjectKeyFromObject(configuration), configuration); apierrors.IsNotFound(err) {
			continue
		} else if err != nil {
			return view{}, fmt.Errorf("getting webhook configuration %s: %w", name, err)
		}
		v.configurations = append(v.configurations, configuration)
		v.webhooks = append(v.webhooks, webhooksOf(configuration)...)
	}
	v.seen = clock.Now().Round(0)
	v.secret = &corev1.Secret{}
	if err := c.live.Get(ctx, c.settings.secretKey(), v.secret); apierrors.IsNotFound(err) {
		return v, fmt.Errorf("getting Secret %s, which kerf fills and may not create (apply kerf's manifests again, or upgrade its Helm release): %w",
			c.settings.secretKey(), err)
	} else if err != nil {
		return v, fmt.Errorf("getting Secret %s: %w", c.settings.secretKey(), err)
	}
	v.authorities, v.unusable = decode(v.secret.Data[dataKey])
	return v, nil
}

// writeAuthorities writes the authorities into the Secret.
func (c cluster) writeAuthorities(ctx context.Context, secret *corev1.Secret, list authorities) error {
	content, err := encode(list)
	if err != nil {
		return err
	}
	secret = secret.DeepCopy()
	secret.Data = maps.Clone(secret.Data)
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	secret.Data[dataKey] = content
	if err := c.writer.Update(ctx, secret); err != nil {
		return fmt.Errorf("writing Secret %s: %w", c.settings.secretKey(), err)
	}
	return nil
}

// writeBundle makes the webhooks of a configuration trust a bundle, and reports whether it had to.
func (c cluster) writeBundle(ctx context.Context, configuration client.Object, bundle []byte) (bool, error) {
	changed, ok := configuration.DeepCopyObject().(client.Object)
	if !ok || !webhooksOf(changed).inject(bundle) {
		return false, nil
	}
	patch := client.StrategicMergeFrom(configuration, client.MergeFromWithOptimisticLock{})
	if err := c.writer.Patch(ctx, changed, patch); err != nil {
		return false, fmt.Errorf("writing the CA bundle of webhook configuration %s: %w", configuration.GetName(), err)
	}
	return true, nil
}

// configurations returns the configurations of the settings, with nothing but their names.
func (s Settings) configurations() []client.Object {
	var out []client.Object
	for _, name := range s.Mutating {
		c := &admissionregistrationv1.MutatingWebhookConfiguration{}
		c.Name = name
		out = append(out, c)
	}
	for _, name := range s.Validating {
		c := &admissionregistrationv1.ValidatingWebhookConfiguration{}
		c.Name = name
		out = append(out, c)
	}
	return out
}

func (s Settings) secretKey() client.ObjectKey {
	return client.ObjectKey{Namespace: s.Namespace, Name: s.Secret}
}
