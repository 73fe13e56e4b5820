// River: one task of the benchmark in a process of its own, like driver.mjs beside this folder:
//
//	river <mode> <url> <task> <options as JSON>
//
// Speaks lines of JSON: hears on stdin, tells on stdout.
//
//	fastest: InsertManyFast (COPY); 2,000 workers, fetches every 2 ms at most, as its own benchmark is set up.
//	default: InsertMany; 100 workers, fetches every 100 ms at most.
//
// Jobs that are done are kept.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Jobs in one call, and calls at the same time, when many are inserted at once.
	bulkJobs  = 5_000
	bulkCalls = 2
	tellEvery = 50 * time.Millisecond
)

// With its number a payload of about a hundred bytes, the same for everybody.
var text = strings.Repeat("x", 70)

type options struct {
	Jobs    int  `json:"jobs"`
	Callers int  `json:"callers"`
	LimitMs int  `json:"limitMs"`
	DueInMs int  `json:"dueInMs"`
	JobMs   int  `json:"jobMs"`
	Slots   int  `json:"slots"`
	Samples int  `json:"samples"`
	Batch   int  `json:"batch"`
	Calls   int  `json:"calls"`
	Ahead   int  `json:"ahead"`
	fastest bool
	url     string
}

var (
	hearing = bufio.NewScanner(os.Stdin)
	telling sync.Mutex
)

func main() {
	mode, url, task := os.Args[1], os.Args[2], os.Args[3]
	given := options{fastest: mode == "fastest", url: url}
	must(json.Unmarshal([]byte(os.Args[4]), &given))
	tasks := map[string]func(context.Context, options){
		"prepare": prepare, "insert": insert, "single": single, "drain": drain, "keep_working": keepWorking,
		"produce": produce, "latency": latency, "ping": ping, "stamp": stamp,
	}
	tasks[task](context.Background(), given)
}

func prepare(ctx context.Context, given options) {
	migrate(ctx, given.url)
	tell(map[string]any{})
}

func insert(ctx context.Context, given options) {
	client := newClient(ctx, given, nil)
	var sent atomic.Int64
	started := time.Now()
	times(bulkCalls, func() {
		for {
			to := int(sent.Add(bulkJobs))
			from := to - bulkJobs
			if from >= given.Jobs {
				return
			}
			client.insertMany(ctx, from, min(to, given.Jobs))
		}
	})
	tell(map[string]any{"seconds": time.Since(started).Seconds()})
}

func single(ctx context.Context, given options) {
	client := newClient(ctx, given, nil)
	limit := time.Duration(given.LimitMs) * time.Millisecond
	var mutex sync.Mutex
	var all []float64
	started := time.Now()
	times(given.Callers, func() {
		var own []float64
		for time.Since(started) < limit {
			at := time.Now()
			client.insertOne(ctx, noopArgs{Text: text})
			own = append(own, float64(time.Since(at))/float64(time.Millisecond))
		}
		mutex.Lock()
		defer mutex.Unlock()
		all = append(all, own...)
	})
	tell(map[string]any{"ms": all, "seconds": time.Since(started).Seconds()})
}

func drain(ctx context.Context, given options) {
	enough := make(chan bool, 1)
	var done atomic.Int64
	client := newClient(ctx, given, func(noopArgs) {
		if given.JobMs > 0 {
			time.Sleep(time.Duration(given.JobMs) * time.Millisecond)
		}
		if int(done.Add(1)) == given.Jobs {
			enough <- true
		}
	})
	tell(map[string]any{"ready": true})
	hear(nil)
	started := time.Now()
	client.start(ctx)
	cutShort := false
	select {
	case <-enough:
	case <-time.After(time.Duration(given.LimitMs) * time.Millisecond):
		cutShort = true
	}
	jobs, took := done.Load(), time.Since(started)
	client.stop(ctx) // returns when the completions are written
	if !cutShort {
		took = time.Since(started)
	}
	tell(map[string]any{"jobs": jobs, "seconds": took.Seconds()})
}

func keepWorking(ctx context.Context, given options) {
	var done atomic.Int64
	client := newClient(ctx, given, func(noopArgs) { done.Add(1) })
	client.start(ctx)
	tell(map[string]any{"ready": true})
	go func() {
		for range time.Tick(tellEvery) {
			tell(map[string]any{"done": done.Load()})
		}
	}()
	hear(nil)
	client.stop(ctx)
}

// Inserts as fast as it goes, but never more than so many jobs ahead of those that it hears to be done.
func produce(ctx context.Context, given options) {
	client := newClient(ctx, given, nil)
	var sent, done atomic.Int64
	tell(map[string]any{"ready": true})
	for range given.Calls {
		go func() {
			for {
				if sent.Load()-done.Load() >= int64(given.Ahead) {
					time.Sleep(time.Millisecond)
					continue
				}
				to := int(sent.Add(int64(given.Batch)))
				client.insertMany(ctx, to-given.Batch, to)
			}
		}()
	}
	var heard struct {
		Done int64 `json:"done"`
	}
	for hear(&heard) {
		done.Store(heard.Done)
	}
}

// From the insert of a job to its start, in this one process, which is idle otherwise.
func latency(ctx context.Context, given options) {
	arrived := make(chan float64)
	client := newClient(ctx, given, func(args noopArgs) { arrived <- wallMs() - args.SentAt })
	client.start(ctx)
	limit := time.Duration(given.LimitMs) * time.Millisecond
	var ms []float64
	started := time.Now()
	for len(ms) < given.Samples && time.Since(started) < limit {
		client.insertOne(ctx, noopArgs{SentAt: wallMs()})
		ms = append(ms, <-arrived)
		idle()
	}
	tell(map[string]any{"ms": ms})
}

// Sends a job whenever it is told to.
func ping(ctx context.Context, given options) {
	client := newClient(ctx, given, nil)
	tell(map[string]any{"ready": true})
	for hear(nil) {
		client.insertOne(ctx, noopArgs{SentAt: wallMs()})
	}
}

// Tells of each job how long ago it was sent.
func stamp(ctx context.Context, given options) {
	client := newClient(ctx, given, func(args noopArgs) { tell(map[string]any{"ms": wallMs() - args.SentAt}) })
	client.start(ctx)
	tell(map[string]any{"ready": true})
	hear(nil)
}

func tell(line map[string]any) {
	bytes, err := json.Marshal(line)
	must(err)
	telling.Lock()
	defer telling.Unlock()
	os.Stdout.Write(append(bytes, '\n'))
}

// False when there is no line any more.
func hear(into any) bool {
	if !hearing.Scan() {
		return false
	}
	if into != nil {
		must(json.Unmarshal(hearing.Bytes(), into))
	}
	return true
}

func times(count int, act func()) {
	var group sync.WaitGroup
	for range count {
		group.Go(act)
	}
	group.Wait()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
