//! The page for people: what `/status` says, readable at a glance, without scripts.

use serde_json::Value;

/// Renders a status as HTML.
pub(super) fn render(status: &Value) -> String {
    let mut page = String::from(
        "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=2><title>forebay</title>\
         <style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#123}\
         table{border-collapse:collapse;margin:.5rem 0 1.5rem;width:100%}td,th{padding:.25rem .75rem;text-align:left;\
         border-bottom:1px solid #cde}.bad{color:#b00020;font-weight:600}.good{color:#0a6b2d;font-weight:600}</style>",
    );
    let ready = status["ready"].as_bool().unwrap_or(false);
    let (class, word) = if ready {
        ("good", "ready")
    } else {
        ("bad", "not ready")
    };
    page += &format!(
        "<h1>forebay <span class={class}>{word}</span></h1><p>version {}, {}, up {} s</p>",
        text(&status["version"]),
        text(&status["phase"]),
        text(&status["uptime_seconds"])
    );
    for reason in status["reasons"].as_array().into_iter().flatten() {
        page += &format!("<p class=bad>{}</p>", text(reason));
    }
    let columns = [
        "condition",
        "owner",
        "in_flight_events",
        "drain_rate_bytes_per_second",
        "stalled_lanes",
        "reason",
    ];
    table(
        &mut page,
        "cluster",
        &status["clusters"],
        &columns,
        |row, column| text(&row[column]),
    );
    let columns = [
        "cluster",
        "topic",
        "accepted",
        "acked",
        "in_flight",
        "refused",
        "rejected",
        "failed",
        "late",
        "lost",
        "reason",
    ];
    table(
        &mut page,
        "stream",
        &status["streams"],
        &columns,
        |row, column| match &row["events"][column] {
            Value::Null => text(&row[column]),
            count => text(count),
        },
    );
    owners(&mut page, &status["owners"]);
    dead_letters(&mut page, &status["dead_letters"]);
    page.push_str("<p><a href=/status>status</a> · <a href=/metrics>metrics</a> · <a href=/readyz>readyz</a></p></html>");
    page
}

/// A row for each owner: whom to tell, what to do, and what is used of its shares.
fn owners(page: &mut String, owners: &Value) {
    if owners.as_object().is_none_or(serde_json::Map::is_empty) {
        return;
    }
    let columns = [
        "contact", "runbook", "events", "memory", "spill", "refusals",
    ];
    let of = |row: &Value, used: &str, limit: &str| match &row[limit] {
        Value::Null => text(&row[used]),
        limit => format!("{} of {}", text(&row[used]), text(limit)),
    };
    table(
        page,
        "owner",
        owners,
        &columns,
        |row, column| match column {
            "runbook" if word(&row[column]).is_empty() => String::new(),
            // Validation lets nothing pass but http and https.
            "runbook" => format!("<a href=\"{0}\">{0}</a>", text(&row[column])),
            "memory" => of(row, "memory_bytes", "memory_limit_bytes"),
            "spill" => of(row, "spill_bytes", "spill_limit_bytes"),
            "refusals" => {
                let counts = row[column].as_object().into_iter().flatten();
                let counts: Vec<_> = counts
                    .filter(|(_, count)| count.as_u64() > Some(0))
                    .map(|(share, count)| format!("{share} {}", text(count)))
                    .collect();
                counts.join(", ")
            }
            _ => text(&row[column]),
        },
    );
}

/// A row for each stream and reason; nothing if there are none.
fn dead_letters(page: &mut String, dead: &Value) {
    let rows = dead.as_array().into_iter().flatten();
    let rows = rows.map(|row| {
        let name = format!("{} ({})", word(&row["stream"]), word(&row["reason"]));
        (name, row.clone())
    });
    let rows: serde_json::Map<_, _> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let columns = ["cluster", "events", "bytes", "oldest_seconds"];
    let what = "dead letters: kafka refused them for good; they are kept";
    table(page, what, &Value::Object(rows), &columns, |row, column| {
        text(&row[column])
    });
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn table(
    page: &mut String,
    what: &str,
    rows: &Value,
    columns: &[&str],
    cell: impl Fn(&Value, &str) -> String,
) {
    *page += &format!("<table><tr><th>{what}");
    for column in columns {
        *page += &format!("<th>{}", column.replace('_', " "));
    }
    for (name, row) in rows.as_object().into_iter().flatten() {
        *page += &format!("<tr><td>{}", escape(name));
        for column in columns {
            *page += &format!("<td>{}", cell(row, column));
        }
    }
    page.push_str("</table>");
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => escape(text),
        Value::Null => String::new(),
        other => escape(&other.to_string()),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_reasons_cannot_break_out_of_the_page() {
        let status = serde_json::json!({
            "ready": false, "reasons": ["<script>alert(1)</script>"],
            "clusters": { "a<b": { "condition": "down" } }, "streams": {},
            "dead_letters": [{ "cluster": "c", "stream": "<i>", "reason": "too_large", "events": 41 }],
        });
        let page = render(&status);
        assert!(page.contains("not ready") && page.contains("a&lt;b"));
        assert!(!page.contains("<script>"));
        assert!(page.contains("<tr><td>&lt;i&gt; (too_large)<td>c<td>41<td>"));
    }
}
