{{- /* What the operator reads and writes where applications live. */}}
{{- define "rbac.operatorRules" -}}
- apiGroups: [dapr.io]
  resources: [components, configurations, httpendpoints, mcpservers, resiliencies, subscriptions, workflowaccesspolicies]
  verbs: [get, list, watch]
# By name only, where a resource refers to one.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, delete{{ if .Values.global.operator.watchdogCanPatchPodLabels }}, patch{{ end }}]
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [get, list, watch]
# A Service may hold up the deletion of its owner only with this right.
- apiGroups: [apps]
  resources: [deployments/finalizers, statefulsets/finalizers]
  verbs: [update]
{{- if .Values.global.argoRolloutServiceReconciler.enabled }}
- apiGroups: [argoproj.io]
  resources: [rollouts]
  verbs: [get, list, watch]
- apiGroups: [argoproj.io]
  resources: [rollouts/finalizers]
  verbs: [update]
{{- end }}
{{- end }}

{{- /* The conversion webhook of Subscriptions; not to be had in a Role. */}}
{{- define "rbac.operatorCRDRules" -}}
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames:
    - components.dapr.io
    - configurations.dapr.io
    - httpendpoints.dapr.io
    - mcpservers.dapr.io
    - resiliencies.dapr.io
    - subscriptions.dapr.io
    - workflowaccesspolicies.dapr.io
  verbs: [get, list, watch, patch]
{{- end }}

{{- /* Leader election. Creation can't be limited to a name. */}}
{{- define "rbac.operatorLeaseRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [operator.dapr.io]
  verbs: [get, list, watch, update, patch]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end }}
