{{- /* Service account of a service; takes dict root, name, annotations. */}}
{{- define "rbac.account" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "trilby.labels" .root | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- include "trilby.put" (list "trilby.texts" . 4) }}
  {{- end }}
{{- end }}

{{- /* A role and its binding to an account; takes dict root, name, account, rules (YAML text), and namespaced. The pair
of names is a contract: a binding's role can't be changed in place. */}}
{{- define "rbac.role" -}}
{{- $kind := ternary "Role" "ClusterRole" .namespaced -}}
{{- $name := .name }}
{{- if not .namespaced }}{{ $name = include "trilby.clusterName" (list .root .name) }}{{ end -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  name: {{ $name }}
  {{- if .namespaced }}
  namespace: {{ .root.Release.Namespace }}
  {{- end }}
  labels:
    {{- include "trilby.labels" .root | nindent 4 }}
{{- if .rules }}
rules:
  {{- .rules | nindent 2 }}
{{- else }}
rules: []
{{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  name: {{ $name }}
  {{- if .namespaced }}
  namespace: {{ .root.Release.Namespace }}
  {{- end }}
  labels:
    {{- include "trilby.labels" .root | nindent 4 }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ .root.Release.Namespace }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ $name }}
{{- end }}
