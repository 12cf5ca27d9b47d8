"""Prints all records of a topic with kafka-python, where there is no kcat.

consume.py BOOTSTRAP TOPIC prints, per record, a line "partition key-length
value-length" (-1 for none), then the key, the value and a line feed.
"""

import sys

from kafka import KafkaConsumer, TopicPartition


def main(bootstrap: str, topic: str) -> None:
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap.split(","),
        group_id=None,
        enable_auto_commit=False,
        consumer_timeout_ms=60_000,
    )
    numbers = consumer.partitions_for_topic(topic) or set()
    partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    first = consumer.beginning_offsets(partitions)
    end = consumer.end_offsets(partitions)
    left = {p.partition: end[p] for p in partitions if first[p] < end[p]}
    out = sys.stdout.buffer
    length = lambda data: -1 if data is None else len(data)
    while left:
        record = next(consumer)
        if record.offset >= end[TopicPartition(topic, record.partition)]:
            continue
        header = f"{record.partition} {length(record.key)} {length(record.value)}\n"
        out.write(header.encode())
        out.write(record.key or b"")
        out.write(record.value or b"")
        out.write(b"\n")
        if record.offset + 1 >= left[record.partition]:
            del left[record.partition]


main(*sys.argv[1:])
