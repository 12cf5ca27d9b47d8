#!/usr/bin/env python3
"""Writes the dashboards beside it: fleet.json, owner.json, cluster.json and node.json. Needs nothing but Python.

Change a panel here and run it again, or change it in Grafana and keep your own copy: import, then "Save as".
Fleet, owner and cluster read the sums that ../prometheus/forebay.rules.yaml records, so that a fleet of hundreds costs no more than one
gateway. Node reads the metrics of one gateway (../prometheus/metrics.md).
"""

import json
import pathlib

HERE = pathlib.Path(__file__).parent
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
LINKS = [
    {"title": name.capitalize(), "type": "link", "url": f"/d/forebay-{name}", "keepTime": True, "includeVars": False, "icon": "dashboard",
     "tags": [], "targetBlank": False, "tooltip": "", "asDropdown": False}
    for name in ["fleet", "owner", "cluster", "node"]
]
RED_BELOW = lambda limit: [("red", None), ("green", limit)]
RED_ABOVE = lambda limit: [("green", None), ("red", limit)]


def panel(kind, title, unit, queries, says="", width=8, height=7, steps=None, max=None, decimals=None):
    """One panel. A query is (expression, legend)."""
    steps = steps or [("green", None)]
    defaults = {"unit": unit, "thresholds": {"mode": "absolute", "steps": [{"color": color, "value": value} for color, value in steps]}}
    if max is not None:
        defaults |= {"min": 0, "max": max}
    if decimals is not None:
        defaults["decimals"] = decimals
    options = {}
    if kind == "timeseries":
        defaults["custom"] = {"lineWidth": 1, "fillOpacity": 8, "showPoints": "never", "spanNulls": False}
        options = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
                   "tooltip": {"mode": "multi", "sort": "desc"}}
    if kind == "stat":
        options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "background",
                   "graphMode": "area", "justifyMode": "auto", "textMode": "value", "wideLayout": True, "orientation": "auto",
                   "showPercentChange": False, "percentChangeColorMode": "standard"}
    if kind == "table":
        options = {"frameIndex": 0, "showHeader": True}
    targets = []
    for number, (expression, legend) in enumerate(queries):
        target = {"datasource": SOURCE, "refId": "ABCDEFGH"[number], "expr": expression, "legendFormat": legend, "editorMode": "code"}
        # A table shows what is now.
        target |= {"instant": True, "range": False, "format": "table"} if kind == "table" else {"instant": False, "range": True}
        targets.append(target)
    made = {"type": kind, "title": title, "description": says, "datasource": SOURCE, "targets": targets, "options": options,
            "fieldConfig": {"defaults": defaults, "overrides": []}, "gridPos": {"w": width, "h": height, "x": 0, "y": 0}}
    if kind == "table":
        made["transformations"] = [{"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True, "__name__": True}}}]
    return made


def line(title, unit, *queries, **more):
    return panel("timeseries", title, unit, queries, **more)


def stat(title, unit, query, steps, says="", **more):
    return panel("stat", title, unit, [(query, title)], says, width=4, height=4, steps=steps, **more)


def variable(name, query):
    """A choice of a label's values, all of them at first."""
    return {"type": "query", "name": name, "label": name, "datasource": SOURCE, "definition": query, "refresh": 2, "sort": 1,
            "query": {"query": query, "refId": name}, "includeAll": True, "allValue": ".*", "multi": True,
            "current": {"text": ["All"], "value": ["$__all"]}}


def dashboard(name, title, says, variables, panels):
    """Panels from left to right and from top to bottom, on 24 columns."""
    x = y = row = 0
    for number, it in enumerate(panels):
        place = it["gridPos"]
        if x + place["w"] > 24:
            x, y, row = 0, y + row, 0
        place["x"], place["y"] = x, y
        x, row = x + place["w"], max(row, place["h"])
        it["id"] = number + 1
    source = {"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus", "refresh": 1, "includeAll": False,
              "multi": False}
    made = {
        "uid": f"forebay-{name}", "title": f"forebay: {title}", "description": says, "tags": ["forebay"], "schemaVersion": 39, "version": 1,
        "editable": True, "graphTooltip": 1, "refresh": "30s", "time": {"from": "now-3h", "to": "now"}, "timezone": "browser",
        "links": LINKS, "templating": {"list": [source, *variables]}, "annotations": {"list": []}, "panels": panels,
    }
    (HERE / f"{name}.json").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


FIRING = 'ALERTS{alertname=~"Forebay.+",alertstate="firing"%s}'
LEFT = "Until the gateway that is nearest to it refuses events, if they come and go as in the last half minute. Below half an hour it pages."

dashboard("fleet", "the fleet", "Is anything wrong, and is there room? Begin here.", [], [
    stat("Time to loss", "s", "forebay:time_to_loss_seconds:min", RED_BELOW(1800), LEFT),
    stat("Gateways that take requests", "none", "forebay:gateways_ready:sum", RED_BELOW(1)),
    stat("Gateways that don't", "none", "forebay:gateways:count - forebay:gateways_ready:sum", RED_ABOVE(1)),
    stat("Tickets open", "none", "count(" + FIRING % ',severity="ticket"' + ") or vector(0)", RED_ABOVE(1)),
    stat("Waits on disks for Kafka", "bytes", "forebay:spill_backlog_bytes:sum", RED_ABOVE(1)),
    stat("Dead letters", "short", "sum(forebay:dead_letters:sum) or vector(0)", RED_ABOVE(1), "Kafka refused them for good. They are kept."),
    panel("table", "What is wrong", "none", [(FIRING % "", "")], "Alerts that fire. Each has a runbook.", width=24, height=6),
    line("Events accepted, by cluster", "cps", ("sum by (cluster) (forebay:events_accepted:rate1m)", "{{cluster}}")),
    line("Events delivered, by cluster", "cps", ("sum by (cluster) (forebay:events_delivered:rate1m)", "{{cluster}}"),
         says="Acknowledged by Kafka: at once, or out of the log."),
    line("Bytes of bodies", "Bps", ("sum by (cluster) (forebay:body_bytes:rate1m)", "{{cluster}}")),
    line("Requests, by answer", "reqps", ("sum by (answer) (forebay:requests:rate5m)", "{{answer}}")),
    line("Streams that answer 503 most", "percentunit", ("topk(10, forebay:requests_unavailable:ratio5m)", "{{stream}}")),
    line("Slowest streams, 99th percentile", "s", ("topk(10, forebay:request_duration_seconds:p99_5m)", "{{stream}}"),
         says="From a request's head to its answer, Kafka's time in it."),
    line("Fullest memory, by gateway", "percentunit", ("topk(10, forebay:memory_used:ratio)", "{{instance}}"), max=1),
    line("Fullest log, by gateway", "percentunit", ("topk(10, forebay:spill_used:ratio)", "{{instance}}"), max=1),
    line("Events that wait on disks for Kafka", "short", ("forebay:spill_backlog_events:sum", "all gateways")),
    line("Furthest behind", "s", ("topk(10, forebay:oldest_event_age_seconds:max)", "{{stream}} on {{cluster}}")),
    line("Refused before their stream is known", "reqps", ("topk(10, forebay:refusals:rate5m)", "{{reason}}")),
    line("Connections", "short", ("forebay:connections:sum", "all gateways")),
])

OWNED = "%s * on (stream) group_left (owner) forebay:stream_owner:info{owner=~\"$owner\"}"
dashboard("owner", "an owner", "What a team brings, what of it waits, and what of its share is used.",
          [variable("owner", "label_values(forebay_owner_info, owner)")], [
    panel("table", "Whom to tell, and what to do", "none", [('max by (owner, contact, runbook) (forebay_owner_info{owner=~"$owner"})', "")], width=12, height=6),
    panel("table", "Alerts of the owner", "none", [(FIRING % ',owner=~"$owner"', "")], width=12, height=6),
    line("Events", "cps", ('forebay:owner_events:rate1m{owner=~"$owner"}', "{{owner}}")),
    line("Bytes of bodies", "Bps", ('forebay:owner_body_bytes:rate1m{owner=~"$owner"}', "{{owner}}")),
    line("Refused for want of a share", "reqps", ('forebay:owner_refusals:rate5m{owner=~"$owner"}', "{{owner}}: {{share}}")),
    line("Memory of the fleet", "bytes", ('forebay:owner_memory_used_bytes:sum{owner=~"$owner"}', "{{owner}}")),
    line("Disk of the fleet", "bytes", ('forebay:owner_spill_used_bytes:sum{owner=~"$owner"}', "{{owner}}")),
    line("Events that wait for Kafka", "short", (OWNED % "forebay:events_waiting:sum", "{{stream}} on {{cluster}}")),
    line("Accepted, by stream", "cps", (OWNED % "forebay:events_accepted:rate1m", "{{stream}} on {{cluster}}")),
    line("Delivered, by stream", "cps", (OWNED % "forebay:events_delivered:rate1m", "{{stream}} on {{cluster}}")),
    line("Can never be accepted, by stream", "cps", (OWNED % "forebay:events_rejected:rate5m", "{{stream}} on {{cluster}}"),
         says="Malformed, too large, without a key: the sender's to mend."),
    line("Answered 503, by stream", "percentunit", (OWNED % "forebay:requests_unavailable:ratio5m", "{{stream}}")),
    line("99th percentile, by stream", "s", (OWNED % "forebay:request_duration_seconds:p99_5m", "{{stream}}")),
    line("Behind, by stream", "s", (OWNED % "forebay:oldest_event_age_seconds:max", "{{stream}} on {{cluster}}")),
    line("Dead letters, by stream and reason", "short", (OWNED % "forebay:dead_letters:sum", "{{stream}}: {{reason}}")),
])

ONE = '{cluster=~"$cluster"}'
dashboard("cluster", "a cluster", "How Kafka takes what it's given, and what waits for it.",
          [variable("cluster", "label_values(forebay:cluster_owner:info, cluster)")], [
    line("Gateways that reach it", "percentunit", ("forebay:cluster_up:ratio" + ONE, "{{cluster}}"), max=1),
    line("Bytes acknowledged", "Bps", ("forebay:cluster_drain_rate_bytes_per_second:sum" + ONE, "{{cluster}}")),
    line("Time to acknowledge, 99th percentile", "s", ("forebay:cluster_ack_duration_seconds:p99_5m" + ONE, "{{cluster}}"),
         says="From handing a batch to the client until its acknowledgement."),
    line("Events accepted and delivered", "cps", (f"sum by (cluster) (forebay:events_accepted:rate1m{ONE})", "{{cluster}} accepted"),
         (f"sum by (cluster) (forebay:events_delivered:rate1m{ONE})", "{{cluster}} delivered")),
    line("Events that go into the log", "cps", (f"sum by (cluster) (forebay:events_spilled:rate1m{ONE})", "{{cluster}}")),
    line("Events that wait for it, by stream", "short", ("forebay:events_waiting:sum" + ONE, "{{stream}}")),
    line("Lanes by their way", "short", ("forebay:lanes_direct:sum" + ONE, "{{cluster}} direct"),
         ("forebay:lanes_spilling:sum" + ONE, "{{cluster}} spilling"), ("forebay:lanes_replaying:sum" + ONE, "{{cluster}} replaying"),
         says="Direct: through memory. Spilling: into the log. Replaying: out of it."),
    line("Partitions that refuse", "short", ("forebay:cluster_stalled_lanes:sum" + ONE, "{{cluster}}")),
    line("Streams that take nothing somewhere", "short", (f"count by (cluster) (forebay:stream_takes:min{ONE} == 0) or forebay:cluster_up:ratio{ONE} * 0", "{{cluster}}")),
    line("In flight", "bytes", ("forebay:cluster_in_flight_bytes:sum" + ONE, "{{cluster}}")),
    line("Memory of its events", "bytes", ("forebay:cluster_memory_bytes:sum" + ONE, "{{cluster}}")),
    line("Clients replaced within an hour", "short", ("forebay:cluster_replaced_clients:increase1h" + ONE, "{{cluster}}")),
    line("Behind, by stream", "s", ("forebay:oldest_event_age_seconds:max" + ONE, "{{stream}}"), width=12),
    line("Dead letters, by stream and reason", "short", ("forebay:dead_letters:sum" + ONE, "{{stream}}: {{reason}}"), width=12),
])

NODE = '{instance=~"$instance"}'
RATE = lambda metric, by: f"sum by ({by}) (rate({metric}{NODE}[$__rate_interval]))"
dashboard("node", "a gateway", "One gateway: its room, its streams, and what it refuses.",
          [variable("instance", "label_values(forebay_ready, instance)")], [
    stat("Takes requests", "bool_yes_no", f"min(forebay_ready{NODE})", RED_BELOW(1)),
    stat("Time to loss", "s", f"min(forebay_time_to_loss_seconds{NODE})", RED_BELOW(1800), LEFT),
    stat("The log takes events", "bool_yes_no", f"min(forebay_spill_takes{NODE})", RED_BELOW(1)),
    stat("Configuration", "none", f"max(forebay_config_generation{NODE})", [("blue", None)], "One more with each reload."),
    stat("Reload or keys failed", "bool_yes_no", f"max(forebay_config_reload_failed{NODE} + forebay_key_files_failed{NODE})", RED_ABOVE(1)),
    stat("Events that nobody can account for", "none", f"sum(forebay_events_lost_total{NODE}) + sum(forebay_events_residual{NODE})", RED_ABOVE(1),
         "Zero, or forebay has a bug."),
    line("Memory", "bytes", (f"forebay_memory_used_bytes{NODE}", "{{instance}} used"), (f"forebay_memory_budget_bytes{NODE}", "{{instance}} budget"),
         (f"forebay_memory_resident_bytes{NODE}", "{{instance}} resident")),
    line("Log", "bytes", (f"forebay_spill_used_bytes{NODE}", "{{instance}} used"), (f"forebay_spill_quota_bytes{NODE}", "{{instance}} quota"),
         (f"forebay_spill_backlog_bytes{NODE}", "{{instance}} waits for Kafka")),
    line("Connections", "short", (f"forebay_connections{NODE}", "{{instance}}")),
    line("Events accepted, by stream", "cps", (RATE("forebay_events_accepted_total", "stream"), "{{stream}}")),
    line("Events acknowledged, by stream", "cps", (RATE("forebay_events_acked_total", "stream"), "{{stream}}")),
    line("Into the log and out of it", "cps", (RATE("forebay_events_spilled_total", "instance"), "{{instance}} in"),
         (RATE("forebay_events_replayed_total", "instance"), "{{instance}} out")),
    line("What became of the others", "cps", (RATE("forebay_events_refused_total", "instance"), "{{instance}} refused"),
         (RATE("forebay_events_failed_total", "instance"), "{{instance}} failed"), (RATE("forebay_events_dead_total", "instance"), "{{instance}} dead"),
         (RATE("forebay_events_unknown_total", "instance"), "{{instance}} unknown"), (RATE("forebay_events_late_total", "instance"), "{{instance}} late"),
         (RATE("forebay_events_redriven_total", "instance"), "{{instance}} redriven"),
         (RATE("forebay_events_rejected_total", "instance"), "{{instance}} rejected")),
    line("Requests, by answer", "reqps", (RATE("forebay_requests_total", "answer"), "{{answer}}")),
    line("Refused before their stream is known", "reqps", (RATE("forebay_refusals_total", "reason"), "{{reason}}")),
    line("99th percentile, by stream", "s", ("histogram_quantile(0.99, " + RATE("forebay_request_duration_seconds_bucket", "stream, le") + ")", "{{stream}}")),
    line("Kafka's part of it, by cluster", "s", ("histogram_quantile(0.99, " + RATE("forebay_cluster_ack_duration_seconds_bucket", "cluster, le") + ")", "{{cluster}}")),
    line("Clusters that answer", "short", (f"sum by (instance) (forebay_cluster_up{NODE})", "{{instance}} up"),
         (f"count by (instance) (forebay_cluster_up{NODE})", "{{instance}} all")),
    line("Since the last acknowledgement", "s", (f"forebay_cluster_last_ack_age_seconds{NODE}", "{{cluster}}")),
    line("In flight, by cluster", "bytes", (f"forebay_cluster_in_flight_bytes{NODE}", "{{cluster}}")),
    line("Waits in memory, by stream", "bytes", (f"forebay_waiting_bytes{NODE}", "{{stream}}")),
    line("Lanes by their way", "short", (f"sum by (instance) (forebay_lanes_direct{NODE})", "{{instance}} direct"),
         (f"sum by (instance) (forebay_lanes_spilling{NODE})", "{{instance}} spilling"),
         (f"sum by (instance) (forebay_lanes_replaying{NODE})", "{{instance}} replaying")),
    line("Waits in the log, by stream", "short", (f"forebay_stream_spill_events{NODE}", "{{stream}}")),
    line("Behind, by stream", "s", (f"forebay_oldest_event_age_seconds{NODE}", "{{stream}}")),
    line("Sources that bring most", "cps", ("topk(10, " + RATE("forebay_source_events_total", "source") + ")", "{{source}}")),
    line("Sources that are refused", "reqps", ("topk(10, " + RATE("forebay_source_refused_requests_total", "source") + ")", "{{source}}")),
    line("Lost to damage of the disk", "short", (f"forebay_spill_damaged_events_total{NODE}", "{{stream}}")),
    line("Kafka lost track of batches", "short", (f"increase(forebay_cluster_new_epochs_total{NODE}[1h])", "{{cluster}}"),
         says="Within an hour. Some may be stored twice after it."),
])
