{{- /* What the operator reads and writes where applications live. */}}
{{- define "rbac.operatorRules" -}}
- apiGroups: [dapr.io]
  resources: [components, configurations, httpendpoints, mcpservers, resiliencies, subscriptions, workflowaccesspolicies]
  verbs: [get, list, watch]
- apiGroups: [dapr.io]
  resources: [components/status, configurations/status, httpendpoints/status, mcpservers/status, resiliencies/status, subscriptions/status, workflowaccesspolicies/status]
  verbs: [patch]
# What it tells people about their resources.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
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

{{- /* The kinds of resources, the conversion of Subscriptions and the validation; not to be had in a Role. */}}
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
    - sharedinstances.trilby.dev
  verbs: [get, list, watch, patch]
# Creation can't be limited to a name.
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  verbs: [create]
- apiGroups: [admissionregistration.k8s.io]
  resources: [validatingwebhookconfigurations]
  resourceNames: [dapr-resource-validation]
  verbs: [get, patch]
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
