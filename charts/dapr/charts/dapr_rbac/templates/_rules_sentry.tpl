{{- /* The proof of who asks for a certificate; not to be had in a Role. */}}
{{- define "rbac.sentryClusterRules" -}}
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
{{- end }}

{{- define "rbac.sentryWorkloadRules" -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
{{- /* The mark of a pod that will outlive the last root it knows. */}}
- apiGroups: [""]
  resources: [pods/status]
  verbs: [patch]
- apiGroups: [dapr.io]
  resources: [configurations]
  verbs: [get, list, watch]
{{- end }}

{{- /* Restarts of workloads, where a namespace says when. */}}
{{- define "rbac.sentryRestartRules" -}}
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [get]
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [get, patch]
{{- end }}

{{- define "rbac.sentryBundleRules" -}}
- apiGroups: [""]
  resources: [secrets, configmaps]
  resourceNames: [dapr-trust-bundle]
  verbs: [get, list, watch, update, patch]
# To make them again where somebody deleted them. Creation can't be limited to a name.
- apiGroups: [""]
  resources: [secrets, configmaps]
  verbs: [create]
{{- end }}

{{- /* What it tells those who look at the bundle's objects. */}}
{{- define "rbac.sentryEventRules" -}}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
