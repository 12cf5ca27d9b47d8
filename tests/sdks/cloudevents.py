"""Sends COUNT events with the CloudEvents SDK for Python: cloudevents.py URL MODE COUNT. Prints `failed ID STATUS` for refusals.

COUNT 0: as many as there's time for until standard input ends, with `sent ID` for each.
"""

import itertools
import select
import sys
import time

import requests
from cloudevents.v1.conversion import to_binary, to_structured
from cloudevents.v1.http import CloudEvent

url, mode, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
for number in range(count) if count else itertools.count():
    if not count:
        time.sleep(0.005)
        if select.select([sys.stdin], [], [], 0)[0]:
            break
        print("sent", f"python-{mode}-{number}", flush=True)
    event = CloudEvent(
        {
            "id": f"python-{mode}-{number}",
            "source": "/app/shop",
            "type": "com.example.purchase",
            "subject": f"käufer {number % 7}",
            "partitionkey": f"user-{number % 7}",
            "datacontenttype": "application/json",
        },
        {"number": number, "city": 'Köln "5%41"'},
    )
    headers, body = (to_binary if mode == "binary" else to_structured)(event)
    try:
        status = requests.post(url, headers=headers, data=body, timeout=20).status_code
    except requests.RequestException as error:
        status = type(error).__name__
    if status not in (200, 202, 204):
        print("failed", event["id"], status, flush=True)
print("done", flush=True)
