#include "support/people.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/testdb.h"

int64_t people_add(const char *platform, int platform_id, int age)
{
	return testdb_i64f(
		"WITH a AS (INSERT INTO public.account (created_at) VALUES (to_timestamp(1763645064) - make_interval(days => %d)) RETURNING id),"
		" b AS (INSERT INTO public.account_balance (account_id) SELECT id FROM a)"
		" INSERT INTO public.identity (account_id, platform, platform_id, first_seen, last_seen, attached_at) SELECT id, '%s', %d, t, t, t"
		" FROM a, (SELECT to_timestamp(1763645064) - make_interval(days => %d) AS t) x RETURNING account_id",
		age, platform, platform_id, age);
}

int64_t people_balance(const char *column, int64_t account)
{
	return testdb_i64f("SELECT %s FROM public.account_balance WHERE account_id = %lld", column, (long long)account);
}

int64_t people_account(const char *platform, int platform_id)
{
	return testdb_i64f("SELECT account_id FROM public.identity WHERE platform = '%s' AND platform_id = %d", platform, platform_id);
}

enum status people_join(struct tx *tx, void *pair)
{
	struct people_pair *p = pair;

	enum status status = linking_merge_by_staff(tx, p->a, p->b, STR("test"), &p->result);

	p->merge_id = status == OK ? p->result.merge_id : p->merge_id;
	return status;
}

enum status people_undo(struct tx *tx, void *pair)
{
	struct people_pair *p = pair;

	return linking_undo(tx, NULL, p->merge_id, STR("test"), &p->undo);
}

enum status people_unlink(struct tx *tx, void *pair)
{
	struct people_pair *p = pair;

	return linking_unlink(tx, NULL, p->a, 0, STR("test"), &p->unlink, &p->left);
}

static const char *const flaws[] = {
	/* Balances that are not the sum of their rows. */
	"SELECT count(*) FROM public.account_balance b LEFT JOIN (SELECT user_id, sum(xp) AS xp, sum(coins) AS coins FROM public.ledger"
	" GROUP BY 1) l ON l.user_id = b.account_id WHERE b.xp <> coalesce(l.xp, 0) OR b.coins <> coalesce(l.coins, 0)",
	/* Rows that do not continue the one before. */
	"SELECT count(*) FROM (SELECT xp_after - xp - lag(xp_after, 1, 0::bigint) OVER w AS dx,"
	" coins_after - coins - lag(coins_after, 1, 0::bigint) OVER w AS dc FROM public.ledger"
	" WINDOW w AS (PARTITION BY user_id ORDER BY id)) s WHERE dx <> 0 OR dc <> 0",
	/* Counts of badges that are not those held. */
	"SELECT count(*) FROM public.account_balance b WHERE b.achievements <>"
	" (SELECT count(*) FROM public.badge_user_association a WHERE a.user_id = b.account_id)",
	/* The same twice to one person; missions of a day or week come again under another key. */
	"SELECT count(*) FROM (SELECT user_id, kind, reason FROM public.ledger WHERE kind IN ('badge', 'rank_up', 'season_reward')"
	" GROUP BY 1, 2, 3 HAVING count(*) > 1) s",
	"SELECT count(*) FROM (SELECT idempotency_key FROM public.ledger WHERE kind IN ('mission_completed', 'daily') GROUP BY 1"
	" HAVING count(*) > 1) s",
};

void people_assert_verified(void)
{
	for (size_t i = 0; i < sizeof(flaws) / sizeof(flaws[0]); i++) {
		int64_t found = testdb_i64(flaws[i]);

		if (found != 0) {
			fail_msg("%lld: %s", (long long)found, flaws[i]);
		}
	}
}

void people_forget(void)
{
	testdb_exec("TRUNCATE public.event_queue, public.event_key, public.event_key_recent, public.event, public.ledger, public.outbox,"
	            " public.merge, public.account_family, public.identity_reach, public.identity, public.account_balance, public.account,"
	            " public.season, public.season_result, public.board_dirty RESTART IDENTITY CASCADE");
}
