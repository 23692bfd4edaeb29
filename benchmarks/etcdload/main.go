// etcdload: loads any server of etcd's v3 API with the official client; prints one line of JSON.
// usage: etcdload MODE [flags]
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/metadata"
)

var (
	endpoint = flag.String("endpoint", "127.0.0.1:2379", "host:port")
	conns    = flag.Int("conns", 1, "connections")
	inFlight = flag.Int("clients", 1, "requests in flight; watch: events in flight")
	keys     = flag.Int("keys", 50_000, "keys that there are; fill: keys to put")
	first    = flag.Int("first", 0, "create: number of the first new key")
	size     = flag.Int("size", 1024, "bytes of a value")
	seconds  = flag.Float64("seconds", 2, "how long")
	prefix   = flag.String("prefix", "/registry/pods/bench/", "of the keys, which have 48 bytes")
	limit    = flag.Int64("limit", 10_000, "range: keys of an answer")
	watchers = flag.Int("watchers", 1000, "watch: watchers, each with a stream of its own")
	clients  []*clientv3.Client
	value    string
)

type op func(ctx context.Context, c *clientv3.Client, number int) error

func key(number int) string {
	return fmt.Sprintf("%s%0*d", *prefix, 48-len(*prefix), number)
}

func put(ctx context.Context, c *clientv3.Client, number int) error {
	_, err := c.Put(ctx, key(number%*keys), value)
	return err
}

func create(ctx context.Context, c *clientv3.Client, number int) error {
	name := key(*first + number)
	absent := clientv3.Compare(clientv3.CreateRevision(name), "=", 0)
	answer, err := c.Txn(ctx).If(absent).Then(clientv3.OpPut(name, value)).Commit()
	if err == nil && !answer.Succeeded {
		err = fmt.Errorf("%s exists", name)
	}
	return err
}

func get(ctx context.Context, c *clientv3.Client, number int) error {
	answer, err := c.Get(ctx, key(number*7919%*keys))
	if err == nil && len(answer.Kvs) != 1 {
		err = fmt.Errorf("%d keys", len(answer.Kvs))
	}
	return err
}

func list(ctx context.Context, c *clientv3.Client, _ int) error {
	answer, err := c.Get(ctx, *prefix, clientv3.WithPrefix(), clientv3.WithLimit(*limit))
	if err == nil && int64(len(answer.Kvs)) != min(*limit, int64(*keys)) {
		err = fmt.Errorf("%d keys", len(answer.Kvs))
	}
	return err
}

// pump keeps inFlight requests open until the time is over, or until `count` are done if it is > 0.
func pump(do op, count int) []time.Duration {
	var next atomic.Int64
	latencies := make([][]time.Duration, *inFlight)
	deadline := time.Now().Add(time.Duration(*seconds * float64(time.Second)))
	var group sync.WaitGroup
	for worker := range *inFlight {
		group.Go(func() {
			for {
				number := int(next.Add(1)) - 1
				if count > 0 && number >= count || count == 0 && time.Now().After(deadline) {
					return
				}
				begun := time.Now()
				if err := do(context.Background(), clients[worker%*conns], number); err != nil {
					log.Fatal(err)
				}
				latencies[worker] = append(latencies[worker], time.Since(begun))
			}
		})
	}
	group.Wait()
	return slices.Concat(latencies...)
}

// fanOut changes one key, with so many changes not yet delivered everywhere; returns the time from
// before the put to each event at each watcher.
func fanOut() []time.Duration {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	base := time.Now()
	name := key(0)
	told := make(chan time.Duration, 1<<16)
	var ready sync.WaitGroup
	for number := range *watchers {
		own := metadata.AppendToOutgoingContext(ctx, "stream", strconv.Itoa(number))
		ready.Add(1)
		go func() {
			events := clients[number%*conns].Watch(own, name, clientv3.WithCreatedNotify())
			<-events
			ready.Done()
			for answer := range events {
				for _, event := range answer.Events {
					sent := binary.LittleEndian.Uint64(event.Kv.Value)
					told <- time.Since(base) - time.Duration(sent)
				}
			}
		}()
	}
	ready.Wait()
	begin()
	var latencies []time.Duration
	change := func() {
		content := []byte(value)
		binary.LittleEndian.PutUint64(content, uint64(time.Since(base)))
		if _, err := clients[0].Put(ctx, name, string(content)); err != nil {
			log.Fatal(err)
		}
	}
	deadline := started.Add(time.Duration(*seconds * float64(time.Second)))
	for range *inFlight {
		go change()
	}
	open := *inFlight * *watchers
	for open > 0 {
		latencies = append(latencies, <-told)
		open--
		if len(latencies)%*watchers == 0 && time.Now().Before(deadline) {
			open += *watchers
			go change()
		}
	}
	return latencies
}

var (
	started time.Time
	cpu     float64
)

// begin says that the load begins: whoever reads it takes the server's CPU time.
func begin() {
	fmt.Fprintln(os.Stderr, "ready")
	started, cpu = time.Now(), ownCPU()
}

func ownCPU() float64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		log.Fatal(err)
	}
	return float64(r.Utime.Sec+r.Stime.Sec) + float64(r.Utime.Usec+r.Stime.Usec)/1e6
}

func main() {
	log.SetFlags(0)
	mode := os.Args[1]
	if err := flag.CommandLine.Parse(os.Args[2:]); err != nil {
		log.Fatal(err)
	}
	value = string(make([]byte, *size))
	for range *conns {
		config := clientv3.Config{Endpoints: []string{*endpoint}, DialTimeout: 10 * time.Second,
			Logger: zap.NewNop(), MaxCallRecvMsgSize: 1 << 30}
		client, err := clientv3.New(config)
		if err != nil {
			log.Fatal(err)
		}
		if _, err := client.Get(context.Background(), "x"); err != nil {
			log.Fatal(err)
		}
		clients = append(clients, client)
	}
	if mode != "watch" {
		begin()
	}
	var latencies []time.Duration
	switch mode {
	case "fill":
		latencies = pump(put, *keys)
	case "watch":
		latencies = fanOut()
	default:
		do, known := map[string]op{"put": put, "create": create, "get": get, "range": list}[mode]
		if !known {
			log.Fatalf("unknown mode %q", mode)
		}
		latencies = pump(do, 0)
	}
	took, used := time.Since(started).Seconds(), ownCPU()-cpu
	slices.Sort(latencies)
	at := func(share int) float64 { return latencies[len(latencies)*share/100].Seconds() }
	report := map[string]any{"count": len(latencies), "seconds": took, "cpu_s": used, "p50_s": at(50),
		"p99_s": at(99), "max_s": latencies[len(latencies)-1].Seconds()}
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		log.Fatal(err)
	}
}
