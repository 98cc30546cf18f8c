// Sends records to ringest: NDJSON from stdin, in batches, over a kept connection. Go 1.21 or later, no modules.
//
//	INGEST_URL=http://127.0.0.1:4000/ingest/RawEvent/1.0 INGEST_TOKEN=… go run send.go <records.ndjson >left.ndjson
//
// Records that were not accepted go to stdout, the reasons to stderr. Exit code: 0 if every record was accepted, 1 if
// not, 2 for an invalid setting. Why each answer is handled as it is: ../python/send.py.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What a request or an answer is about.
type (
	batch   [][]byte
	indices []int
)

// An answer; a problem (RFC 9457) where it is no success.
type answer struct {
	status     int
	retryAfter time.Duration

	Accepted  int
	Code      string
	Detail    string
	RequestID string `json:"request_id"`
	Persisted string
	Errors    []struct {
		Index         int
		Path, Message string
	}
	Delivered, Unknown indices
	NotDelivered       indices `json:"not_delivered"`
}

type sender struct {
	stopping       context.Context // Done after a signal.
	client         http.Client
	url, token     string
	attempts       int
	accepted, left int
}

// What is sent from now on would be refused, too.
var errStop = errors.New("stopped")

// Waiting before the next attempt; none after progress.
const progress = time.Duration(-1)

// Sends records until each is accepted or refused; after errStop those that remain are printed.
func (s *sender) send(records batch) error {
	pending, failures := []batch{records}, 0
	for len(pending) > 0 {
		last := len(pending) - 1
		if s.stopping.Err() != nil {
			return s.stop(pending)
		}
		again, wait, err := s.attempt(pending[last])
		pending = pending[:last]
		for _, part := range again {
			if len(part) > 0 {
				pending = append(pending, part)
			}
		}
		if failures++; wait == progress {
			failures = 0
		}
		if err != nil || failures == s.attempts {
			return s.stop(pending)
		}
		if wait != progress {
			// Retry-After is the same for all clients that were refused; the random part spreads them.
			most := math.Min(30, 0.1*math.Pow(2, float64(failures)))
			select {
			case <-s.stopping.Done():
			case <-time.After(wait + time.Duration(rand.Float64()*most*float64(time.Second))):
			}
		}
	}
	return nil
}

// Prints what remains to be sent.
func (s *sender) stop(pending []batch) error {
	for at := len(pending) - 1; at >= 0; at-- {
		s.leave(pending[at])
	}
	return errStop
}

// One request. The batches to send again, and how much later.
func (s *sender) attempt(records batch) ([]batch, time.Duration, error) {
	a, err := s.post(records)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return []batch{records}, 0, nil // Without an answer: this may make duplicates.
	}
	switch {
	case a.status == 200 && a.Accepted == len(records):
		s.accepted += len(records)
		return nil, progress, nil
	case a.status == 207 && a.Accepted+len(a.Errors) > 0:
		s.accepted += a.Accepted
		invalid := s.refuse(records, a)
		s.left += len(records) - a.Accepted - len(invalid)
		return nil, progress, nil
	}
	fmt.Fprintf(os.Stderr, "%d %s: %s (request %s)\n", a.status, a.Code, a.Detail, a.RequestID)
	switch {
	case a.status == 400 && len(a.Errors) > 0:
		invalid := s.refuse(records, a)
		return []batch{records.pick(invalid, false)}, progress, nil
	case a.status == 413 && len(records) > 1:
		half := len(records) / 2
		return []batch{records[half:], records[:half]}, progress, nil
	case a.status == 413:
		s.leave(records)
		return nil, progress, nil
	}
	if a.Persisted == "partial" {
		delivered, missing := set(a.Delivered), set(append(a.NotDelivered, a.Unknown...))
		s.accepted += len(delivered)
		known := set(append(append(a.Delivered, a.NotDelivered...), a.Unknown...))
		s.leave(records.pick(known, false))
		records = records.pick(missing, true)
		if a.status == 500 {
			s.leave(records)
			return nil, progress, nil
		}
	}
	switch a.status {
	case 408, 429, 502, 503, 504:
		return []batch{records}, a.retryAfter, nil
	}
	s.leave(records)
	return nil, progress, errStop
}

