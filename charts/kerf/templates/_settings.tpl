{{/*
kerf.lookup finds the value of a path such as settings.aws.clusterName, given as a dict: root, path. It returns JSON:
an object with the value, empty if nobody set it. False and 0 are values; "" and an empty map are none.
*/}}
{{- define "kerf.lookup" -}}
{{- $node := .root.Values -}}
{{- range splitList "." .path -}}
{{- if kindIs "map" $node -}}
{{- $node = get $node . -}}
{{- else -}}
{{- $node = "" -}}
{{- end -}}
{{- end -}}
{{- if or (kindIs "invalid" $node) (and (kindIs "string" $node) (not $node)) (and (kindIs "map" $node) (not $node)) -}}
{}
{{- else -}}
{{- dict "value" $node | toJson -}}
{{- end -}}
{{- end -}}

{{/*
kerf.text writes a value as a flag takes it. Numbers from YAML are floats: account ids must not become 1.2e+11. A map
becomes key=value,... each in quotes as in CSV, but for a lone pair without another =, which is taken as it is.
*/}}
{{- define "kerf.text" -}}
{{- if kindIs "map" . -}}
{{- $pairs := list -}}
{{- range $key, $value := . -}}
{{- $pairs = append $pairs (printf "%s=%s" $key (include "kerf.text" $value)) -}}
{{- end -}}
{{- if and (eq (len $pairs) 1) (eq (len (splitList "=" (first $pairs))) 2) -}}
{{- first $pairs -}}
{{- else -}}
{{- printf "\"%s\"" (join "\",\"" $pairs) -}}
{{- end -}}
{{- else if and (kindIs "float64" .) (eq . (floor .)) -}}
{{- printf "%.0f" . -}}
{{- else -}}
{{- toString . -}}
{{- end -}}
{{- end -}}

{{/*
kerf.setting reads a setting that has several spellings, given as a dict: root, values. It returns JSON: path, value and
text of the first spelling that is set, and a conflict where another one says something else.
*/}}
{{- define "kerf.setting" -}}
{{- $root := .root -}}
{{- $setting := dict -}}
{{- range $path := .values -}}
{{- $found := include "kerf.lookup" (dict "root" $root "path" $path) | fromJson -}}
{{- if hasKey $found "value" -}}
{{- $text := include "kerf.text" $found.value -}}
{{- if not (hasKey $setting "path") -}}
{{- $setting = dict "path" $path "value" $found.value "text" $text -}}
{{- else if ne $setting.text $text -}}
{{- $_ := set $setting "conflict" (printf "%s says %s and %s says %s: they are one setting in two spellings; leave one out" $setting.path (quote $setting.text) $path (quote $text)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $setting -}}
{{- end -}}

{{- define "kerf.memoryLimit" -}}
{{- ((.Values.controller.resources | default dict).limits | default dict).memory | default "" -}}
{{- end -}}

{{/* kerf.environment lists the environment variables that values set; kerf has the defaults of the rest. */}}
{{- define "kerf.environment" -}}
{{- range .Files.Get "files/settings.yaml" | fromYamlArray }}
{{- $setting := include "kerf.setting" (dict "root" $ "values" .values) | fromJson }}
{{- if and (hasKey $setting "text") (or $.Values.webhook.enabled (not (hasPrefix "WEBHOOK_" .env))) }}
- name: {{ .env }}
  value: {{ quote $setting.text }}
{{- end }}
{{- end }}
- name: DISABLE_WEBHOOK
  value: {{ not .Values.webhook.enabled | quote }}
{{- if .Values.webhook.enabled }}
- name: WEBHOOK_CERT_SECRET
  value: {{ include "kerf.certificateSecret" . }}
{{- end }}
{{- if include "kerf.memoryLimit" . }}
# kerf collects garbage in time for 90 % of this, in place of being killed at the limit.
- name: MEMORY_LIMIT
  valueFrom:
    resourceFieldRef:
      resource: limits.memory
{{- end }}
- name: SYSTEM_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- end -}}

{{/* kerf.images maps the parts of the image's reference to what sets them. */}}
{{- define "kerf.images" -}}
repository: [image.repository, controller.image.repository]
tag: [image.tag, controller.image.tag]
digest: [image.digest, controller.image.digest]
{{- end -}}

{{/* kerf.imageRepository is the repository that the values name; it is empty when they name none. */}}
{{- define "kerf.imageRepository" -}}
{{- (include "kerf.setting" (dict "root" . "values" (include "kerf.images" . | fromYaml).repository) | fromJson).text | default "" -}}
{{- end -}}

