{{- /* Members of the embedded etcd. The scheduler always listens for its peers on 2380. */}}
{{- define "scheduler.peers" -}}
{{- $peers := list }}
{{- range $number := until 3 }}
{{- $name := printf "dapr-scheduler-server-%d" $number }}
{{- $peers = append $peers (printf "%s=https://%s.dapr-scheduler-server.%s.svc%s:2380" $name $name $.Release.Namespace $.Values.global.dnsSuffix) }}
{{- end }}
{{- join "," $peers }}
{{- end }}

{{- /* An etcd that someone else runs. */}}
{{- define "scheduler.clientArgs" -}}
- --etcd-embed={{ .etcdEmbed }}
{{- with .etcdClientEndpoints }}
- --etcd-client-endpoints
- {{ join "," . | quote }}
{{- end }}
{{- with .etcdClientUsername }}
- --etcd-client-username
- {{ . | quote }}
{{- end }}
{{- with .etcdClientPassword }}
- --etcd-client-password
- {{ . | quote }}
{{- end }}
{{- end }}

{{- define "scheduler.etcdArgs" -}}
- --etcd-space-quota={{ .etcdSpaceQuota }}
- --etcd-compaction-mode={{ .etcdCompactionMode }}
- --etcd-compaction-retention={{ .etcdCompactionRetention }}
- --etcd-snapshot-count={{ .etcdSnapshotCount | int64 }}
- --etcd-max-snapshots={{ .etcdMaxSnapshots | int64 }}
- --etcd-max-wals={{ .etcdMaxWals | int64 }}
- --etcd-backend-batch-limit={{ .etcdBackendBatchLimit | int64 }}
- --etcd-backend-batch-interval={{ .etcdBackendBatchInterval }}
- --etcd-max-txn-ops={{ .etcdMaxTxnOps | int64 }}
- --etcd-experimental-bootstrap-defrag-threshold-megabytes={{ .etcdDefragThresholdMB | int64 }}
- --etcd-initial-election-tick-advance={{ .etcdInitialElectionTickAdvance }}
- --etcd-metrics={{ .etcdMetrics }}
{{- end }}
