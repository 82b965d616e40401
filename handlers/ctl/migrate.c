/* trivet migrate [--status] | migrate check */
#include "base/clock.h"
#include "ctl.h"
#include "service/migration.h"

/* A migration may rewrite a large table; the operator sees it run and can stop it. */
#define MIGRATE_US (6 * HOUR_US)

static enum ctl_exit show_status(struct ctl *ctl, const struct migration *table, size_t count)
{
	static const char *const columns[] = {"version", "name", "state", "applied_at", NULL};
	struct migration_row *rows;
	size_t row_count;
	enum status status = migration_status(&ctl->ctx, table, count, &rows, &row_count);
	if (status != OK) {
		return ctl_status(ctl, "migrations", status);
	}
	struct json *array = json_array();
	bool behind = false;
	for (size_t i = 0; i < row_count; i++) {
		struct json *row = json_set_i64(json_object(), "version", rows[i].version);
		row = json_set_str(row, "name", rows[i].name);
		row = json_set_str(row, "state", migration_state_name(rows[i].state));
		array = json_append(array, json_set_time(ctl->ctx.arena, row, "applied_at", rows[i].applied_at));
		behind = behind || rows[i].state == MIGRATION_PENDING || rows[i].state == MIGRATION_EDITED;
	}
	enum ctl_exit printed = ctl_list(ctl, columns, array);
	return printed == CTL_DONE && behind ? CTL_FAILED : printed;
}

enum ctl_exit run_migrate(struct ctl *ctl)
{
	size_t count;
	const struct migration *table = migration_table(&count);
	if (ctl_given(ctl, "--status")) {
		return show_status(ctl, table, count);
	}
	struct migration_report report;
	ctl->ctx.deadline = clock_monotonic_us() + MIGRATE_US;
	enum status status = migration_apply(&ctl->ctx, table, count, &report);
	if (status != OK) {
		return ctl_fail(ctl, STR_FMT, STR_ARG(report.error));
	}
	struct json *answer = json_set_i64(json_object(), "applied", (int64_t)report.applied);
	return ctl_object(ctl, json_set_i64(answer, "partitions", report.partitions));
}

enum ctl_exit run_migrate_check(struct ctl *ctl)
{
	size_t count;
	const struct migration *table = migration_table(&count);
	struct str error;
	if (migration_check(ctl->ctx.arena, table, count, &error) != OK) {
		return ctl_fail(ctl, STR_FMT, STR_ARG(error));
	}
	return ctl_done(ctl, "%zu migrations are in order", count);
}
