{{- /* Jobs of a namespace that is gone go with it. */}}
{{- define "rbac.schedulerRules" -}}
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get, list, watch]
{{- end }}
