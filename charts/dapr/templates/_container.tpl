{{- /* What the containers of all services have in common; takes dict root, healthz (port), and alive: a port whose opening is
all that liveness asks, where health also depends on others. */}}
{{- define "trilby.container" -}}
{{- $own := .root.Values -}}
imagePullPolicy: {{ $own.global.imagePullPolicy }}
securityContext:
  {{- include "trilby.securityContext" $own | nindent 2 }}
livenessProbe:
  {{- include "trilby.probe" (dict "probe" $own.livenessProbe "port" .healthz "open" .alive) | nindent 2 }}
readinessProbe:
  {{- include "trilby.probe" (dict "probe" $own.readinessProbe "port" .healthz) | nindent 2 }}
{{- with $own.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* The restricted level of Pod Security. The scheduler has its settings in a map, as in Dapr's chart. */}}
{{- define "trilby.securityContext" -}}
{{- $own := .securityContext | default . -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
runAsNonRoot: {{ $own.runAsNonRoot }}
{{- if ne (toString .global.runAsUser) "" }}
runAsUser: {{ .global.runAsUser | int64 }}
{{- end }}
{{- if ne (toString .global.runAsGroup) "" }}
runAsGroup: {{ .global.runAsGroup | int64 }}
{{- end }}
{{- with .global.seccompProfile }}
seccompProfile:
  type: {{ . }}
{{- end }}
{{- end }}

{{- define "trilby.probe" -}}
{{- if .open -}}
tcpSocket:
  port: {{ .open }}
{{- else -}}
httpGet:
  path: /healthz
  port: {{ .port }}
{{- end }}
{{ toYaml .probe }}
{{- end }}

{{- define "trilby.logArgs" -}}
- --log-level
- {{ .Values.logLevel | quote }}
{{- if .Values.global.logAsJson }}
- --log-as-json
{{- end }}
{{- end }}

{{- define "trilby.metricsArgs" -}}
{{- if .Values.global.prometheus.enabled -}}
- --enable-metrics
- --metrics-port
- {{ .Values.global.prometheus.port | quote }}
{{- else -}}
- --enable-metrics=false
{{- end }}
{{- end }}

{{- define "trilby.metricsPort" -}}
{{- if .Values.global.prometheus.enabled }}
- name: metrics
  containerPort: {{ .Values.global.prometheus.port }}
  protocol: TCP
{{- end }}
{{- end }}

{{- /* Takes dict root and env, a map of names to texts; extraEnvVars win, since a name may appear only once. */}}
{{- define "trilby.env" -}}
{{- $all := deepCopy .env }}
{{- range $key, $value := omit .root.Values.extraEnvVars "NAMESPACE" }}{{ $_ := set $all $key $value }}{{ end -}}
- name: NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- range $key, $value := $all }}
- name: {{ $key }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end }}

{{- /* Trust anchors of the mesh, and the token that proves the service to sentry. */}}
{{- define "trilby.identityMounts" -}}
- name: dapr-trust-bundle
  mountPath: /var/run/secrets/dapr.io/tls
  readOnly: true
{{- if .Values.global.mtls.mountSentryVolume }}
- name: dapr-identity-token
  mountPath: /var/run/secrets/dapr.io/sentrytoken
  readOnly: true
{{- end }}
{{- end }}

{{- define "trilby.identityVolumes" -}}
- name: dapr-trust-bundle
  configMap:
    name: dapr-trust-bundle
{{- if .Values.global.mtls.mountSentryVolume }}
- name: dapr-identity-token
  projected:
    sources:
    - serviceAccountToken:
        path: token
        expirationSeconds: 600
        audience: {{ include "trilby.sentryID" . | quote }}
{{- end }}
{{- end }}

{{- /* A user's list for one service out of a map keyed by service; takes (list map service), prints nothing for none. */}}
{{- define "trilby.extra" -}}
{{- with get (index . 0) (index . 1) }}{{ toYaml . }}{{ end }}
{{- end }}