{{- define "kerf.image" -}}
{{- $parts := dict -}}
{{- range $part, $values := include "kerf.images" . | fromYaml -}}
{{- $_ := set $parts $part (get (include "kerf.setting" (dict "root" $ "values" $values) | fromJson) "text") -}}
{{- end -}}
{{- $parts.repository | default "kerf" }}:{{ $parts.tag | default .Chart.AppVersion }}
{{- with $parts.digest }}@{{ . }}{{ end }}
{{- end -}}

{{/*
kerf.unsupported lists the values that ask for what this version does not do, as a JSON array of objects: refuse, says.
*/}}
{{- define "kerf.unsupported" -}}
{{- $asked := list -}}
{{- range .Files.Get "files/unsupported.yaml" | fromYamlArray -}}
{{- $setting := include "kerf.setting" (dict "root" $ "values" .values) | fromJson -}}
{{- $text := $setting.text | default "" -}}
{{- if kindIs "map" $setting.value -}}
{{- /* Of gates, those that are off ask for nothing. */ -}}
{{- $on := list -}}
{{- range $gate, $value := $setting.value -}}
{{- if eq (toString $value) "true" -}}{{- $on = append $on $gate -}}{{- end -}}
{{- end -}}
{{- $text = join ", " $on -}}
{{- end -}}
{{- if and $text (not (has $text (.same | default list))) -}}
{{- $asked = append $asked (dict "refuse" (.refuse | default false) "says" (printf "%s: %s is %s: %s" $setting.path (quote $text) (ternary "refused" "not acted on" (.refuse | default false)) .says)) -}}
{{- end -}}
{{- end -}}
{{- toJson $asked -}}
{{- end -}}

{{/* kerf.ownTags matches the keys of tags that the controller refuses in --aws-tags. */}}
{{- define "kerf.ownTags" -}}
^((?i:aws:)|kubernetes\.io/cluster/[0-9A-Za-z][0-9A-Za-z_-]*$|karpenter\.sh/(provisioner-name|managed-by|cluster-uid|launch-group|launch-attempt)$|karpenter\.k8s\.aws/cluster$)
{{- end -}}

{{/* kerf.check refuses values that cannot work, all at once. */}}
{{- define "kerf.check" -}}
{{- $problems := list -}}
{{- $variables := dict "DISABLE_WEBHOOK" "webhook.enabled" "WEBHOOK_CERT_SECRET" "fullnameOverride" "SYSTEM_NAMESPACE" "the namespace of the release" -}}
{{- if include "kerf.memoryLimit" . -}}
{{- range list "MEMORY_LIMIT" "GOMEMLIMIT" -}}
{{- $_ := set $variables . "controller.resources.limits.memory" -}}
{{- end -}}
{{- end -}}
{{- $spellings := include "kerf.images" . | fromYaml | values -}}
{{- range .Files.Get "files/settings.yaml" | fromYamlArray -}}
{{- $_ := set $variables .env (first .values) -}}
{{- $spellings = append $spellings .values -}}
{{- end -}}
{{- range .Files.Get "files/unsupported.yaml" | fromYamlArray -}}
{{- $spellings = append $spellings .values -}}
{{- end -}}
{{- range $spellings -}}
{{- with (include "kerf.setting" (dict "root" $ "values" .) | fromJson).conflict -}}
{{- $problems = append $problems . -}}
{{- end -}}
{{- end -}}
{{- $tags := include "kerf.setting" (dict "root" $ "values" (list "settings.tags" "settings.aws.tags")) | fromJson -}}
{{- range $key, $_ := $tags.value -}}
{{- if regexMatch (include "kerf.ownTags" $) $key -}}
{{- $problems = append $problems (printf "%s has %s, which kerf or AWS sets itself: leave it out" $tags.path (quote $key)) -}}
{{- end -}}
{{- end -}}
{{- if not (include "kerf.setting" (dict "root" $ "values" (list "settings.clusterName" "settings.aws.clusterName" "clusterName")) | fromJson) -}}
{{- $problems = append $problems "settings.clusterName is not set: kerf has to know the name of the EKS cluster; add --set settings.clusterName=NAME" -}}
{{- end -}}
{{- range include "kerf.unsupported" . | fromJsonArray -}}
{{- if .refuse -}}{{- $problems = append $problems .says -}}{{- end -}}
{{- end -}}
{{- range .Values.controller.env -}}
{{- if hasKey $variables .name -}}
{{- $problems = append $problems (printf "controller.env sets %s, which %s sets" .name (get $variables .name)) -}}
{{- end -}}
{{- end -}}
{{- with $problems -}}
{{- fail (printf "\n\n  - %s\n" (join "\n  - " (sortAlpha .))) -}}
{{- end -}}
{{- end -}}
