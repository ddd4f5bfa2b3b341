{{- /* One of the scheduler's two Services; takes dict root, name, port (of the API), headless. */}}
{{- define "scheduler.service" -}}
{{- $ports := .root.Values.ports -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    app: dapr-scheduler-server
    {{- include "trilby.labels" .root | nindent 4 }}
  {{- with include "trilby.annotations" (list .root .root.Values.service.annotations) | trim }}
  annotations:
    {{- . | nindent 4 }}
  {{- end }}
spec:
  {{- if .headless }}
  clusterIP: None
  {{- else }}
  type: ClusterIP
  {{- end }}
  # Members find each other before they are ready.
  publishNotReadyAddresses: true
  {{- include "trilby.put" (list "trilby.ipFamilies" .root 2) }}
  selector:
    app: dapr-scheduler-server
  ports:
    - name: api
      port: {{ .port }}
      targetPort: 50006
      protocol: {{ $ports.protocol }}
      appProtocol: tls
    - name: etcd-client
      port: {{ $ports.etcdGRPCClientPort }}
      targetPort: {{ $ports.etcdGRPCClientPort }}
      protocol: {{ $ports.protocol }}
      appProtocol: tcp
    - name: etcd-peer
      port: {{ $ports.etcdGRPCPeerPort }}
      targetPort: {{ $ports.etcdGRPCPeerPort }}
      protocol: {{ $ports.protocol }}
      appProtocol: tls
    {{- include "trilby.put" (list "trilby.metricsServicePort" .root 4) }}
{{- end }}
