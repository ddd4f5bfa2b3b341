{{- /* One flag per value that was given; takes a list of flag and value. */}}
{{- define "sentry.flag" -}}
{{- with index . 1 }}
- {{ printf "--%s=%v" (index $ 0) . | quote }}
{{- end }}
{{- end }}

{{- define "sentry.rotationArgs" -}}
{{- if not .enabled }}
{{- include "sentry.flag" (list "root-rotation" "false") }}
{{- end }}
{{- include "sentry.flag" (list "root-lifetime" .rootLifetime) }}
{{- include "sentry.flag" (list "root-rotation-interval" .interval) }}
{{- end }}

{{- define "sentry.jwtArgs" -}}
{{- if .enabled }}
{{- include "sentry.flag" (list "jwt-enabled" true) }}
{{- include "sentry.flag" (list "jwt-key-filename" .keyFilename) }}
{{- include "sentry.flag" (list "jwks-filename" .jwksFilename) }}
{{- include "sentry.flag" (list "jwt-issuer" .issuer) }}
{{- include "sentry.flag" (list "jwt-signing-algorithm" .signingAlgorithm) }}
{{- include "sentry.flag" (list "jwt-key-id" .keyID) }}
{{- end }}
{{- end }}

{{- define "sentry.oidcArgs" -}}
{{- if .enabled }}
{{- include "sentry.flag" (list "oidc-enabled" true) }}
{{- include "sentry.flag" (list "oidc-server-listen-address" "0.0.0.0") }}
{{- include "sentry.flag" (list "oidc-jwks-uri" .jwksURI) }}
{{- include "sentry.flag" (list "oidc-path-prefix" .pathPrefix) }}
{{- include "sentry.flag" (list "oidc-allowed-hosts" (join "," .allowedHosts)) }}
{{- include "sentry.flag" (list "oidc-server-tls-enabled" (ternary "true" "false" .tls.enabled)) }}
{{- if .tls.enabled }}
{{- include "sentry.flag" (list "oidc-server-tls-cert-file" .tls.certFile) }}
{{- include "sentry.flag" (list "oidc-server-tls-key-file" .tls.keyFile) }}
{{- end }}
{{- end }}
{{- end }}
