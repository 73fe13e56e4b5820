package main

import (
	"context"
	"io"
	"log/slog"
	"math/rand"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

const (
	fastestWorkers = 2_000
	defaultWorkers = 100
	connections    = 10
)

type noopArgs struct {
	Number int     `json:"number"`
	Text   string  `json:"text,omitempty"`
	SentAt float64 `json:"sentAt,omitempty"`
}

func (noopArgs) Kind() string { return "noop" }

type noopWorker struct {
	river.WorkerDefaults[noopArgs]
	onJob func(noopArgs)
}

func (worker *noopWorker) Work(_ context.Context, job *river.Job[noopArgs]) error {
	worker.onJob(job.Args)
	return nil
}

type client struct {
	river   *river.Client[pgx.Tx]
	given   options
	inserts *river.InsertOpts
}

// A client that works, if there is something to be done with a job, or else only inserts.
func newClient(ctx context.Context, given options, onJob func(noopArgs)) client {
	pool := connect(ctx, given.url)
	config := &river.Config{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if onJob != nil {
		workers := river.NewWorkers()
		river.AddWorker(workers, &noopWorker{onJob: onJob})
		config.Workers = workers
		config.Queues = map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: slots(given)}}
		if given.fastest {
			config.FetchCooldown = 2 * time.Millisecond
			config.FetchPollInterval = 20 * time.Millisecond
		}
	}
	made, err := river.NewClient(riverpgxv5.New(pool), config)
	must(err)
	inserts := &river.InsertOpts{}
	if given.DueInMs > 0 {
		inserts.ScheduledAt = time.Now().Add(time.Duration(given.DueInMs) * time.Millisecond)
	}
	return client{made, given, inserts}
}

func slots(given options) int {
	if given.Slots > 0 {
		return given.Slots
	}
	if given.fastest {
		return fastestWorkers
	}
	return defaultWorkers
}

func (client client) start(ctx context.Context) { must(client.river.Start(ctx)) }
func (client client) stop(ctx context.Context)  { must(client.river.Stop(ctx)) }

func (client client) insertMany(ctx context.Context, from int, to int) {
	jobs := make([]river.InsertManyParams, 0, to-from)
	for number := from; number < to; number++ {
		jobs = append(jobs, river.InsertManyParams{Args: noopArgs{Number: number, Text: text}, InsertOpts: client.inserts})
	}
	if client.given.fastest {
		_, err := client.river.InsertManyFast(ctx, jobs)
		must(err)
	} else {
		_, err := client.river.InsertMany(ctx, jobs)
		must(err)
	}
}

func (client client) insertOne(ctx context.Context, args noopArgs) {
	_, err := client.river.Insert(ctx, args, client.inserts)
	must(err)
}

func migrate(ctx context.Context, url string) {
	migrator, err := rivermigrate.New(riverpgxv5.New(connect(ctx, url)), nil)
	must(err)
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	must(err)
}

func connect(ctx context.Context, url string) *pgxpool.Pool {
	config, err := pgxpool.ParseConfig(url)
	must(err)
	config.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(ctx, config)
	must(err)
	return pool
}

// Comparable between the processes of a machine.
func wallMs() float64 { return float64(time.Now().UnixMicro()) / 1_000 }

// Long enough for everything to come to rest, and in no step with anybody's polls.
func idle() { time.Sleep(10*time.Millisecond + time.Duration(rand.Float64()*20)*time.Millisecond) }
