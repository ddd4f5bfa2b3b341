{{- define "trilby.replicas" -}}
{{ ternary .Values.global.ha.replicaCount .Values.replicaCount .Values.global.ha.enabled | int64 }}
{{- end }}

{{- /* Metadata of a pod; takes dict root, app, service, annotations. Sentry derives the service's SPIFFE ID from
dapr.io/control-plane, so nothing may replace that one. */}}
{{- define "trilby.podMetadata" -}}
{{- $own := merge (dict "dapr.io/control-plane" .service) .annotations -}}
labels:
  app: {{ .app }}
  {{- include "trilby.labels" .root | nindent 2 }}
  {{- include "trilby.put" (list "trilby.texts" .root.Values.global.labels 2) }}
annotations:
  {{- include "trilby.put" (list "trilby.annotations" (list .root $own) 2) }}
{{- end }}

{{- /* Where and how a pod is placed; takes dict root, app, spread. */}}
{{- define "trilby.placing" -}}
{{- $own := .root.Values }}
{{- $global := $own.global }}
{{- with include "trilby.pullSecrets" $global | trim }}
imagePullSecrets:
  {{- . | nindent 2 }}
{{- end }}
{{- with $own.priorityClassName | default $global.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with merge (dict) $own.nodeSelector $global.nodeSelector }}
nodeSelector:
  {{- include "trilby.put" (list "trilby.texts" . 2) }}
{{- end }}
{{- with concat $global.tolerations $own.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
affinity:
  {{- if $own.affinity }}
  {{- toYaml $own.affinity | nindent 2 }}
  {{- else }}
  {{- include "trilby.affinity" . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "trilby.pullSecrets" -}}
{{- $secrets := .imagePullSecrets }}
{{- if kindIs "string" $secrets }}{{ $secrets = compact (list $secrets) }}{{ end }}
{{- range $secrets }}
- name: {{ if kindIs "string" . }}{{ . }}{{ else }}{{ .name }}{{ end }}
{{- end }}
{{- end }}

{{- define "trilby.affinity" -}}
{{- $global := .root.Values.global -}}
nodeAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    nodeSelectorTerms:
    - matchExpressions:
      - key: kubernetes.io/os
        operator: In
        values: [{{ $global.daprControlPlaneOs | quote }}]
      {{- with $global.daprControlPlaneArch }}
      - key: kubernetes.io/arch
        operator: In
        values: [{{ . | quote }}]
      {{- end }}
{{- if .spread }}
podAntiAffinity:
  {{ $global.ha.podAntiAffinityPolicy }}:
  {{- if hasPrefix "required" $global.ha.podAntiAffinityPolicy }}
  - {{- include "trilby.awayFromApp" . | nindent 4 }}
  {{- else }}
  - weight: 100
    podAffinityTerm:
      {{- include "trilby.awayFromApp" . | nindent 6 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "trilby.awayFromApp" -}}
topologyKey: {{ .root.Values.global.ha.topologyKey }}
labelSelector:
  matchExpressions:
  - key: app
    operator: In
    values: [{{ .app }}]
{{- end }}

{{- /* Under HA, or always: takes dict root, name, app, always. The selector has no version label, so that both sides of a rolling
update are protected. */}}
{{- define "trilby.disruptionBudget" -}}
{{- $ha := .root.Values.global.ha }}
{{- if or .always $ha.enabled -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    app: {{ .app }}
    {{- include "trilby.labels" .root | nindent 4 }}
spec:
  {{- if $ha.disruption.minimumAvailable }}
  minAvailable: {{ $ha.disruption.minimumAvailable }}
  {{- else }}
  maxUnavailable: {{ $ha.disruption.maximumUnavailable }}
  {{- end }}
  selector:
    matchLabels:
      app: {{ .app }}
{{- end }}
{{- end }}
