#include "base/metric.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAM_NAME 32
/* How many programs of one host are printed; six of ours count. */
#define PROGRAMS_MAX 16
#define RENDER_MAX ((size_t)2 * 1024 * 1024)
#define PATH_BYTES 512

/* What a route's answers are counted under; every other status is "other". */
static const int statuses[] = {200, 201, 204, 304, 400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 428, 429, 431, 500, 503};
#define STATUS_SLOTS (ARRAY_LEN(statuses) + 1)

static const int buckets_ms[] = METRIC_BUCKETS_MS;
_Static_assert(ARRAY_LEN(buckets_ms) + 1 == METRIC_BUCKET_COUNT, "the last bucket is +Inf");

enum route_state {
	ROUTE_UNUSED = 0,
	ROUTE_BEING_NAMED,
	ROUTE_NAMED
};

struct route {
	_Atomic int state;
	char name[METRIC_ROUTE_NAME];
	_Atomic int64_t by_status[STATUS_SLOTS];
	_Atomic int64_t by_bucket[METRIC_BUCKET_COUNT];
	_Atomic int64_t duration_us;
};

/* The layout of a file. Programs of two versions can live side by side: `layout` tells them apart. */
struct table {
	uint64_t layout;
	char program[PROGRAM_NAME];
	_Atomic int64_t values[METRIC_COUNT];
	struct route routes[METRIC_ROUTES];
};
#define LAYOUT (UINT64_C(0x74726976657401) ^ ((uint64_t)METRIC_COUNT << 32) ^ ((uint64_t)sizeof(struct table) << 40))

static const struct {
	const char *name;
	const char *help;
} descriptions[METRIC_COUNT] = {
#define X(id, name, help) [id] = {name, help},
	METRIC_TABLE(X)
#undef X
};

/*
 * Mutable by intent: a count belongs to the process, not to a request. Set up by metric_open() before threads, from then
 * on only touched by atomic additions. The descriptor of the file stays open for its lock, which says that we live.
 */
static struct table own_memory = {.layout = LAYOUT, .program = "trivet"};
static struct table *own = &own_memory;

static bool fits(int written, size_t room)
{
	return written >= 0 && (size_t)written < room;
}

/* ---- opening ------------------------------------------------------------------------------------------------------------------- */

/* Makes the locked file of this process under its final name and maps it; NULL and errno on failure. */
static struct table *map_file(const char *temporary, const char *path)
{
	struct table *table = NULL;
	int fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0) {
		return NULL;
	}
	/* The room is reserved now: a full file system must show here and not as SIGBUS in a request. */
	if (flock(fd, LOCK_EX | LOCK_NB) != 0 || posix_fallocate(fd, 0, sizeof(*table)) != 0) {
		goto out;
	}
	void *memory = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		goto out;
	}
	/* Renamed only when locked, so that a reader never takes it for the file of a dead process. */
	if (rename(temporary, path) != 0) {
		(void)munmap(memory, sizeof(*table));
		goto out;
	}
	table = memory;
out:
	if (table == NULL) {
		(void)unlink(temporary);
		(void)close(fd);
	}
	return table;
}

enum status metric_open(struct str run_dir, const char *program)
{
	if (strlen(program) >= PROGRAM_NAME) {
		return INVALID;
	}
	memcpy(own->program, program, strlen(program) + 1);
	if (!str_present(run_dir)) {
		return OK;
	}
	char directory[PATH_BYTES];
	char path[PATH_BYTES];
	char temporary[PATH_BYTES];
	int pid = (int)getpid();
	if (!fits(snprintf(directory, sizeof(directory), STR_FMT "/metrics", STR_ARG(run_dir)), sizeof(directory)) ||
	    !fits(snprintf(path, sizeof(path), "%s/%s.%d", directory, program, pid), sizeof(path)) ||
	    !fits(snprintf(temporary, sizeof(temporary), "%s/.%s.%d", directory, program, pid), sizeof(temporary))) {
		return UNAVAILABLE;
	}
	if (mkdir(directory, 0750) != 0 && errno != EEXIST) {
		return UNAVAILABLE;
	}
	struct table *table = map_file(temporary, path);
	if (table == NULL) {
		return UNAVAILABLE;
	}
	/* What was counted before, as refused settings or connections, goes along. */
	memcpy(table->program, own->program, sizeof(table->program));
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		table->values[i] = own->values[i];
	}
	table->layout = LAYOUT;
	own = table;
	return OK;
}

/* ---- counting ------------------------------------------------------------------------------------------------------------------ */

void metric_add(enum metric metric, int64_t value)
{
	atomic_fetch_add_explicit(&own->values[metric], value, memory_order_relaxed);
}

void metric_set(enum metric metric, int64_t value)
{
	atomic_store_explicit(&own->values[metric], value, memory_order_relaxed);
}

int64_t metric_get(enum metric metric)
{
	return atomic_load_explicit(&own->values[metric], memory_order_relaxed);
}

