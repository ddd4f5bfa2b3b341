{{- /* The injector is configured by environment; a map of names to texts. */}}
{{- define "injector.env" -}}
DAPR_TRUST_ANCHORS_FILE: /var/run/secrets/dapr.io/tls/ca.crt
DAPR_CONTROL_PLANE_TRUST_DOMAIN: {{ .Values.global.mtls.controlPlaneTrustDomain | quote }}
DAPR_SENTRY_ADDRESS: {{ include "trilby.sentryAddress" . | quote }}
KUBE_CLUSTER_DOMAIN: {{ .Values.kubeClusterDomain | default (trimPrefix "." .Values.global.dnsSuffix) | quote }}
SIDECAR_IMAGE: {{ include "trilby.image" (list . .Values.image.name) | quote }}
SIDECAR_IMAGE_PULL_POLICY: {{ .Values.sidecarImagePullPolicy | quote }}
SIDECAR_RUN_AS_NON_ROOT: {{ .Values.sidecarRunAsNonRoot | quote }}
{{- if not (kindIs "invalid" .Values.sidecarRunAsUser) }}
SIDECAR_RUN_AS_USER: {{ .Values.sidecarRunAsUser | int64 | quote }}
{{- end }}
{{- if not (kindIs "invalid" .Values.sidecarRunAsGroup) }}
SIDECAR_RUN_AS_GROUP: {{ .Values.sidecarRunAsGroup | int64 | quote }}
{{- end }}
SIDECAR_READ_ONLY_ROOT_FILESYSTEM: {{ .Values.sidecarReadOnlyRootFilesystem | quote }}
SIDECAR_DROP_ALL_CAPABILITIES: {{ .Values.sidecarDropALLCapabilities | quote }}
ENABLE_K8S_DOWNWARD_APIS: {{ .Values.enableK8sDownwardAPIs | quote }}
NATIVE_SIDECAR_ENABLED: {{ .Values.nativeSidecar | quote }}
NATIVE_SIDECAR_IN_JOBS: {{ .Values.nativeSidecarInJobs | quote }}
SHUTDOWN_DELAY_SECONDS: {{ .Values.shutdownDelaySeconds | int64 | quote }}
ACTORS_ENABLED: {{ .Values.global.actors.enabled | quote }}
{{- with .Values.sidecarDefaults }}
SIDECAR_DEFAULTS: {{ . | toJson | quote }}
{{- end }}
{{- with .Values.ignoreEntrypointTolerations }}
IGNORE_ENTRYPOINT_TOLERATIONS: {{ . | quote }}
{{- end }}
{{- with .Values.allowedServiceAccounts }}
ALLOWED_SERVICE_ACCOUNTS: {{ . | quote }}
{{- end }}
{{- with .Values.allowedServiceAccountsPrefixNames }}
ALLOWED_SERVICE_ACCOUNTS_PREFIX_NAMES: {{ . | quote }}
{{- end }}
{{- with .Values.global.actors }}
{{- if .enabled }}
ACTORS_SERVICE_NAME: {{ .serviceName | quote }}
ACTORS_SERVICE_ADDRESS: {{ .serviceAddress | default "dapr-placement-server:50005" | quote }}
{{- end }}
{{- end }}
{{- with .Values.global.reminders }}
{{- if .serviceName }}
REMINDERS_SERVICE_NAME: {{ .serviceName | quote }}
REMINDERS_SERVICE_ADDRESS: {{ .serviceAddress | quote }}
{{- end }}
{{- end }}
{{- end }}
