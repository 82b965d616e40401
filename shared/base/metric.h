/*
 * metric - a fixed table of counters and histograms, shared by the threads of a process.
 *
 * metric_open() maps them into a file under $RUN_DIR/metrics, so the site program can print those of every process of
 * this host (decisions.md 22). Without a file they live in plain memory. Adding is one relaxed atomic increment.
 */
#ifndef TRIVET_BASE_METRIC_H
#define TRIVET_BASE_METRIC_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/str.h"

/* Name, help. Prometheus names; counters end in _total, gauges do not. */
#define METRIC_TABLE(X) \
	X(METRIC_DB_UNAVAILABLE, "trivet_db_unavailable_total", "Calls refused because PostgreSQL was away or the breaker open") \
	X(METRIC_DB_RETRY, "trivet_db_retry_total", "Transactions run again after a serialization failure or deadlock") \
	X(METRIC_CACHE_UNAVAILABLE, "trivet_cache_unavailable_total", "Calls refused because Redis was away") \
	X(METRIC_BUSY_REFUSED, "trivet_busy_refused_total", "Requests refused because one identity had too many in flight") \
	X(METRIC_RATE_REFUSED, "trivet_rate_refused_total", "Requests refused by a rate limit") \
	X(METRIC_UPDATE_DUPLICATE, "trivet_update_duplicate_total", "Platform updates answered from the stored reply") \
	X(METRIC_UPDATE_SET_ASIDE, "trivet_update_set_aside_total", "Authentic updates that could not be read") \
	X(METRIC_SIGNATURE_REFUSED, "trivet_signature_refused_total", "Requests with a wrong, missing or doubled proof") \
	X(METRIC_CODE_WRONG, "trivet_link_code_wrong_total", "Link codes that were unknown or expired") \
	X(METRIC_CODE_FLOOD, "trivet_link_code_flood_total", "Code attempts refused because of a flood of wrong ones") \
	X(METRIC_LINK_DONE, "trivet_link_total", "Accounts linked") \
	X(METRIC_OUTBOX_SENT, "trivet_outbox_sent_total", "Outbox rows delivered") \
	X(METRIC_OUTBOX_RETRY, "trivet_outbox_retry_total", "Outbox attempts that will be made again") \
	X(METRIC_OUTBOX_PERMANENT, "trivet_outbox_permanent_total", "Outbox rows given up") \
	X(METRIC_OUTBOX_PENDING, "trivet_outbox_pending", "Outbox rows waiting") \
	X(METRIC_ROLE_CHANGED, "trivet_role_changed_total", "Discord roles given and taken") \
	X(METRIC_LINKED_SHOWN, "trivet_linked_role_shown_total", "Linked Roles told to Discord") \
	X(METRIC_EVENT_ACCEPTED, "trivet_event_accepted_total", "Events queued") \
	X(METRIC_EVENT_APPLIED, "trivet_event_applied_total", "Events applied") \
	X(METRIC_SEASON_CLOSED, "trivet_season_closed_total", "Seasons closed") \
	X(METRIC_SEASON_OVERDUE_S, "trivet_season_overdue_seconds", "Since when a season that is over waits for its close; 0: none does") \
	X(METRIC_EVENT_REJECTED, "trivet_event_rejected_total", "Events that changed nothing when it was their turn") \
	X(METRIC_EVENT_ASIDE, "trivet_event_set_aside", "Events that failed five times and wait for the operator") \
	X(METRIC_EVENT_LAG_MS, "trivet_event_lag_ms", "Age of the oldest event that is not applied")

enum metric {
#define X(id, name, help) id,
	METRIC_TABLE(X)
#undef X
	METRIC_COUNT
};

/* Upper bounds of the latency histogram in milliseconds; the last bucket is +Inf. */
#define METRIC_BUCKETS_MS {1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500}
#define METRIC_BUCKET_COUNT 12
#define METRIC_ROUTES 96
#define METRIC_ROUTE_NAME 48

/*
 * metric_open - from now on counts live in <run_dir>/metrics/<program>.<pid>; run_dir absent: in memory.
 *
 * OK, UNAVAILABLE (the file cannot be made), INVALID (program is over 31 bytes). Called once, before threads. The file stays
 * locked (flock) while the process lives: so the others know.
 */
MUST_CHECK enum status metric_open(struct str run_dir, const char *program);

void metric_add(enum metric metric, int64_t value);
void metric_set(enum metric metric, int64_t value);
int64_t metric_get(enum metric metric);

/* metric_route - one request of route `index` (0..METRIC_ROUTES-1, named "METHOD path" at first use) ended with an HTTP status. */
void metric_route(size_t index, const char *method, const char *path, int http_status, int64_t duration_us);

/*
 * metric_render - Prometheus text of this process and of every file under <run_dir>/metrics whose process lives;
 * files of dead processes are removed. Processes of one program are one sample: counters added, gauges the largest.
 * Lives in the arena; absent when the arena failed.
 */
struct str metric_render(struct arena *arena, struct str run_dir);

#endif