/* The first to come writes the name; its readers wait for ROUTE_NAMED and skip the route until then. */
static void name_route(struct route *route, const char *name)
{
	int unused = ROUTE_UNUSED;
	if (!atomic_compare_exchange_strong(&route->state, &unused, ROUTE_BEING_NAMED)) {
		return;
	}
	size_t len = strlen(name);
	if (len >= sizeof(route->name)) {
		len = sizeof(route->name) - 1;
	}
	memcpy(route->name, name, len);
	route->name[len] = '\0';
	atomic_store_explicit(&route->state, ROUTE_NAMED, memory_order_release);
}

static size_t status_slot(int http_status)
{
	size_t slot = 0;
	while (slot < ARRAY_LEN(statuses) && statuses[slot] != http_status) {
		slot++;
	}
	return slot;
}

static size_t bucket_slot(int64_t duration_us)
{
	size_t slot = 0;
	while (slot < ARRAY_LEN(buckets_ms) && duration_us > (int64_t)buckets_ms[slot] * 1000) {
		slot++;
	}
	return slot;
}

void metric_route(size_t index, const char *method, const char *path, int http_status, int64_t duration_us)
{
	if (index >= METRIC_ROUTES) {
		return;
	}
	struct route *route = &own->routes[index];
	if (atomic_load_explicit(&route->state, memory_order_relaxed) == ROUTE_UNUSED) {
		char name[METRIC_ROUTE_NAME];
		(void)snprintf(name, sizeof(name), "%s %s", method, path);
		name_route(route, name);
	}
	atomic_fetch_add_explicit(&route->by_status[status_slot(http_status)], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&route->by_bucket[bucket_slot(duration_us)], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&route->duration_us, duration_us, memory_order_relaxed);
}

/* ---- printing ------------------------------------------------------------------------------------------------------------------ */

/* The tables of all processes, added up per program. */
struct sums {
	struct table *programs[PROGRAMS_MAX];
	size_t count;
};

static bool is_counter(size_t metric)
{
	return str_ends(str_from_z(descriptions[metric].name), STR("_total"));
}

static struct table *sum_of(struct arena *arena, struct sums *sums, const char *program)
{
	for (size_t i = 0; i < sums->count; i++) {
		if (strcmp(sums->programs[i]->program, program) == 0) {
			return sums->programs[i];
		}
	}
	if (sums->count == PROGRAMS_MAX) {
		return NULL;
	}
	struct table *sum = arena_alloc(arena, sizeof(*sum));
	if (sum == NULL) {
		return NULL;
	}
	memcpy(sum->program, program, sizeof(sum->program));
	sums->programs[sums->count++] = sum;
	return sum;
}

/* By name, not by place: two versions of a program may number their routes differently. */
static struct route *route_of(struct table *sum, const char *name)
{
	for (size_t i = 0; i < METRIC_ROUTES; i++) {
		struct route *route = &sum->routes[i];
		if (route->state == ROUTE_UNUSED) {
			name_route(route, name);
			return route;
		}
		if (strcmp(route->name, name) == 0) {
			return route;
		}
	}
	return NULL;
}

static void add_route(struct table *sum, const struct route *from)
{
	struct route *to = route_of(sum, from->name);
	if (to == NULL) {
		return;
	}
	for (size_t i = 0; i < STATUS_SLOTS; i++) {
		to->by_status[i] += from->by_status[i];
	}
	for (size_t i = 0; i < METRIC_BUCKET_COUNT; i++) {
		to->by_bucket[i] += from->by_bucket[i];
	}
	to->duration_us += from->duration_us;
}

static void add_table(struct arena *arena, struct sums *sums, const struct table *from)
{
	struct table *sum = sum_of(arena, sums, from->program);
	if (sum == NULL) {
		return;
	}
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		int64_t value = from->values[i];
		/* A gauge tells what one process saw of something shared, as the length of a queue: adding would count it twice. */
		if (is_counter(i)) {
			sum->values[i] += value;
		} else if (value > sum->values[i]) {
			sum->values[i] = value;
		}
	}
	for (size_t i = 0; i < METRIC_ROUTES; i++) {
		if (atomic_load_explicit(&from->routes[i].state, memory_order_acquire) == ROUTE_NAMED) {
			add_route(sum, &from->routes[i]);
		}
	}
}

/* Adds one file, or removes it when its process has gone: then nobody holds the lock. */
static void add_file(struct arena *arena, struct sums *sums, int directory, const char *name)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		return;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		(void)unlinkat(directory, name, 0);
		goto out;
	}
	struct stat file = {0};
	if (fstat(fd, &file) != 0 || file.st_size != (off_t)sizeof(struct table)) {
		goto out;
	}
	void *memory = mmap(NULL, sizeof(struct table), PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		goto out;
	}
	const struct table *table = memory;
	if (table->layout == LAYOUT && memchr(table->program, '\0', sizeof(table->program)) != NULL) {
		add_table(arena, sums, table);
	}
	(void)munmap(memory, sizeof(struct table));
