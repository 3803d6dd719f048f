module openim/examples/go

go 1.22

require github.com/coder/websocket v1.8.13
