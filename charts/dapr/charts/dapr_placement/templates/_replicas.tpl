{{- /* How many there are: three in HA, unless said otherwise. An even number would bear no more losses than one less. */}}
{{- define "placement.replicas" -}}
{{- $replicas := ternary 3 1 (or .Values.global.ha.enabled .Values.ha) }}
{{- if not (kindIs "invalid" .Values.replicaCount) }}{{ $replicas = int .Values.replicaCount }}{{ end }}
{{- if .Values.scaleZero }}{{ $replicas = 0 }}{{ end }}
{{- if and (gt (int $replicas) 1) (eq (mod $replicas 2) 0) }}
{{- fail (printf "dapr_placement.replicaCount is %d; a majority of its replicas elects a leader, so write an odd number such as 3" (int $replicas)) }}
{{- end }}
{{- $replicas }}
{{- end }}

{{- /* All replicas by name and address. */}}
{{- define "placement.peers" -}}
{{- $peers := list }}
{{- range $number := until (include "placement.replicas" . | int) }}
{{- $name := printf "dapr-placement-server-%d" $number }}
{{- $peers = append $peers (printf "%s=%s.dapr-placement-server.%s.svc%s:%v" $name $name $.Release.Namespace $.Values.global.dnsSuffix $.Values.ports.raftRPCPort) }}
{{- end }}
{{- join "," $peers }}
{{- end }}
