{{- /* Includes a block that may be empty on a line of its own, without leaving a blank one; takes (list name argument
indentation). */}}
{{- define "trilby.put" -}}
{{- with include (index . 0) (index . 1) | trim }}{{ . | nindent (index $ 2) }}{{ end }}
{{- end }}
