"""Posts 5 MB eight times, each over a connection of its own, and prints the statuses. http.client writes all before it reads."""
import http.client
import sys
from urllib.parse import urlsplit

url = urlsplit(sys.argv[1])
for _ in range(8):
    connection = http.client.HTTPConnection(url.netloc, timeout=30)
    try:
        connection.request("POST", url.path, b"x" * 5_000_000, {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        print(answer.status)
    except OSError as error:
        print(error)
    connection.close()
