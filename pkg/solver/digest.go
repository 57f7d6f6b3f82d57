package solver

import (
	"hash/maphash"
	"math/bits"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// digest identifies content by 128 bits under seeds that nobody knows, so that two contents never share one by accident or by
// intent. It says whether things are equal and nothing about their order, which therefore never depends on it.
type digest struct{ high, low uint64 }

// digester makes digests; those of different digesters cannot be compared.
type digester struct{ high, low maphash.Seed }

func newDigester() digester { return digester{maphash.MakeSeed(), maphash.MakeSeed()} }

// and returns the digest of d's content followed by o's.
func (d digest) and(o digest) digest {
	return digest{stir(d.high, o.high), stir(d.low, o.low)}
}

// stir is the step of a multiplicative hash; the constant is the golden ratio's, an odd number without a pattern.
func stir(state, word uint64) uint64 {
	state = (bits.RotateLeft64(state, 23) ^ word) * 0x9E3779B97F4A7C15
	return state ^ state>>29
}

// number appends an integer.
func (d digest) number(n int64) digest { return d.and(digest{uint64(n), ^uint64(n)}) } //nolint:gosec // bits, not a number

// text returns the digest of a string.
func (h *digester) text(s string) digest {
	return digest{maphash.String(h.high, s), maphash.String(h.low, s)}
}

// texts appends strings in order, with their number.
func (h *digester) texts(d digest, list ...string) digest {
	for _, s := range list {
		d = d.and(h.text(s))
	}
	return d.number(int64(len(list)))
}

// labels appends a map: the sum of its entries' digests, since they have no order.
func (h *digester) labels(d digest, m map[string]string) digest {
	var sum digest
	for key, value := range m {
		entry := h.text(key).and(h.text(value))
		sum.high, sum.low = sum.high+entry.high, sum.low+entry.low
	}
	return d.and(sum).number(int64(len(m)))
}

// selector appends a label selector; nil, which selects nothing, differs from the empty one.
func (h *digester) selector(d digest, s *metav1.LabelSelector) digest {
	if s == nil {
		return d.number(-1)
	}
	d = h.labels(d, s.MatchLabels)
	for i := range s.MatchExpressions {
		e := &s.MatchExpressions[i]
		d = h.texts(h.texts(d, e.Key, string(e.Operator)), e.Values...)
	}
	return d.number(int64(len(s.MatchExpressions)))
}

// nodeTerms appends terms of a node selector.
func (h *digester) nodeTerms(d digest, terms ...corev1.NodeSelectorTerm) digest {
	for i := range terms {
		for _, list := range [][]corev1.NodeSelectorRequirement{terms[i].MatchExpressions, terms[i].MatchFields} {
			for k := range list {
				d = h.texts(h.texts(d, list[k].Key, string(list[k].Operator)), list[k].Values...)
			}
			d = d.number(int64(len(list)))
		}
	}
	return d.number(int64(len(terms)))
}

// podTerm appends a term of pod affinity or anti-affinity, with the labels of the pod that it takes values from.
func (h *digester) podTerm(d digest, t *corev1.PodAffinityTerm, own map[string]string) digest {
	d = h.texts(h.selector(h.selector(d, t.LabelSelector), t.NamespaceSelector), t.TopologyKey)
	d = h.texts(d, t.Namespaces...)
	return h.ownLabels(h.ownLabels(d, t.MatchLabelKeys, own), t.MismatchLabelKeys, own)
}

// ownLabels appends the values of the keys.
func (h *digester) ownLabels(d digest, keys []string, own map[string]string) digest {
	for _, key := range keys {
		value, there := own[key]
		if !there {
			d = d.number(-2)
		}
		d = h.texts(d, key, value)
	}
	return d.number(int64(len(keys)))
}

// tolerations appends tolerations.
func (h *digester) tolerations(d digest, list []corev1.Toleration) digest {
	for i := range list {
		t := &list[i]
		d = h.texts(d, t.Key, string(t.Operator), t.Value, string(t.Effect))
	}
	return d.number(int64(len(list)))
}
