{{- define "openim.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{ include "openim.selector" . }}
{{- end }}

{{- define "openim.selector" -}}
app.kubernetes.io/name: openim
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "openim.name" -}}
{{- if contains "openim" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-openim{{ end -}}
{{- end }}
