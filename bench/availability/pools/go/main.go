// pgx's pool, with its defaults but for the size. PoolLibrary in ../../pools.ts says what it reads and prints.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

func setting(name string) string { return os.Getenv("POOL_" + name) }

func main() {
	ctx := context.Background()
	config, err := pgxpool.ParseConfig(fmt.Sprintf(
		"host=%s port=%s user=%s password=%s dbname=%s sslmode=verify-full sslrootcert=%s pool_max_conns=%s pool_min_conns=%s",
		setting("HOST"), setting("PORT"), setting("USERNAME"), setting("PASSWORD"), setting("DATABASE"), setting("CA_FILE"), setting("SIZE"), setting("SIZE")))
	if err != nil {
		panic(err)
	}
	var opened, queries, failed, answered atomic.Int64
	var firstError atomic.Value
	config.AfterConnect = func(context.Context, *pgx.Conn) error {
		opened.Add(1)
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		panic(err)
	}
	var running atomic.Bool
	running.Store(true)
	var users sync.WaitGroup
	for range config.MaxConns {
		users.Go(func() {
			for running.Load() {
				queries.Add(1)
				err := pool.AcquireFunc(ctx, func(connection *pgxpool.Conn) error {
					defer time.Sleep(20 * time.Millisecond)
					var n int
					return connection.QueryRow(ctx, "select n from of_the_app").Scan(&n)
				})
				if err != nil {
					failed.Add(1)
					firstError.CompareAndSwap(nil, strings.ReplaceAll(err.Error(), "\n", " "))
				} else {
					answered.Add(1)
				}
			}
		})
	}
	for answered.Load() == 0 || pool.Stat().TotalConns() < config.MaxConns {
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	running.Store(false)
	users.Wait()
	text, _ := firstError.Load().(string)
	fmt.Println(queries.Load(), failed.Load(), opened.Load(), text)
	pool.Close()
}
