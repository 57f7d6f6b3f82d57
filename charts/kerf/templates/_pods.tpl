{{/* kerf.ownSelector selects kerf's pods, as a field of terms and constraints that do not say which pods they are about. */}}
{{- define "kerf.ownSelector" -}}
labelSelector:
  matchLabels:
    {{- include "kerf.selector" . | nindent 4 }}
{{- end -}}

{{/*
kerf.affinity is the affinity of the pods. Two things are not up to the values: a pod of kerf never runs on a node that
kerf launched, which kerf could then take from under itself, and unless the values say how the pods stand to each other,
no two share a node.
*/}}
{{- define "kerf.affinity" -}}
{{- $affinity := deepCopy (.Values.affinity | default dict) -}}
{{- $_ := set $affinity "nodeAffinity" (include "kerf.nodeAffinity" . | fromYaml) -}}
{{- $_ := set $affinity "podAntiAffinity" (include "kerf.podAntiAffinity" . | fromYaml) -}}
{{- toYaml $affinity -}}
{{- end -}}

{{- define "kerf.nodeAffinity" -}}
{{- $node := deepCopy ((.Values.affinity | default dict).nodeAffinity | default dict) -}}
{{- $notOwn := dict "key" "karpenter.sh/provisioner-name" "operator" "DoesNotExist" -}}
{{- $required := $node.requiredDuringSchedulingIgnoredDuringExecution | default dict -}}
{{- $terms := list -}}
{{- range $required.nodeSelectorTerms | default (list dict) -}}
{{- $expressions := .matchExpressions | default list -}}
{{- if not (has $notOwn $expressions) -}}
{{- $expressions = append $expressions $notOwn -}}
{{- end -}}
{{- $terms = append $terms (mustMerge (dict "matchExpressions" $expressions) .) -}}
{{- end -}}
{{- $_ := set $node "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" $terms) -}}
{{- toYaml $node -}}
{{- end -}}

{{- define "kerf.podAntiAffinity" -}}
{{- $apart := dict "requiredDuringSchedulingIgnoredDuringExecution" (list (dict "topologyKey" "kubernetes.io/hostname")) -}}
{{- $anti := deepCopy ((.Values.affinity | default dict).podAntiAffinity | default $apart) -}}
{{- range $anti.requiredDuringSchedulingIgnoredDuringExecution -}}
{{- if not (hasKey . "labelSelector") -}}
{{- $_ := mustMerge . (include "kerf.ownSelector" $ | fromYaml) -}}
{{- end -}}
{{- end -}}
{{- range $anti.preferredDuringSchedulingIgnoredDuringExecution -}}
{{- if not (hasKey .podAffinityTerm "labelSelector") -}}
{{- $_ := mustMerge .podAffinityTerm (include "kerf.ownSelector" $ | fromYaml) -}}
{{- end -}}
{{- end -}}
{{- toYaml $anti -}}
{{- end -}}

{{/* kerf.spread is how the pods spread over zones and the like. */}}
{{- define "kerf.spread" -}}
{{- $constraints := deepCopy .Values.topologySpreadConstraints -}}
{{- range $constraints -}}
{{- if not (hasKey . "labelSelector") -}}
{{- $_ := mustMerge . (include "kerf.ownSelector" $ | fromYaml) -}}
{{- end -}}
{{- end -}}
{{- toYaml $constraints -}}
{{- end -}}

{{/* kerf.sidecars are the containers beside the controller, all with the volume mounts that the values have for them. */}}
{{- define "kerf.sidecars" -}}
{{- $containers := list -}}
{{- range .Values.controller.sidecarContainer -}}
{{- $mounts := concat (.volumeMounts | default list) $.Values.controller.sidecarVolumeMounts -}}
{{- $containers = append $containers (empty $mounts | ternary . (mustMergeOverwrite (deepCopy .) (dict "volumeMounts" $mounts))) -}}
{{- end -}}
{{- toYaml $containers -}}
{{- end -}}
