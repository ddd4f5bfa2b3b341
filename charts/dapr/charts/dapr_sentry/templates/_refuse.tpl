{{- /* Stops a release without PEM values after one that had them; takes the live Secret, or an empty map where
there is no cluster to ask. Releases of this chart say who wrote the Secret; of another chart's the field managers do. */}}
{{- define "sentry.refuseToEmpty" -}}
{{- $writer := dig "metadata" "annotations" "trilby.dev/written-by" "" . }}
{{- $byValues := eq $writer "values" }}
{{- if not $writer }}
{{- range dig "metadata" "managedFields" list . }}
{{- $wroteKey := hasKey (dig "fieldsV1" "f:data" dict .) "f:issuer.key" }}
{{- if and $wroteKey (has .manager (list "helm" "dapr" "helm-controller")) }}{{ $byValues = true }}{{ end }}
{{- end }}
{{- end }}
{{- if $byValues }}
{{- fail "an earlier release put the certificates into Secret dapr-trust-bundle by value. Without dapr_sentry.tls.root.certPEM, dapr_sentry.tls.issuer.certPEM and dapr_sentry.tls.issuer.keyPEM this release would empty it, and every running sidecar would lose its trust. Repeat the three values ('dapr mtls export -o DIR' writes the present ones to files for --set-file) or use --reuse-values; where no sidecar runs, deleting Secret and ConfigMap dapr-trust-bundle first starts over with a new root" }}
{{- end }}
{{- end }}
