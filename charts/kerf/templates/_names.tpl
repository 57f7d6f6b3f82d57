{{/* What every object is labelled with as karpenter's: dashboards and habits select by it. */}}
{{- define "kerf.name" -}}
{{- .Values.nameOverride | default "karpenter" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of objects: the release's, with the name above unless the release is called by it. */}}
{{- define "kerf.fullname" -}}
{{- $name := include "kerf.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "kerf.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "kerf.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* The Secret in which replicas agree on what signs their serving certificates. */}}
{{- define "kerf.certificateSecret" -}}
{{- printf "%s-cert" (include "kerf.fullname" .) -}}
{{- end -}}

{{/* A Deployment's selector cannot change: nothing that does may be in here. */}}
{{- define "kerf.selector" -}}
app.kubernetes.io/name: {{ include "kerf.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The metadata of an object, given as a dict: root, name, namespaced or a namespace that is not the release's, and labels and annotations of its own. */}}
{{- define "kerf.metadata" -}}
{{- $root := .root -}}
name: {{ .name }}
{{- if .namespaced }}
namespace: {{ $root.Release.Namespace }}
{{- else if .namespace }}
namespace: {{ .namespace }}
{{- end }}
labels:
  {{- $standard := fromYaml (include "kerf.selector" $root) -}}
  {{- $_ := set $standard "app.kubernetes.io/version" $root.Chart.AppVersion -}}
  {{- $_ := set $standard "app.kubernetes.io/managed-by" $root.Release.Service -}}
  {{- $_ := set $standard "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") -}}
  {{- mustMerge $standard (deepCopy (.labels | default dict)) $root.Values.additionalLabels | toYaml | nindent 2 }}
{{- with mustMerge (deepCopy (.annotations | default dict)) $root.Values.additionalAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
