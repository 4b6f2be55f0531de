#!/usr/bin/env bash
# A parser of the Prometheus text format melts the histograms of two tenants into one and loses labels, sum and count.
#
# Package:   parse-prometheus-text-format 1.1.1 (npm)
# Observed:  2026-11-30
# Seen:      a histogram run_seconds with the series tenant="a" (sum 3, count 2) and tenant="b" (sum 70, count 9)
#              -> one metric: {"buckets":{"1":"4","+Inf":"9"}}   (the numbers of b; no labels, no sum, no count)
#            a counter with the same two tenants -> two metrics with their labels
#            Nothing is raised.
# Expected:  Prometheus' page on exposition formats: each set of labels besides `le` is a histogram of its own, with its
#            _sum and _count. The package's own page shows counters with labels and a histogram without.
# So what:   a check built on this sees the last tenant only, and none by name. Put such a check on counters or
#            gauges, or read the text line by line.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export npm_config_cache="$tmp/cache" npm_config_update_notifier=false

mkdir "$tmp/app"
cd "$tmp/app"
npm install --silent --no-audit --no-fund parse-prometheus-text-format@1.1.1
cat >metrics <<'TEXT'
# TYPE run_seconds histogram
run_seconds_bucket{tenant="a",le="1"} 1
run_seconds_bucket{tenant="a",le="+Inf"} 2
run_seconds_sum{tenant="a"} 3
run_seconds_count{tenant="a"} 2
run_seconds_bucket{tenant="b",le="1"} 4
run_seconds_bucket{tenant="b",le="+Inf"} 9
run_seconds_sum{tenant="b"} 70
run_seconds_count{tenant="b"} 9
# TYPE runs_total counter
runs_total{tenant="a"} 2
runs_total{tenant="b"} 9
TEXT
cat >see.cjs <<'JS'
const loaded = require("parse-prometheus-text-format");
const { readFileSync } = require("node:fs");

const parse = loaded.default ?? loaded;
for (const { name, metrics } of parse(readFileSync("metrics", "utf8"))) console.log(name, JSON.stringify(metrics));
JS
node see.cjs >seen

cat seen
cat >wanted <<'TEXT'
run_seconds [{"buckets":{"1":"4","+Inf":"9"}}]
runs_total [{"value":"2","labels":{"tenant":"a"}},{"value":"9","labels":{"tenant":"b"}}]
TEXT
diff wanted seen && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
