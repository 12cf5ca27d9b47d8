// Sends COUNT events with Segment's SDK for Go: segment URL KEY COUNT. Prints `failed ID WHY` for what it gives up.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"gopkg.in/segmentio/analytics-go.v3"
)

type told struct{ left chan string }

func (t told) Success(analytics.Message) { t.left <- "" }

func (t told) Failure(message analytics.Message, why error) {
	id := message.(analytics.Track).MessageId
	t.left <- "failed " + id + " " + strings.ReplaceAll(why.Error(), " ", "_")
}

func main() {
	count, _ := strconv.Atoi(os.Args[3])
	callback := told{make(chan string, count)}
	client, err := analytics.NewWithConfig(os.Args[2], analytics.Config{
		Endpoint:  os.Args[1],
		Interval:  200 * time.Millisecond,
		BatchSize: 20,
		Callback:  callback,
		// The library it was sent by, which Go says once for a batch.
		DefaultContext: &analytics.Context{Extra: map[string]interface{}{"k": "v"}},
	})
	if err != nil {
		panic(err)
	}
	for number := 0; number < count; number++ {
		track := analytics.Track{
			MessageId:  fmt.Sprintf("go-%d", number),
			Event:      "Purchase",
			Properties: analytics.NewProperties().Set("number", number).Set("city", "Köln \"5%41\""),
		}
		if number%3 != 0 {
			track.UserId = fmt.Sprintf("user-%d", number%7)
		}
		if number%3 != 1 {
			track.AnonymousId = fmt.Sprintf("anon-%d", number%7)
		}
		if err := client.Enqueue(track); err != nil {
			panic(err)
		}
	}
	// Close drops what waits for its next try.
	for left := count; left > 0; left-- {
		if line := <-callback.left; line != "" {
			fmt.Println(line)
		}
	}
	client.Close()
	fmt.Println("done")
}
