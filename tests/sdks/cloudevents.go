// Sends COUNT events with the CloudEvents SDK for Go: cloudevents URL MODE COUNT, MODE is binary or structured. Prints
// `failed ID WHY` for what isn't acknowledged.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

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
	for number := 0; number < count; number++ {
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
