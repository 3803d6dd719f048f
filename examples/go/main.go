// A chat client for openim in Go: the standard library and one package for websockets.
//
//	cd examples/go && go run . --secret-file ../../data/secret --me alice --to bob
//
// It logs in (and registers first if it must), shows what was missed, then what comes, and sends each line that is typed.
// Ctrl-D ends it once everything is sent. Links may break and the server may restart meanwhile: every line arrives once,
// in order. Messages go to standard output, everything else to standard error.
//
// What it does is in docs/protocol.md. A real app differs in one thing: the server's secret stays on the app's own server,
// which hands tokens to clients.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	mathrand "math/rand"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/coder/websocket"
)

const (
	newestSeq, pull, send, push = 1001, 1002, 1003, 2001
	toUser, toGroup             = 1, 2
	text                        = 101
	tokenRefused, unavailable   = 202, 500

	platform      = 7   // Linux
	page          = 100 // messages in a pull: an answer comes whole, so this bounds its size
	frameBytesMax = 64 << 20
	replyMax      = 10 * time.Second
	quietMax      = 20 * time.Second // then a ping says whether the server is there
	pauseFirst    = 500 * time.Millisecond
	pauseLongest  = 30 * time.Second
)

// errKicked: a newer login took this one's place; connecting again would start a fight.
var errKicked = errors.New("logged in elsewhere: a newer link of this user and platform took over")

// message is one of an inbox, as pulls and pushes have it.
type message struct {
	SendID, RecvID, Content, ClientMsgID string
	ContentType                          int
	Seq                                  int64
}

// outgoing is one that is sent until the server has it, under the same clientMsgID.
type outgoing struct {
	PlatformID     int            `json:"platformID"`
	SessionType    int            `json:"sessionType"`
	MsgFrom        int            `json:"msgFrom"`
	ContentType    int            `json:"contentType"`
	RecvID         string         `json:"recvID"`
	Content        string         `json:"content"`
	ClientMsgID    string         `json:"clientMsgID"`
	ForceList      []string       `json:"forceList"`
	Options        map[string]int `json:"options"`
	OfflineInfo    map[string]any `json:"offlineInfo"`
	SenderNickName string         `json:"senderNickName"`
	SenderFaceURL  string         `json:"senderFaceUrl"`
}

// frame is what comes on a link: a reply, or a push.
type frame struct {
	ReqIdentifier int
	MsgIncr       int64
	ErrCode       int
	ErrMsg        string
	Data          json.RawMessage
}

type client struct {
	rest, ws, secret, me, to string
	sessionType              int
	token                    string
	// Everything up to this seq has been shown. The one number that makes reception lossless.
	seq int64
	// Messages to send, oldest first; the first one leaves when the server has said that it holds it.
	outbox []*outgoing
	typed  <-chan string // closed at the end of the input
	ended  bool
	// Own messages come back in the inbox; these have been on this screen already.
	own  map[string]bool
	incr int64
}

func note(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "-- "+format+"\n", arguments...)
}

// login gives a new token; registers the user if there is none yet.
func (c *client) login() (string, error) {
	who := map[string]any{"secret": c.secret, "platform": platform, "uid": c.me, "name": c.me}
	var answer struct {
		ErrCode int
		ErrMsg  string
		Data    struct{ Token string }
	}
	for _, route := range []string{"/auth/user_token", "/auth/user_register"} {
		body, _ := json.Marshal(who)
		got, err := (&http.Client{Timeout: replyMax}).Post(c.rest+route, "application/json", bytes.NewReader(body))
		if err != nil {
			return "", err
		}
		err = json.NewDecoder(got.Body).Decode(&answer)
		got.Body.Close()
		if err != nil {
			return "", err
		}
		if answer.ErrCode == 0 {
			return answer.Data.Token, nil
		}
	}
	return "", fmt.Errorf("cannot log in: %s", answer.ErrMsg)
}

// run holds a link until all is said: connects, and connects again.
func (c *client) run() error {
	pause := pauseFirst
	for {
		caughtUp, err := c.once()
		if err == nil || errors.Is(err, errKicked) {
			return err
		}
		note("no link: %v", err)
		if caughtUp {
			pause = pauseFirst // that link had worked
		}
		// With some chance in it, or all clients of a server come back in the same moment.
		time.Sleep(pause/2 + time.Duration(mathrand.Int63n(int64(pause/2))))
		pause = min(pause*2, pauseLongest)
	}
}

