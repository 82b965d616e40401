#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Blocks double from the kept size up to this; a larger allocation has a block of its own size. */
#define BLOCK_MAX ((size_t)1024 * 1024)

/* A piece of memory from the system. In sanitizer builds one per allocation, else many allocations each. */
struct block {
	struct block *next;
	size_t cap;
	size_t used;
	alignas(max_align_t) unsigned char data[];
};

struct hook {
	struct hook *next;
	void (*fn)(void *object);
	void *object;
};

struct arena {
	struct block *blocks; /* newest first; the last one is kept over a reset */
	struct hook *hooks;   /* newest first; they live in the blocks */
	size_t limit;
	size_t extra; /* on top of the limit, until the reset */
	size_t used;
	bool failed;
};

static const size_t alignment = alignof(max_align_t);

struct arena *arena_new(size_t limit)
{
	struct arena *arena = calloc(1, sizeof(*arena));
	if (arena == NULL) {
		return NULL;
	}
	arena->limit = limit;
	return arena;
}

static void run_hooks(struct arena *arena)
{
	/* Popped before it is called: a hook that registers another one is served too. */
	while (arena->hooks != NULL) {
		struct hook *hook = arena->hooks;
		arena->hooks = hook->next;
		hook->fn(hook->object);
	}
}

/* Gives back all blocks; with `keep` all but the oldest, if that is small enough to wait for the next request. */
static struct block *release_blocks(struct block *block, bool keep)
{
	struct block *survivor = NULL;
	while (block != NULL) {
		struct block *next = block->next;
		if (keep && next == NULL && block->cap <= ARENA_KEPT) {
			survivor = block;
		} else {
			free(block);
		}
		block = next;
	}
	return survivor;
}

void arena_free(struct arena *arena)
{
	if (arena == NULL) {
		return;
	}
	run_hooks(arena);
	(void)release_blocks(arena->blocks, false);
	free(arena);
}

void arena_reset(struct arena *arena)
{
	run_hooks(arena);
#ifdef TRIVET_SANITIZE
	/* Nothing survives, so that a pointer from before the reset is caught. */
	arena->blocks = release_blocks(arena->blocks, false);
#else
	arena->blocks = release_blocks(arena->blocks, true);
#endif
	if (arena->blocks != NULL) {
		arena->blocks->used = 0;
	}
	arena->used = 0;
	arena->extra = 0;
	arena->failed = false;
}

/* Adds a block with room for `size` bytes; NULL when the system has no memory. */
static struct block *grow(struct arena *arena, size_t size)
{
	size_t cap = size;
#ifndef TRIVET_SANITIZE
	size_t wanted = ARENA_KEPT;
	if (arena->blocks != NULL) {
		wanted = arena->blocks->cap >= BLOCK_MAX / 2 ? BLOCK_MAX : arena->blocks->cap * 2;
	}
	cap = size > wanted ? size : wanted;
#endif
	struct block *block = malloc(sizeof(*block) + cap);
	if (block == NULL) {
		return NULL;
	}
	block->next = arena->blocks;
	block->cap = cap;
	block->used = 0;
	arena->blocks = block;
	return block;
}

static void *refuse(struct arena *arena)
{
	arena->failed = true;
	return NULL;
}

/* Where the next `taken` bytes go; NULL when the system has no memory. */
static struct block *room_for(struct arena *arena, size_t taken)
{
#ifdef TRIVET_SANITIZE
	return grow(arena, taken);
#else
	struct block *block = arena->blocks;
	if (block != NULL && taken <= block->cap - block->used) {
		return block;
	}
	return grow(arena, taken);
#endif
}

void *arena_alloc(struct arena *arena, size_t size)
{
	size_t left = arena->limit + arena->extra - arena->used;
	if (arena->failed || size > left) {
		return refuse(arena);
	}
	/* The limit counts what is taken, padding included: a tree of one-byte values cannot slip under it. */
	size_t taken = size == 0 ? alignment : (size + alignment - 1) / alignment * alignment;
	if (taken < size || taken > left) {
		return refuse(arena);
	}
	arena->used += taken;
#ifdef TRIVET_SANITIZE
	taken = size; /* no padding, so that the first byte past the end is already foreign */
#endif
	struct block *block = room_for(arena, taken);
	if (block == NULL) {
		return refuse(arena);
	}
	void *memory = block->data + block->used;
	block->used += taken;
	memset(memory, 0, size);
	return memory;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	size_t total = 0;
	if (__builtin_mul_overflow(count, size, &total)) {
		return refuse(arena);
	}
	return arena_alloc(arena, total);
}

enum status arena_defer(struct arena *arena, void (*fn)(void *object), void *object)
{
	struct hook *hook = arena_alloc(arena, sizeof(*hook));
	if (hook == NULL) {
		fn(object);
		return TOO_LARGE;
	}
	hook->next = arena->hooks;
	hook->fn = fn;
	hook->object = object;
	arena->hooks = hook;
	return OK;
}

bool arena_failed(const struct arena *arena)
{
	return arena->failed;
}

void arena_extend(struct arena *arena, size_t size)
{
	arena->extra += size;
	arena->failed = false;
}

size_t arena_used(const struct arena *arena)
{
	return arena->used;
}
