"""Sends COUNT events with Segment's SDK for Python: segment.py URL KEY COUNT. Prints `failed ID WHY` for what it gives up."""

import sys

from segment.analytics.client import Client

url, key, count = sys.argv[1], sys.argv[2], int(sys.argv[3])


def failed(error, items):
    for item in items:
        print("failed", item["messageId"], repr(error).replace(" ", "_"), flush=True)


client = Client(key, host=url, on_error=failed, upload_interval=0.1, upload_size=20)
for number in range(count):
    known = number % 3
    client.track(
        user_id=f"user-{number % 7}" if known else None,
        anonymous_id=None if known == 1 else f"anon-{number % 7}",
        event="Purchase",
        properties={"number": number, "city": "Köln \"5%41\""},
        message_id=f"python-{number}",
    )
client.flush()
client.join()
print("done", flush=True)