// A request, with its answer read to the end, so that the connection can be used again.
func (s *sender) post(records batch) (answer, error) {
	request, err := http.NewRequest(http.MethodPost, s.url, bytes.NewReader(bytes.Join(records, []byte{'\n'})))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", "application/x-ndjson")
	if s.token != "" {
		request.Header.Set("Authorization", "Bearer "+s.token)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: response.StatusCode, retryAfter: time.Second}
	_ = json.Unmarshal(text, &a) // A proxy's answer may be no JSON.
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds >= 0 {
		a.retryAfter = time.Duration(min(seconds, 60)) * time.Second
	}
	return a, nil
}

// Prints the records that an answer lists as invalid; their indices.
func (s *sender) refuse(records batch, a answer) map[int]bool {
	invalid := map[int]bool{}
	for _, it := range a.Errors {
		fmt.Fprintf(os.Stderr, "record %d of %d: %s: %s\n", it.Index, len(records), it.Path, it.Message)
		invalid[it.Index] = true
	}
	s.leave(records.pick(invalid, true))
	return invalid
}

// Prints records that are not accepted; ends the program where they can't be written.
func (s *sender) leave(records batch) {
	for _, record := range records {
		s.left++
		if _, err := os.Stdout.Write(append(record, '\n')); err != nil {
			s.end(err)
		}
	}
}

// Ends the program: with 0 if every record was accepted.
func (s *sender) end(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v: stopped after %d records\n", err, s.accepted+s.left)
	}
	fmt.Fprintf(os.Stderr, "accepted %d, left %d\n", s.accepted, s.left)
	if s.left > 0 || err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// The records with these indices, or those without.
func (b batch) pick(chosen map[int]bool, are bool) batch {
	var picked batch
	for index, record := range b {
		if chosen[index] == are {
			picked = append(picked, record)
		}
	}
	return picked
}

func set(all indices) map[int]bool {
	set := make(map[int]bool, len(all))
	for _, index := range all {
		set[index] = true
	}
	return set
}

// A variable of the environment, without the spaces around it; an invalid one ends the program.
func setting(name, otherwise, pattern, meaning string) string {
	value := strings.TrimSpace(os.Getenv(name))
	if value == "" {
		value = otherwise
	}
	if !regexp.MustCompile("^(" + pattern + ")$").MatchString(value) {
		fmt.Fprintf(os.Stderr, "%s must be %s\n", name, meaning)
		os.Exit(2)
	}
	return value
}

func count(name, otherwise string) int {
	count, _ := strconv.Atoi(setting(name, otherwise, "[1-9][0-9]{0,5}", "a number from 1 to 999999"))
	return count
}

const host = `([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?`

func main() {
	size := count("INGEST_BATCH", "500")
	s := &sender{
		client: http.Client{
			Timeout: 30 * time.Second, // Above ringest's timeouts.ack_timeout_ms.
			// Else a POST becomes a GET, whose 200 says nothing of the records.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		url: setting("INGEST_URL", "http://127.0.0.1:4000/ingest/RawEvent/1.0", "https?://"+host+"/[!-~]+",
			"an http(s) URL"),
		token:    setting("INGEST_TOKEN", "", "[!-~]*", "one word of ASCII"),
		attempts: count("INGEST_ATTEMPTS", "10"),
	}
	signal.Ignore(syscall.SIGPIPE) // Writing to a closed stdout is an error as others are.
	// After a signal nothing more is sent, and the rest of stdin is printed; the next one ends the program at once.
	stopping, restore := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(stopping, restore)
	s.stopping = stopping

	var stopped error
	var records batch
	flush := func() {
		switch {
		case stopped != nil:
			s.leave(records)
		case len(records) > 0:
			stopped = s.send(records)
		}
		records = nil
	}
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if len(bytes.Trim(line, " \t\r\n")) > 0 {
			records = append(records, bytes.TrimSuffix(line, []byte{'\n'}))
		}
		if len(records) >= size || err != nil {
			flush()
		}
		if err == io.EOF {
			s.end(nil)
		}
		if err != nil {
			s.end(err)
		}
	}
}
