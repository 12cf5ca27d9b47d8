// Posts 5 MB eight times and prints the statuses.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

func main() {
	body := bytes.Repeat([]byte("x"), 5_000_000)
	for number := 0; number < 8; number++ {
		answer, err := http.Post(os.Args[1], "application/json", bytes.NewReader(body))
		if err != nil {
			fmt.Println(strings.ReplaceAll(err.Error(), " ", "_"))
			continue
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		fmt.Println(answer.StatusCode)
	}
}
