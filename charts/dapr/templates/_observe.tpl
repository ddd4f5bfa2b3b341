{{- /* The head of a PrometheusRule of a service; takes dict root, app. */}}
{{- define "trilby.rule" -}}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {{ .app }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    app: {{ .app }}
    {{- include "trilby.labels" .root | nindent 4 }}
    {{- include "trilby.put" (list "trilby.texts" .root.Values.alerts.labels 4) }}
{{- end }}
