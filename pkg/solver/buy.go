package solver

import "context"

// buy plans machines of one provisioner for all groups that it can host.
func (s *solution) buy(ctx context.Context, shelf *shelf) {
	for _, l := range shelf.lots(s.groups, s.problem.Settings.NodeFee) {
		p := newPacker(l, &effort{steps: 4_000_000})
		for i, it := range l.items {
			p.want(i, it.group.left)
		}
		bins := p.buy(ctx)
		l.sort(bins)
		for _, b := range bins {
			sold := purchase{lot: l, bin: b}
			sold.pods = sold.take()
			shelf.sold = append(shelf.sold, sold)
		}
		for i, it := range l.items {
			if p.left[i] > 0 {
				it.group.miss = it.group.miss.nearer(shelf.stopped(ctx, l, it))
			}
		}
	}
}