// once is one link, from its beginning to its end; nil: everything is said.
func (c *client) once() (caughtUp bool, err error) {
	if c.token == "" {
		if c.token, err = c.login(); err != nil {
			return false, err
		}
	}
	query := url.Values{"sendID": {c.me}, "token": {c.token}, "platformID": {fmt.Sprint(platform)}}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dialing, stop := context.WithTimeout(ctx, replyMax)
	link, answer, err := websocket.Dial(dialing, c.ws+"/?"+query.Encode(), nil)
	stop()
	if err != nil {
		if answer != nil && answer.StatusCode == http.StatusUnauthorized {
			c.token = "" // expired, or ended by a login elsewhere
		}
		return false, err
	}
	defer link.CloseNow()
	link.SetReadLimit(frameBytesMax)
	frames, broken := make(chan frame), make(chan error, 1)
	go read(ctx, link, frames, broken)
	return c.talk(ctx, link, frames, broken)
}

// read hands on what comes, until the link ends.
func read(ctx context.Context, link *websocket.Conn, frames chan<- frame, broken chan<- error) {
	for {
		_, bytes, err := link.Read(ctx)
		var came frame
		if err == nil {
			err = json.Unmarshal(bytes, &came)
		}
		if err != nil {
			broken <- err
			return
		}
		select {
		case frames <- came:
		case <-ctx.Done():
			return
		}
	}
}

// talk asks for what was missed, then takes pushes and sends; one request is under way at a time.
func (c *client) talk(ctx context.Context, link *websocket.Conn, frames <-chan frame, broken <-chan error) (caughtUp bool, err error) {
	// The link was open before this question, so nothing falls between: at worst something comes twice, and its seq tells.
	asked, wanted := newestSeq, int64(0)
	deadline := time.Now().Add(replyMax)
	if err := c.request(ctx, link, newestSeq, nil); err != nil {
		return false, err
	}
	for {
		if asked == 0 && !caughtUp && c.seq >= wanted {
			note("connected as %s, all shown up to seq %d", c.me, c.seq)
			caughtUp = true
		}
		if asked == 0 {
			switch {
			case wanted > c.seq:
				asked = pull
				err = c.request(ctx, link, pull, map[string]int64{"seqBegin": c.seq + 1, "seqEnd": min(c.seq+page, wanted)})
			case len(c.outbox) > 0:
				asked = send
				err = c.request(ctx, link, send, c.outbox[0])
			case c.ended:
				return true, link.Close(websocket.StatusNormalClosure, "")
			}
			if err != nil {
				return caughtUp, err
			}
			deadline = time.Now().Add(replyMax)
		}
		wait := quietMax
		if asked != 0 {
			wait = time.Until(deadline)
		}
		typed := c.typed
		if c.ended {
			typed = nil
		}
		select {
		case line, more := <-typed:
			c.say(line, more)
		case err := <-broken:
			// 1008: a newer login, or a manager; the reason says which.
			var closed websocket.CloseError
			if errors.As(err, &closed) && closed.Reason == "superseded by a newer login" {
				return caughtUp, errKicked
			}
			return caughtUp, err
		case <-time.After(wait):
			if asked != 0 {
				return caughtUp, errors.New("no reply")
			}
			pinging, stop := context.WithTimeout(ctx, replyMax)
			err := link.Ping(pinging)
			stop()
			if err != nil {
				return caughtUp, err
			}
		case came := <-frames:
			if came.ReqIdentifier == push {
				if wanted, err = c.pushed(came, wanted); err != nil {
					return caughtUp, err
				}
			} else if came.ErrCode == tokenRefused {
				c.token = ""
				return caughtUp, errors.New(came.ErrMsg)
			} else if came.MsgIncr == c.incr {
				if wanted, err = c.replied(asked, came, wanted); err != nil {
					return caughtUp, err
				}
				asked = 0
			}
		}
	}
}

// pushed shows a push that is the next one; what shows a gap is pulled. Gives up to where there is something.
func (c *client) pushed(came frame, wanted int64) (int64, error) {
	var next message
	if err := json.Unmarshal(came.Data, &next); err != nil {
		return wanted, err
	}
	if next.Seq == 0 && (next.ContentType == 303 || next.ContentType == 203) {
		return wanted, errKicked
	}
	if next.Seq == 0 || next.Seq == c.seq+1 {
		c.show(next)
	}
	return max(wanted, next.Seq), nil
}

