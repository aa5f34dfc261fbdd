"""Every metric of a process, in one place; ``docs/metrics.md`` explains each."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

REQUESTS = Counter("lotline_requests_total", "Requests answered", ["route", "status"], registry=REGISTRY)
REQUEST_SECONDS = Histogram(
    "lotline_request_seconds",
    "Time to answer a request",
    ["route"],
    registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
RESERVATIONS = Counter(
    "lotline_reservations_total", "Reserve requests by what became of them", ["outcome"], registry=REGISTRY
)
RELEASES = Counter(
    "lotline_releases_total", "Unreserve requests by what became of them", ["outcome"], registry=REGISTRY
)
EXTENSIONS = Counter(
    "lotline_extensions_total", "Extensions by what became of them", ["outcome"], registry=REGISTRY
)
ARRIVALS = Counter(
    "lotline_arrivals_total", "Check-ins by gates and drivers, by outcome", ["outcome"], registry=REGISTRY
)
CODES = Counter(
    "lotline_codes_total",
    "Codes of offers for bookings, by what became of them",
    ["outcome"],
    registry=REGISTRY,
)
HOLDS = Counter(
    "lotline_holds_total",
    "Slots that were to be held for a browser, by outcome",
    ["outcome"],
    registry=REGISTRY,
)
WAITING = Counter(
    "lotline_waiting_total",
    "Who wanted to wait in a line, by what became of it",
    ["outcome"],
    registry=REGISTRY,
)
ENDED_BY_TIME = Counter(
    "lotline_ended_by_time_total",
    "What a worker ended because its time was over",
    ["what"],
    registry=REGISTRY,
)
IMPORTED = Counter(
    "lotline_imported_slots_total",
    "Slots that operators' imports have written, by what became of them",
    ["what"],
    registry=REGISTRY,
)
ATTENDED = Counter("lotline_attended_total", "What attendants did, by kind", ["act"], registry=REGISTRY)
CANDIDATES_LOST = Counter(
    "lotline_candidates_lost_total", "Proposed slots that SQL found taken", registry=REGISTRY
)
PICKED_BY_SQL = Counter(
    "lotline_picked_by_sql_total",
    "Slots chosen by SQL because Redis could not",
    ["reason"],
    registry=REGISTRY,
)
REDIS_FAULTS = Counter("lotline_redis_faults_total", "Redis did not answer", ["step"], registry=REGISTRY)
LOG_LINES_DROPPED = Counter(
    "lotline_log_lines_dropped_total", "Lines of the log that could not be written", registry=REGISTRY
)
BATCH_SIZE = Histogram(
    "lotline_batch_size",
    "Requests that went together in one transaction",
    registry=REGISTRY,
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)
SERVED_ALONE = Counter(
    "lotline_served_alone_total",
    "Requests that got a transaction of their own after one with others",
    ["reason"],
    registry=REGISTRY,
)
COMMITS_ASKED_AFTER = Counter(
    "lotline_commits_asked_after_total",
    "Commits that were not answered, by what had become of them",
    ["found"],
    registry=REGISTRY,
)
SQL_ANSWERS = Gauge("lotline_sql_answers", "Whether SQL answered when it was asked last", registry=REGISTRY)
FROM_MEMORY = Counter(
    "lotline_from_memory_total",
    "What was answered from memory while SQL was away",
    ["what"],
    registry=REGISTRY,
)
SQL_RETRIES = Counter("lotline_sql_retries_total", "Transactions run again", registry=REGISTRY)
OUTBOX_LAG = Gauge("lotline_outbox_lag_seconds", "Age of the oldest unapplied change", registry=REGISTRY)
LEASES_EXPIRED = Counter(
    "lotline_leases_expired_total", "Proposed slots that went back by themselves", registry=REGISTRY
)
REBUILDS = Counter("lotline_rebuilds_total", "Lots whose status was rebuilt", registry=REGISTRY)
RELAYED = Counter(
    "lotline_relayed_rows_total", "Changes that another process had left in the outbox", registry=REGISTRY
)
WORKER_FAILURES = Counter(
    "lotline_worker_failures_total", "Tries of a duty that ended with a fault", ["duty"], registry=REGISTRY
)
LOTS_SCRUBBED = Counter(
    "lotline_lots_scrubbed_total", "Lots whose status was compared with SQL", registry=REGISTRY
)
SCRUB_ROUND_AGE = Gauge(
    "lotline_scrub_round_age_seconds", "Time since the last full round of the scrub", registry=REGISTRY
)
SCRUB_FINDINGS = Counter(
    "lotline_scrub_findings_total", "Places where Redis was not true to SQL", ["kind"], registry=REGISTRY
)
VIEWERS = Gauge("lotline_viewers", "Open live connections", ["projection"], registry=REGISTRY)
DISPLAYS = Gauge(
    "lotline_displays",
    "Paired displays, by whether they are connected",
    ["state"],
    registry=REGISTRY,
)
FRAMES = Counter("lotline_frames_total", "Frames sent to viewers", ["kind"], registry=REGISTRY)
RESYNCS = Counter("lotline_resyncs_total", "Fresh snapshots taken", ["reason"], registry=REGISTRY)
PAYMENTS = Counter(
    "lotline_payments_total", "Payments by what became of them", ["provider", "outcome"], registry=REGISTRY
)
REFUNDS = Counter(
    "lotline_refunds_total", "Refunds by what became of them", ["provider", "outcome"], registry=REGISTRY
)
DAYS_CLOSED = Counter(
    "lotline_days_closed_total",
    "Days that were closed, by whether the drawer held what it should",
    ["drawer"],
    registry=REGISTRY,
)
PROVIDER_AWAY = Counter(
    "lotline_provider_away_total",
    "Calls of a provider that were not answered",
    ["provider"],
    registry=REGISTRY,
)
JOURNALED = Counter(
    "lotline_journaled_payments_total",
    "Payments that were accepted while SQL was away",
    ["provider"],
    registry=REGISTRY,
)
JOURNAL_WAITS = Gauge(
    "lotline_journal_waiting_payments",
    "Payments that this machine has accepted and that are not posted yet",
    registry=REGISTRY,
)
JOURNAL_UNREADABLE = Counter(
    "lotline_journal_unreadable_lines_total",
    "Lines of the payments journal that are not as they were written",
    registry=REGISTRY,
)
POSTED = Counter(
    "lotline_posted_payments_total",
    "Payments from the journal, by what became of them",
    ["outcome"],
    registry=REGISTRY,
)
WEBHOOKS = Counter(
    "lotline_webhooks_total",
    "What providers sent of their own accord",
    ["provider", "outcome"],
    registry=REGISTRY,
)
LEDGER_OFF = Gauge(
    "lotline_ledger_off_minor", "What the ledger's entries sum to, over all currencies", registry=REGISTRY
)
