"""Sends COUNT events with the CloudEvents SDK for Python: cloudevents.py URL MODE COUNT. Prints `failed ID STATUS` for refusals."""

import sys

import requests
from cloudevents.v1.conversion import to_binary, to_structured
from cloudevents.v1.http import CloudEvent

url, mode, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
for number in range(count):
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
    answer = requests.post(url, headers=headers, data=body, timeout=20)
    if answer.status_code // 100 != 2:
        print("failed", event["id"], answer.status_code, flush=True)
print("done", flush=True)
