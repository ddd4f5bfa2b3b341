{{- /* Labels of every object; the texts in global.k8sLabels may refer to the release and the subchart's values. */}}
{{- define "trilby.labels" -}}
{{ tpl (toYaml .Values.global.k8sLabels) . }}
{{- end }}

{{- /* Image reference of a name; takes (list root name). */}}
{{- define "trilby.image" -}}
{{- $global := (index . 0).Values.global }}
{{- $name := index . 1 }}
{{- if contains "/" $name }}{{ $name }}{{ else }}{{ printf "%s/%s:%v" $global.registry $name $global.tag }}{{ end }}
{{- end }}

{{- /* Name of an object outside of namespaces, of which every control plane has its own; takes (list root name). */}}
{{- define "trilby.clusterName" -}}
{{- index . 1 }}{{ with (index . 0).Values.global.revision }}-{{ . }}{{ end }}
{{- end }}

{{- define "trilby.sentryAddress" -}}
{{ .Values.global.mtls.sentryAddress | default (printf "dapr-sentry.%s.svc%s:443" .Release.Namespace .Values.global.dnsSuffix) }}
{{- end }}

{{- /* Audience of the tokens that prove a service to sentry. */}}
{{- define "trilby.sentryID" -}}
spiffe://{{ .Values.global.mtls.controlPlaneTrustDomain }}/ns/{{ .Release.Namespace }}/dapr-sentry
{{- end }}

{{- /* Prometheus annotations under those that the user gave; takes (list root own), prints nothing for none. */}}
{{- define "trilby.annotations" -}}
{{- $global := (index . 0).Values.global }}
{{- $all := dict }}
{{- if $global.prometheus.enabled }}
{{- $all = dict "prometheus.io/scrape" "true" "prometheus.io/port" $global.prometheus.port "prometheus.io/path" "/" }}
{{- end }}
{{- range $key, $value := index . 1 }}{{ $_ := set $all $key $value }}{{ end }}
{{- include "trilby.texts" $all }}
{{- end }}

{{- /* A map whose values Kubernetes wants as text, numbers included. */}}
{{- define "trilby.texts" -}}
{{- range $key, $value := . }}
{{ $key | quote }}: {{ $value | toString | quote }}
{{- end }}
{{- end }}

{{- /* Address families of a Service. */}}
{{- define "trilby.ipFamilies" -}}
{{- with .Values.global.ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .Values.global.ipFamilies }}
ipFamilies: {{ toJson . }}
{{- end }}
{{- end }}

{{- /* Port of the Prometheus endpoint in a Service. */}}
{{- define "trilby.metricsServicePort" -}}
{{- if .Values.global.prometheus.enabled }}
- name: metrics
  port: {{ .Values.global.prometheus.port }}
  targetPort: {{ .Values.global.prometheus.port }}
  protocol: TCP
  appProtocol: http
{{- end }}
{{- end }}
