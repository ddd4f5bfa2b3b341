{{- /* Pods that are being deleted lose their actors while their sidecars still answer. */}}
{{- define "rbac.placementRules" -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
{{- end }}
