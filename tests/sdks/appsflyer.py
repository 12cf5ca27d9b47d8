"""Sends COUNT events with the package appsflyer: appsflyer.py PORT KEY COUNT, by `python -P`. Prints `failed NUMBER STATUS`.

The package has its host written into it. This process resolves that name to 127.0.0.1:PORT; the package is as published.
REQUESTS_CA_BUNDLE names the authority of the certificate. COUNT 0: as many as there's time for until standard input ends, with
`sent NUMBER` for each.
"""

import itertools
import select
import socket
import sys
import time

from appsflyer.rest import Client

port, key, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
resolve = socket.getaddrinfo


def here(host, wanted, *more, **named):
    name = host.decode() if isinstance(host, bytes) else host
    if name.endswith(".appsflyer.com"):
        return resolve("127.0.0.1", port, *more, **named)
    return resolve(host, wanted, *more, **named)


socket.getaddrinfo = here
client = Client(app_id="id123456789", dev_key=key)
for number in range(count) if count else itertools.count():
    if not count:
        time.sleep(0.005)
        if select.select([sys.stdin], [], [], 0)[0]:
            break
        print("sent", number, flush=True)
    try:
        answer = client.generate_event(
            appsflyer_id=f"1415211453000-{number % 7}",
            customer_user_id=f"user-{number % 7}",
            event_name="af_purchase",
            event_value={"af_revenue": str(number)},
            event_time="2026-11-26 12:17:00.000",
            event_currency="EUR",
        )
        status = answer.status_code
    except Exception as error:  # Whatever it tells its caller.
        status = type(error).__name__
    if status != 200:
        print("failed", number, status, flush=True)
print("done", flush=True)
