{{/*
kerf.rules adapts rules that were generated from the code, given as a dict: root, rules. The Secret has the name that it
has in this release, and without webhooks nothing is left of what only they need.
*/}}
{{- define "kerf.rules" -}}
{{- $root := .root -}}
{{- $rules := list -}}
{{- range .rules -}}
{{- $ofWebhooks := or (has "admissionregistration.k8s.io" .apiGroups) (has "secrets" .resources) -}}
{{- if or $root.Values.webhook.enabled (not $ofWebhooks) -}}
{{- $rule := deepCopy . -}}
{{- if has "secrets" .resources -}}
{{- $_ := set $rule "resourceNames" (list (include "kerf.certificateSecret" $root)) -}}
{{- end -}}
{{- $rules = append $rules $rule -}}
{{- end -}}
{{- end -}}
{{- toYaml $rules -}}
{{- end -}}
