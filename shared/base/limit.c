#include "base/limit.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/baton.h"
#include "base/clock.h"

#define WAYS 8 /* places per set: eight busy keys of one set are a rarity at a tenth of the table's load */
#define MINUTE INT64_C(60000000)

struct rate_place {
	uint64_t key;
	int64_t full_at; /* when the bucket is full again; at or before now: the place is free */
};

struct flight_place {
	uint64_t key;
	int count; /* 0: the place is free */
};

/* Who waits for a flight of his set to end; lives on his stack. */
struct flight_waiter {
	struct baton wake;
	struct flight_waiter *next;
};

struct limit_set {
	pthread_mutex_t mutex;
	struct flight_waiter *waiters;
	struct rate_place rates[WAYS];
	struct flight_place flights[WAYS];
};

struct limit_table {
	uint64_t seed[2];
	size_t set_count; /* a power of two */
	struct limit_set sets[];
};

static uint64_t rotate_left(uint64_t x, int bits)
{
	return (x << bits) | (x >> (64 - bits));
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate_left(v[1], 13) ^ v[0];
	v[3] = rotate_left(v[3], 16) ^ v[2];
	v[0] = rotate_left(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate_left(v[1], 17) ^ v[2];
	v[3] = rotate_left(v[3], 21) ^ v[0];
	v[2] = rotate_left(v[2], 32);
}

/* Up to eight bytes, least significant first, whatever the machine's order. */
static uint64_t load_word(const char *bytes, size_t len)
{
	uint64_t word = 0;

	for (size_t i = 0; i < len; i++) {
		word |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
	}
	return word;
}

/* SipHash-2-4. Source: Aumasson, Bernstein, "SipHash: a fast short-input PRF", 2012. */
static uint64_t hash_key(const uint64_t seed[2], struct str key)
{
	uint64_t v[4] = {seed[0] ^ UINT64_C(0x736f6d6570736575), seed[1] ^ UINT64_C(0x646f72616e646f6d),
		seed[0] ^ UINT64_C(0x6c7967656e657261), seed[1] ^ UINT64_C(0x7465646279746573)};
	size_t whole = key.len & ~(size_t)7;

	for (size_t at = 0; at <= whole; at += 8) {
		uint64_t word = at < whole ? load_word(key.ptr + at, 8) : (uint64_t)key.len << 56;

		if (at == whole && whole < key.len) {
			word |= load_word(key.ptr + whole, key.len - whole);
		}
		v[3] ^= word;
		sip_round(v);
		sip_round(v);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++) {
		sip_round(v);
	}
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct limit_table *limit_table_new(size_t slots)
{
	size_t sets = 64 / WAYS;
	struct limit_table *table = NULL;

	while (sets * WAYS < slots) {
		sets *= 2;
	}
	table = calloc(1, sizeof(*table) + sets * sizeof(table->sets[0]));
	if (table == NULL) {
		return NULL;
	}
	if (getrandom(table->seed, sizeof(table->seed), 0) != (ssize_t)sizeof(table->seed)) {
		free(table);
		return NULL;
	}
	for (table->set_count = 0; table->set_count < sets; table->set_count++) {
		if (pthread_mutex_init(&table->sets[table->set_count].mutex, NULL) != 0) {
			limit_table_free(table);
			return NULL;
		}
	}
	return table;
}

void limit_table_free(struct limit_table *table)
{
	if (table == NULL) {
		return;
	}
	for (size_t i = 0; i < table->set_count; i++) {
		for (size_t way = 0; way < WAYS; way++) {
			assert(table->sets[i].flights[way].count == 0);
		}
		(void)pthread_mutex_destroy(&table->sets[i].mutex);
	}
	free(table);
}

static struct limit_set *set_of(struct limit_table *table, uint64_t key)
{
	return &table->sets[key & (table->set_count - 1)];
}

/* The place of `key`, or else the one whose bucket is closest to full: forgetting that one forgives least. */
static struct rate_place *rate_place_of(struct limit_set *set, uint64_t key)
{
	struct rate_place *fullest = &set->rates[0];

	for (size_t way = 0; way < WAYS; way++) {
		if (set->rates[way].key == key) {
			return &set->rates[way];
		}
		if (set->rates[way].full_at < fullest->full_at) {
			fullest = &set->rates[way];
		}
	}
	*fullest = (struct rate_place){.key = key};
	return fullest;
}

bool limit_rate_allow(struct limit_table *table, struct str key, int per_minute, int64_t now_us, int64_t *ret_wait_us)
{
	uint64_t hash = hash_key(table->seed, key);
	struct limit_set *set = set_of(table, hash);
	int64_t full_at = 0;
	bool allowed = false;

	assert(per_minute >= 1 && per_minute <= MINUTE);
	(void)pthread_mutex_lock(&set->mutex);

	struct rate_place *place = rate_place_of(set, hash);

	if (place->full_at > now_us + MINUTE) {
		place->full_at = now_us + MINUTE; /* the clock was set back: the bucket is empty, and fills from now on */
	}
	/* The bucket as one moment (GCRA): a token costs a share of the minute that an empty bucket needs to fill. */
	full_at = (place->full_at < now_us ? now_us : place->full_at) + MINUTE / per_minute;
	allowed = full_at <= now_us + MINUTE;
	if (allowed) {
		place->full_at = full_at;
	}
	(void)pthread_mutex_unlock(&set->mutex);
	if (!allowed && ret_wait_us != NULL) {
		*ret_wait_us = full_at - now_us - MINUTE;
	}
	return allowed;
}

/* The place of `key` in flight, or a free one, or NULL. */
static struct flight_place *flight_place_of(struct limit_set *set, uint64_t key)
{
	struct flight_place *free_place = NULL;

	for (size_t way = 0; way < WAYS; way++) {
		if (set->flights[way].count == 0) {
			free_place = &set->flights[way];
		} else if (set->flights[way].key == key) {
			return &set->flights[way];
		}
	}
	return free_place;
}

/* Takes a place if there is one. Locked. */
static bool take_flight(struct limit_set *set, uint64_t key, int limit)
{
	struct flight_place *place = flight_place_of(set, key);

	if (place == NULL || place->count >= limit) {
		return false;
	}
	place->key = key;
	place->count++;
	return true;
}

/* Until a flight of the set ended (true) or `until`. Locked, but not while it waits. */
static bool wait_for_flight(struct limit_set *set, int64_t until)
{
	struct flight_waiter waiter = {.next = set->waiters};
	bool woken = false;

	baton_init(&waiter.wake);
	set->waiters = &waiter;
	(void)pthread_mutex_unlock(&set->mutex);
	woken = baton_wait(&waiter.wake, until);
	(void)pthread_mutex_lock(&set->mutex);
	for (struct flight_waiter **at = &set->waiters; *at != NULL; at = &(*at)->next) {
		if (*at == &waiter) {
			*at = waiter.next;
			break;
		}
	}
	baton_done(&waiter.wake);
	return woken;
}

enum status limit_flight_enter(struct limit_table *table, struct str key, int limit, int64_t wait_us)
{
	uint64_t hash = hash_key(table->seed, key);
	struct limit_set *set = set_of(table, hash);
	bool taken = false;

	assert(limit >= 1);
	(void)pthread_mutex_lock(&set->mutex);
	taken = take_flight(set, hash, limit);
	if (!taken && wait_us > 0) {
		int64_t until = clock_monotonic_us() + wait_us;
		bool woken = true;

		while (!taken && woken) {
			woken = wait_for_flight(set, until);
			taken = take_flight(set, hash, limit);
		}
	}
	(void)pthread_mutex_unlock(&set->mutex);
	return taken ? OK : TOO_MANY;
}

void limit_flight_leave(struct limit_table *table, struct str key)
{
	uint64_t hash = hash_key(table->seed, key);
	struct limit_set *set = set_of(table, hash);

	(void)pthread_mutex_lock(&set->mutex);

	struct flight_place *place = flight_place_of(set, hash);

	assert(place != NULL && place->count > 0 && place->key == hash);
	place->count--;
	/* Whoever it was for: each looks again. They go on under the lock only, so they are still there when they are told. */
	for (struct flight_waiter *waiter = set->waiters; waiter != NULL; waiter = waiter->next) {
		baton_post(&waiter->wake);
	}
	(void)pthread_mutex_unlock(&set->mutex);
}
