#!/usr/bin/env bash
# Schedules that end or stand on Sunday as 7, or run past the end of the week by name, silently miss Sunday.
#
# Package:   pycron 3.3.0 (PyPI), asked for each day at 02:00 from Mon 30 November to Sun 13 December 2026
# Observed:  2026-11-30
# Seen:      0 2 * * 7        -> never
#            0 2 * * 5-7      -> Fri Sat Fri Sat
#            0 2 * * FRI-SUN  -> Fri Sat Fri Sat
#            0 2 * * 0        -> Sun Sun
#            0 2 * * 5,6,0    -> Fri Sat Sun Fri Sat Sun
#            Nothing is raised.
# Expected:  crontab(5): the day of week is 0 to 7, and both 0 and 7 are Sunday; 5-7 is Friday to Sunday. The package
#            takes names, so FRI-SUN should be these three days or an error.
# So what:   a weekly reconciliation set to 7 never runs, and nobody is told. Check a schedule by listing its next
#            times, and have an alarm for "has not run for N days".
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" -q install pycron==3.3.0
"$tmp/venv/bin/python" - >"$tmp/seen" <<'PY'
from datetime import datetime, timedelta
import pycron

days = [datetime(2026, 11, 30, 2, 0) + timedelta(days=n) for n in range(14)]
for schedule in ("0 2 * * 7", "0 2 * * 5-7", "0 2 * * FRI-SUN", "0 2 * * 0", "0 2 * * 5,6,0"):
    hits = [f"{day:%a}" for day in days if pycron.is_now(schedule, day)]
    print(schedule, "->", " ".join(hits) or "never")
PY

cat "$tmp/seen"
cat >"$tmp/wanted" <<'TEXT'
0 2 * * 7 -> never
0 2 * * 5-7 -> Fri Sat Fri Sat
0 2 * * FRI-SUN -> Fri Sat Fri Sat
0 2 * * 0 -> Sun Sun
0 2 * * 5,6,0 -> Fri Sat Sun Fri Sat Sun
TEXT
diff "$tmp/wanted" "$tmp/seen" && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