// replied takes the answer to what was asked. Gives up to where there is something.
func (c *client) replied(asked int, came frame, wanted int64) (int64, error) {
	switch asked {
	case newestSeq:
		var newest struct{ Seq, MinSeq int64 }
		if came.ErrCode != 0 {
			return wanted, errors.New(came.ErrMsg)
		}
		err := json.Unmarshal(came.Data, &newest)
		// What lies below minSeq is too old to be pulled: gone for everybody.
		c.seq = max(c.seq, newest.MinSeq-1)
		return max(wanted, newest.Seq), err
	case pull:
		if came.ErrCode != 0 {
			return wanted, errors.New(came.ErrMsg)
		}
		return wanted, c.pulled(came)
	default:
		if came.ErrCode == unavailable {
			return wanted, errors.New(came.ErrMsg) // and repeat it, with the same clientMsgID
		}
		if came.ErrCode != 0 {
			note("not sent, %s: %s", came.ErrMsg, c.outbox[0].Content)
			delete(c.own, c.outbox[0].ClientMsgID)
		}
		c.outbox = c.outbox[1:]
		return wanted, nil
	}
}

// pulled shows an answer, which comes by conversations, in the order of seq.
func (c *client) pulled(came frame) error {
	var answer struct {
		Single, Group []struct{ List []message }
	}
	if err := json.Unmarshal(came.Data, &answer); err != nil {
		return err
	}
	found := map[int64]message{}
	for _, conversation := range append(answer.Single, answer.Group...) {
		for _, each := range conversation.List {
			found[each.Seq] = each
		}
	}
	before := c.seq
	for next, there := found[c.seq+1]; there; next, there = found[c.seq+1] {
		c.show(next)
	}
	if c.seq == before {
		return fmt.Errorf("the inbox has no %d", c.seq+1) // it has expired meanwhile; the newest seq says what has not
	}
	return nil
}

func (c *client) request(ctx context.Context, link *websocket.Conn, number int, data any) error {
	c.incr++
	body, err := json.Marshal(map[string]any{
		"reqIdentifier": number, "token": c.token, "sendID": c.me, "msgIncr": c.incr, "data": data,
		"operationID": fmt.Sprint(time.Now().UnixNano()),
	})
	if err != nil {
		return err
	}
	writing, stop := context.WithTimeout(ctx, replyMax)
	defer stop()
	return link.Write(writing, websocket.MessageText, body)
}

// say puts a line into the outbox; without more, the input has ended.
func (c *client) say(line string, more bool) {
	if !more {
		c.ended = true
		return
	}
	id := make([]byte, 16)
	rand.Read(id)
	c.outbox = append(c.outbox, &outgoing{
		PlatformID: platform, SessionType: c.sessionType, MsgFrom: 100, ContentType: text, RecvID: c.to, Content: line,
		ClientMsgID: fmt.Sprintf("%x", id), ForceList: []string{}, Options: map[string]int{}, OfflineInfo: map[string]any{},
	})
	c.own[fmt.Sprintf("%x", id)] = true
}

func (c *client) show(next message) {
	if next.Seq != 0 {
		c.seq = next.Seq
	}
	if c.own[next.ClientMsgID] {
		delete(c.own, next.ClientMsgID)
		return
	}
	// In a group the receiver is "member group".
	if _, where, in := strings.Cut(next.RecvID, " "); in {
		fmt.Printf("%s/%s: %s\n", where, next.SendID, next.Content)
	} else {
		fmt.Printf("%s: %s\n", next.SendID, next.Content)
	}
}

func readLines() <-chan string {
	lines := make(chan string)
	go func() {
		input := bufio.NewScanner(os.Stdin)
		for input.Scan() {
			if line := input.Text(); strings.TrimSpace(line) != "" {
				lines <- line
			}
		}
		close(lines)
	}()
	return lines
}

func main() {
	rest := flag.String("url", "http://127.0.0.1:10000", "REST")
	ws := flag.String("ws", "ws://127.0.0.1:7777", "websocket")
	secret := flag.String("secret", "", "the server's secret")
	file := flag.String("secret-file", "", "where it is: the file `secret` in the data directory")
	me := flag.String("me", "", "our uid")
	to := flag.String("to", "", "whom to write to")
	group := flag.String("group", "", "or the id of the group to write to")
	flag.Parse()
	if *file != "" {
		text, err := os.ReadFile(*file)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		*secret = strings.TrimSpace(string(text))
	}
	if *me == "" || *secret == "" || (*to == "") == (*group == "") {
		flag.Usage()
		os.Exit(2)
	}
	sessionType := toUser
	if *group != "" {
		*to, sessionType = *group, toGroup
	}
	c := &client{
		rest: strings.TrimRight(*rest, "/"), ws: strings.TrimRight(*ws, "/"), secret: *secret, me: *me, to: *to,
		sessionType: sessionType, typed: readLines(), own: map[string]bool{},
	}
	if err := c.run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
