{{- define "rbac.injectorClusterRules" -}}
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get, list]
{{- /* Metadata alone: the defaults that a namespace has in its annotations. */}}
- apiGroups: [""]
  resources: [namespaces]
  verbs: [list, watch]
- apiGroups: [admissionregistration.k8s.io]
  resources: [mutatingwebhookconfigurations]
  resourceNames: [{{ include "trilby.clusterName" (list . "dapr-sidecar-injector") }}]
  verbs: [get, list, watch, patch]
{{- end }}

{{- /* Tells why a pod has no sidecar. */}}
{{- define "rbac.injectorEventRules" -}}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{- /* For pods that ask for pluggable components. */}}
{{- define "rbac.injectorComponentRules" -}}
- apiGroups: [dapr.io]
  resources: [components]
  verbs: [get, list]
{{- end }}

{{- /* The default Configuration says whether sidecars use mTLS. */}}
{{- define "rbac.injectorConfigurationRules" -}}
- apiGroups: [dapr.io]
  resources: [configurations]
  verbs: [get, list, watch]
{{- end }}