out:
	(void)close(fd);
}

static void add_directory(struct arena *arena, struct sums *sums, struct str run_dir)
{
	char path[PATH_BYTES];
	if (!fits(snprintf(path, sizeof(path), STR_FMT "/metrics", STR_ARG(run_dir)), sizeof(path))) {
		return;
	}
	DIR *directory = opendir(path);
	if (directory == NULL) {
		return;
	}
	for (const struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
		/* A leading dot: one that is being made. */
		if (entry->d_name[0] != '.') {
			add_file(arena, sums, dirfd(directory), entry->d_name);
		}
	}
	(void)closedir(directory);
}

static void print_values(struct buf *out, const struct sums *sums)
{
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", descriptions[i].name, descriptions[i].help, descriptions[i].name,
		           is_counter(i) ? "counter" : "gauge");
		for (size_t p = 0; p < sums->count; p++) {
			buf_printf(out, "%s{program=\"%s\"} %" PRId64 "\n", descriptions[i].name, sums->programs[p]->program,
			           (int64_t)sums->programs[p]->values[i]);
		}
	}
}

/* program="..",route=".." with what could end a label escaped. */
static struct str labels(struct arena *arena, const struct table *sum, const struct route *route)
{
	struct buf text = buf_init(arena, 256);
	buf_printf(&text, "program=\"%s\",route=\"", sum->program);
	for (const char *at = route->name; *at != '\0'; at++) {
		if (*at == '"' || *at == '\\') {
			buf_add_byte(&text, '\\');
		}
		buf_add_byte(&text, *at == '\n' ? ' ' : *at);
	}
	buf_add_byte(&text, '"');
	return buf_str(&text);
}

static void print_statuses(struct arena *arena, struct buf *out, const struct table *sum, const struct route *route)
{
	struct str label = labels(arena, sum, route);
	for (size_t s = 0; s < STATUS_SLOTS; s++) {
		if (route->by_status[s] == 0) {
			continue;
		}
		buf_printf(out, "trivet_requests_total{" STR_FMT ",status=\"", STR_ARG(label));
		if (s < ARRAY_LEN(statuses)) {
			buf_add_i64(out, statuses[s]);
		} else {
			buf_add(out, STR("other"));
		}
		buf_printf(out, "\"} %" PRId64 "\n", (int64_t)route->by_status[s]);
	}
}

static void print_durations(struct arena *arena, struct buf *out, const struct table *sum, const struct route *route)
{
	static const char name[] = "trivet_request_duration_seconds";
	struct str label = labels(arena, sum, route);
	int64_t total = 0;
	for (size_t b = 0; b < METRIC_BUCKET_COUNT; b++) {
		total += route->by_bucket[b];
		buf_printf(out, "%s_bucket{" STR_FMT ",le=\"", name, STR_ARG(label));
		if (b < ARRAY_LEN(buckets_ms)) {
			buf_printf(out, "%d.%03d", buckets_ms[b] / 1000, buckets_ms[b] % 1000);
		} else {
			buf_add(out, STR("+Inf"));
		}
		buf_printf(out, "\"} %" PRId64 "\n", total);
	}
	int64_t us = route->duration_us;
	buf_printf(out, "%s_sum{" STR_FMT "} %" PRId64 ".%06" PRId64 "\n", name, STR_ARG(label), us / 1000000, us % 1000000);
	buf_printf(out, "%s_count{" STR_FMT "} %" PRId64 "\n", name, STR_ARG(label), total);
}

static void print_routes(struct arena *arena, struct buf *out, const struct sums *sums,
                         void (*print)(struct arena *arena, struct buf *out, const struct table *sum, const struct route *route))
{
	for (size_t p = 0; p < sums->count; p++) {
		for (size_t r = 0; r < METRIC_ROUTES && sums->programs[p]->routes[r].state == ROUTE_NAMED; r++) {
			print(arena, out, sums->programs[p], &sums->programs[p]->routes[r]);
		}
	}
}

struct str metric_render(struct arena *arena, struct str run_dir)
{
	struct sums sums = {0};
	if (str_present(run_dir)) {
		add_directory(arena, &sums, run_dir);
	}
	if (own == &own_memory) {
		add_table(arena, &sums, own);
	}
	struct buf out = buf_init(arena, RENDER_MAX);
	print_values(&out, &sums);
	buf_add(&out, STR("# HELP trivet_requests_total Requests answered\n# TYPE trivet_requests_total counter\n"));
	print_routes(arena, &out, &sums, print_statuses);
	buf_add(&out, STR("# HELP trivet_request_duration_seconds Time from receipt to answer\n"
	                  "# TYPE trivet_request_duration_seconds histogram\n"));
	print_routes(arena, &out, &sums, print_durations);
	return arena_failed(arena) ? STR_ABSENT : buf_str(&out);
}
