// Sends records to ringest: NDJSON from stdin, in batches, over a kept connection. Go 1.21 or later, no modules.
//
//	INGEST_URL=http://127.0.0.1:4000/ingest/RawEvent/1.0 INGEST_TOKEN=… go run send.go <records.ndjson >left.ndjson
//
// Records that were not accepted go to stdout, the reasons to stderr. Exit code: 0 if every record was accepted, else 1.
// Why each answer is handled as it is: ../python/send.py.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand"
	"net/http"
	"os"
	"strconv"
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
			for at := len(pending) - 1; at >= 0; at-- {
				s.leave(pending[at])
			}
			return errStop
		}
		if wait != progress {
			// Retry-After is the same for all clients that were refused; the random part spreads them.
			most := math.Min(30, 0.1*math.Pow(2, float64(failures)))
			time.Sleep(wait + time.Duration(rand.Float64()*most*float64(time.Second)))
		}
	}
	return nil
}

// One request. The batches to send again, and how much later.
func (s *sender) attempt(records batch) ([]batch, time.Duration, error) {
	a, err := s.post(records)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return []batch{records}, 0, nil // Without an answer: this may make duplicates.
	}
	switch a.status {
	case 200:
		s.accepted += len(records)
		return nil, progress, nil
	case 207:
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

// Prints records that are not accepted.
func (s *sender) leave(records batch) {
	s.left += len(records)
	for _, record := range records {
		fmt.Println(string(record))
	}
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

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	size, _ := strconv.Atoi(setting("INGEST_BATCH", "500"))
	attempts, _ := strconv.Atoi(setting("INGEST_ATTEMPTS", "10"))
	s := &sender{
		client:   http.Client{Timeout: 30 * time.Second}, // Above ringest's timeouts.ack_timeout_ms.
		url:      setting("INGEST_URL", "http://127.0.0.1:4000/ingest/RawEvent/1.0"),
		token:    os.Getenv("INGEST_TOKEN"),
		attempts: attempts,
	}
	var err error
	var records batch
	flush := func() {
		switch {
		case err != nil:
			s.leave(records)
		case len(records) > 0:
			err = s.send(records)
		}
		records = nil
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		if record := bytes.TrimSpace(lines.Bytes()); len(record) > 0 {
			records = append(records, bytes.Clone(record))
		}
		if len(records) >= size {
			flush()
		}
	}
	flush()
	fmt.Fprintf(os.Stderr, "accepted %d, left %d\n", s.accepted, s.left)
	if lines.Err() != nil {
		fmt.Fprintln(os.Stderr, lines.Err())
	}
	if s.left > 0 || lines.Err() != nil {
		os.Exit(1)
	}
}
