// Sends COUNT events with the CloudEvents SDK for Go: cloudevents URL MODE COUNT, MODE is binary or structured. Prints
// `failed ID WHY` for what isn't acknowledged. COUNT 0: as many as there's time for until standard input ends, with `sent ID` for each.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
)

func main() {
	url, mode := os.Args[1], os.Args[2]
	count, _ := strconv.Atoi(os.Args[3])
	client, err := cloudevents.NewClientHTTP()
	if err != nil {
		panic(err)
	}
	ctx := cloudevents.ContextWithTarget(context.Background(), url)
	if mode == "structured" {
		ctx = cloudevents.WithEncodingStructured(ctx)
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	for number := 0; count == 0 || number < count; number++ {
		if count == 0 {
			select {
			case <-ended:
				fmt.Println("done")
				return
			case <-time.After(5 * time.Millisecond):
			}
			fmt.Printf("sent go-%s-%d\n", mode, number)
		}
		event := cloudevents.NewEvent()
		event.SetID(fmt.Sprintf("go-%s-%d", mode, number))
		event.SetSource("/app/shop")
		event.SetType("com.example.purchase")
		event.SetSubject(fmt.Sprintf("käufer %d", number%7))
		event.SetExtension("partitionkey", fmt.Sprintf("user-%d", number%7))
		event.SetExtension("n", number)
		_ = event.SetData(cloudevents.ApplicationJSON, map[string]any{"number": number, "city": "Köln \"5%41\""})
		if result := client.Send(ctx, event); !cloudevents.IsACK(result) {
			fmt.Println("failed", event.ID(), strings.ReplaceAll(fmt.Sprint(result), " ", "_"))
		}
	}
	fmt.Println("done")
}
