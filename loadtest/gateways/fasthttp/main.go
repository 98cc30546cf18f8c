// A gateway as one writes it in Go in an afternoon: fasthttp, encoding/json's check of the syntax, franz-go.
//
//	fasthttp ADDRESS BROKERS TOPIC
//
// The body of a POST becomes one message; 200 after the brokers' acknowledgement (acks=all, idempotent).
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/valyala/fasthttp"
)

const path = "/ingest/Event/1.0"

func main() {
	address, brokers, topic := os.Args[1], os.Args[2], os.Args[3]
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(brokers, ",")...),
		kgo.DefaultProduceTopic(topic),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(time.Millisecond),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.RecordDeliveryTimeout(10*time.Second),
	)
	if err != nil {
		log.Fatal(err)
	}
	server := &fasthttp.Server{
		Handler:               func(ctx *fasthttp.RequestCtx) { ingest(ctx, client) },
		MaxRequestBodySize:    10 << 20,
		NoDefaultServerHeader: true,
	}
	log.Fatal(server.ListenAndServe(address))
}

func ingest(ctx *fasthttp.RequestCtx, client *kgo.Client) {
	if !ctx.IsPost() || string(ctx.Path()) != path {
		ctx.Error("not found", fasthttp.StatusNotFound)
		return
	}
	// The body is valid until the handler returns, which is after the acknowledgement: no copy is needed.
	body := ctx.PostBody()
	if !json.Valid(body) {
		ctx.Error("invalid JSON", fasthttp.StatusBadRequest)
		return
	}
	acknowledged := make(chan error, 1)
	client.Produce(context.Background(), &kgo.Record{Value: body}, func(_ *kgo.Record, err error) {
		acknowledged <- err
	})
	if err := <-acknowledged; err != nil {
		ctx.Error(err.Error(), fasthttp.StatusServiceUnavailable)
	}
}
