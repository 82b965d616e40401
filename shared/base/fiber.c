#include "base/fiber.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* Sanitizers follow a thread's one stack and have to be told of others. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#define TELL_ADDRESSES 1
#else
#define TELL_ADDRESSES 0
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#define TELL_THREADS 1
#else
#define TELL_THREADS 0
#endif

#define EVENTS_AT_ONCE 64
#define NEVER INT64_MAX
#define SHORTAGE_US (10 * 1000)

/* A stack and where it stands: of a fiber, or of the thread that runs the loop. */
struct context {
	sigjmp_buf place; /* where it was left */
	void *stack;
	size_t size;
	void *fake_stack; /* AddressSanitizer's */
	void *twin;       /* ThreadSanitizer's */
};

struct fiber {
	struct fiber_watch watch; /* first, and nobody's: it stands for the fiber among descriptors' events */
	struct context context;
	struct fiber_loop *loop;
	void (*fn)(void *arg);
	void *arg;
	void *own[FIBER_SLOT_COUNT];

	/* Of the loop's thread. */
	struct fiber *next; /* among the ready */
	struct fiber *before;
	struct fiber *after; /* among the parked */
	bool parked;
	bool resumed; /* fiber_resume() came and no fiber_park() has said so yet */
	bool begun;
	bool ended;
	enum fiber_wake why;
	int64_t until;
	short ready;

	/* Of all threads. */
	struct fiber *_Atomic posted; /* the next in the loop's letter box */
};

struct fiber_loop {
	struct context context;
	size_t number;
	size_t stack_bytes; /* without the guard */
	size_t guard_bytes;
	struct helpers *helpers;
	int epoll;
	int bell; /* rung by another thread when the loop may sleep */
	size_t living;
	struct fiber *first; /* ready, oldest first */
	struct fiber *last;
	struct fiber *parked;
	int64_t earliest;    /* no parked fiber expires before */

	struct fiber *_Atomic letters; /* resumed by other threads, newest first */
	atomic_int posting;            /* threads that are about to ring */
	atomic_bool asleep;
};

/* What runs here: the named exceptions to "no globals". */
static _Thread_local struct fiber *running;
static _Thread_local struct fiber_loop *here;
static _Thread_local void *thread_own[FIBER_SLOT_COUNT];

struct fiber *fiber_current(void)
{
	return running;
}

struct helpers *fiber_helpers(void)
{
	return running != NULL ? running->loop->helpers : NULL;
}

size_t fiber_loop_number(void)
{
	return running != NULL ? running->loop->number : 0;
}

void **fiber_own(enum fiber_slot slot)
{
	return running != NULL ? &running->own[slot] : &thread_own[slot];
}

/* ---- changing stacks ---- */

static void leave(struct fiber *fiber);

#if TELL_ADDRESSES
static void leave_stack(struct context *from, const struct context *to, bool for_ever)
{
	__sanitizer_start_switch_fiber(for_ever ? NULL : &from->fake_stack, to->stack, to->size);
}

static void enter_stack(struct context *to, struct context *from)
{
	const void *bottom = NULL;
	size_t size = 0;

	__sanitizer_finish_switch_fiber(to->fake_stack, &bottom, &size);
	if (from != NULL) {
		from->stack = (void *)(uintptr_t)bottom;
		from->size = size;
	}
}
#else
static void leave_stack(struct context *from UNUSED, const struct context *to UNUSED, bool for_ever UNUSED)
{
}

static void enter_stack(struct context *to UNUSED, struct context *from UNUSED)
{
}
#endif

#if TELL_THREADS
static void *twin_new(void)
{
	return __tsan_create_fiber(0);
}

static void twin_free(void *twin)
{
	__tsan_destroy_fiber(twin);
}

static void *twin_of_thread(void)
{
	return __tsan_get_current_fiber();
}

static void become(const struct context *to)
{
	__tsan_switch_to_fiber(to->twin, 0);
}
#else
static void *twin_new(void)
{
	return NULL;
}

static void twin_free(void *twin UNUSED)
{
}

static void *twin_of_thread(void)
{
	return NULL;
}

static void become(const struct context *to UNUSED)
{
}
#endif

/*
 * A stack is entered the first time by setcontext() and then by siglongjmp(), as in QEMU's coroutines: swapcontext() would ask the kernel
 * for the signal mask each time. (Makefile: this file is built without _FORTIFY_SOURCE, whose longjmp refuses to change stacks.)
 */
static void change(struct context *from, struct context *to)
{
	if (sigsetjmp(from->place, 0) == 0) {
		become(to);
		siglongjmp(to->place, 1);
	}
}

/* What a fiber's stack begins with; it is never returned from. */
static void begin(void)
{
	struct fiber *fiber = running;

	enter_stack(&fiber->context, &fiber->loop->context);
	fiber->fn(fiber->arg);
	fiber->ended = true;
	leave(fiber);
	abort();
}

static void change_first(struct context *from, const struct context *to)
{
	ucontext_t birth;

	(void)getcontext(&birth); /* makecontext() changes one, and does not make it */
	birth.uc_stack.ss_sp = to->stack;
	birth.uc_stack.ss_size = to->size;
	birth.uc_link = NULL;
	makecontext(&birth, begin, 0);
	if (sigsetjmp(from->place, 0) == 0) {
		become(to);
		(void)setcontext(&birth);
	}
}

/* From the loop into a fiber, until it parks or ends. */
static void enter(struct fiber *fiber)
{
	struct fiber_loop *loop = fiber->loop;

	running = fiber;
	leave_stack(&loop->context, &fiber->context, false);
	if (fiber->begun) {
		change(&loop->context, &fiber->context);
	} else {
		fiber->begun = true;
		change_first(&loop->context, &fiber->context);
	}
	enter_stack(&loop->context, NULL);
	running = NULL;
}

/* From a fiber back to its loop. */
static void leave(struct fiber *fiber)
{
	struct fiber_loop *loop = fiber->loop;

	leave_stack(&fiber->context, &loop->context, fiber->ended);
	change(&fiber->context, &loop->context);
	enter_stack(&fiber->context, &loop->context);
}

/* ---- fibers of a loop ---- */

static struct fiber *fiber_new(struct fiber_loop *loop)
{
	struct fiber *fiber = calloc(1, sizeof(*fiber));
	unsigned char *memory = NULL;

	if (fiber == NULL) {
		return NULL;
	}
	memory = mmap(NULL, loop->guard_bytes + loop->stack_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (memory == MAP_FAILED) {
		free(fiber);
		return NULL;
	}
	if (mprotect(memory + loop->guard_bytes, loop->stack_bytes, PROT_READ | PROT_WRITE) != 0) {
		(void)munmap(memory, loop->guard_bytes + loop->stack_bytes);
		free(fiber);
		return NULL;
	}
	fiber->loop = loop;
	fiber->context.stack = memory + loop->guard_bytes;
	fiber->context.size = loop->stack_bytes;
	fiber->context.twin = twin_new();
	return fiber;
}

static void fiber_free(struct fiber *fiber)
{
	const struct fiber_loop *loop = fiber->loop;

	twin_free(fiber->context.twin);
	(void)munmap((unsigned char *)fiber->context.stack - loop->guard_bytes, loop->guard_bytes + loop->stack_bytes);
	free(fiber);
}

static void make_ready(struct fiber *fiber)
{
	struct fiber_loop *loop = fiber->loop;

	fiber->next = NULL;
	if (loop->last != NULL) {
		loop->last->next = fiber;
	} else {
		loop->first = fiber;
	}
	loop->last = fiber;
}

static void unpark(struct fiber *fiber, enum fiber_wake why)
{
	if (fiber->before != NULL) {
		fiber->before->after = fiber->after;
	} else {
		fiber->loop->parked = fiber->after;
	}
	if (fiber->after != NULL) {
		fiber->after->before = fiber->before;
	}
	fiber->parked = false;
	fiber->why = why;
	make_ready(fiber);
}

enum status fiber_start(struct fiber_loop *loop, void (*fn)(void *arg), void *arg)
{
	struct fiber *fiber = fiber_new(loop);

	if (fiber == NULL) {
		return UNAVAILABLE;
	}
	fiber->fn = fn;
	fiber->arg = arg;
	loop->living++;
	make_ready(fiber);
	return OK;
}

/* ---- waiting ---- */

/* Returns 0, or why it cannot be waited for. */
static int watch(struct fiber *fiber, int fd, short events)
{
	/* Of several loops that wait for one listener one is woken. */
	struct epoll_event event = {.events = (uint32_t)events | EPOLLEXCLUSIVE, .data = {.ptr = &fiber->watch}};
	int error = epoll_ctl(fiber->loop->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;

	assert(error != EEXIST); /* two fibers of a loop never wait for the same */
	return error;
}

static void add_parked(struct fiber *fiber, int64_t until)
{
	struct fiber_loop *loop = fiber->loop;

	fiber->parked = true;
	fiber->until = until;
	fiber->before = NULL;
	fiber->after = loop->parked;
	if (loop->parked != NULL) {
		loop->parked->before = fiber;
	}
	loop->parked = fiber;
	loop->earliest = until < loop->earliest ? until : loop->earliest;
}

enum fiber_wake fiber_park(int fd, short events, int64_t until, short *ret_ready)
{
	struct fiber *fiber = running;
	struct fiber_loop *loop = fiber->loop;

	if (fiber->resumed) {
		fiber->resumed = false;
		return FIBER_RESUMED;
	}
	int error = fd >= 0 ? watch(fiber, fd, events) : 0;

	if (error == EBADF || error == EPERM) {
		*ret_ready = POLLERR; /* the next read or write says so, too */
		return FIBER_READY;
	}
	if (error != 0) {
		/* The system has no memory for it: the caller tries by himself, after others had their turn. */
		int64_t soon = clock_monotonic_us() + SHORTAGE_US;

		until = until < soon ? until : soon;
	}
	add_parked(fiber, until);
	leave(fiber);
	if (fd >= 0 && error == 0) {
		(void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL);
	}
	if (error != 0 && fiber->why == FIBER_EXPIRED) {
		*ret_ready = events;
		return FIBER_READY;
	}
	if (fiber->why == FIBER_RESUMED) {
		fiber->resumed = false;
	} else if (fiber->why == FIBER_READY) {
		*ret_ready = fiber->ready;
	}
	return fiber->why;
}

static void note_resumed(struct fiber *fiber)
{
	fiber->resumed = true;
	if (fiber->parked) {
		unpark(fiber, FIBER_RESUMED);
	}
}

void fiber_resume(struct fiber *fiber)
{
	struct fiber_loop *loop = fiber->loop;
	const uint64_t one = 1;

	if (here == loop) {
		note_resumed(fiber);
		return;
	}
	struct fiber *newest = atomic_load(&loop->letters);

	/* Once the letter is there the fiber may go on to its end: the loop waits for us then. */
	(void)atomic_fetch_add(&loop->posting, 1);
	do {
		atomic_store_explicit(&fiber->posted, newest, memory_order_relaxed);
	} while (!atomic_compare_exchange_weak(&loop->letters, &newest, fiber));
	if (atomic_exchange(&loop->asleep, false)) {
		while (write(loop->bell, &one, sizeof(one)) < 0 && errno == EINTR) {
			continue;
		}
	}
	(void)atomic_fetch_sub(&loop->posting, 1);
}

void fiber_yield(void)
{
	if (running != NULL) {
		struct fiber *fiber = running;

		make_ready(fiber);
		leave(fiber);
	}
}

static enum status poll_until(int fd, short events, int64_t until, short *ret_ready)
{
	struct pollfd watched = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = until - clock_monotonic_us();

		if (left <= 0) {
			return TIMED_OUT;
		}
		struct timespec timeout = {.tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000};
		int ready = ppoll(&watched, 1, &timeout, NULL);

		if (ready > 0 || (ready < 0 && errno != EINTR)) {
			*ret_ready = ready > 0 ? watched.revents : POLLERR;
			return OK;
		}
	}
}

enum status fiber_wait_fd(int fd, short events, int64_t until, short *ret_ready)
{
	if (running == NULL) {
		return poll_until(fd, events, until, ret_ready);
	}
	if (clock_monotonic_us() >= until) {
		return TIMED_OUT;
	}
	enum fiber_wake why = fiber_park(fd, events, until, ret_ready);

	assert(why != FIBER_RESUMED); /* no baton knows of us */
	return why == FIBER_READY ? OK : TIMED_OUT;
}

void fiber_sleep(int64_t until)
{
	short ready = 0;

	if (running == NULL) {
		(void)poll_until(-1, 0, until, &ready);
		return;
	}
	enum fiber_wake why = fiber_park(-1, 0, until, &ready);

	assert(why == FIBER_EXPIRED);
	(void)why;
}

/* ---- the loop ---- */

/* Those that are ready now; who becomes ready meanwhile has his turn after the next look at descriptors. */
static void run_ready(struct fiber_loop *loop)
{
	struct fiber *fiber = loop->first;

	loop->first = NULL;
	loop->last = NULL;
	while (fiber != NULL) {
		struct fiber *next = fiber->next;

		enter(fiber);
		if (fiber->ended) {
			fiber_free(fiber);
			loop->living--;
		}
		fiber = next;
	}
}

/* Who was resumed by other threads, in their order. */
static void take_letters(struct fiber_loop *loop)
{
	struct fiber *newest = atomic_exchange(&loop->letters, NULL);
	struct fiber *oldest = NULL;

	while (newest != NULL) {
		struct fiber *next = atomic_load_explicit(&newest->posted, memory_order_relaxed);

		atomic_store_explicit(&newest->posted, oldest, memory_order_relaxed);
		oldest = newest;
		newest = next;
	}
	while (oldest != NULL) {
		struct fiber *next = atomic_load_explicit(&oldest->posted, memory_order_relaxed);

		note_resumed(oldest);
		oldest = next;
	}
}

static void expire(struct fiber_loop *loop)
{
	int64_t now = 0;

	if (loop->earliest == NEVER || (now = clock_monotonic_us()) < loop->earliest) {
		return;
	}
	struct fiber *fiber = loop->parked;

	loop->earliest = NEVER;
	while (fiber != NULL) {
		struct fiber *after = fiber->after;

		if (fiber->until <= now) {
			unpark(fiber, FIBER_EXPIRED);
		} else if (fiber->until < loop->earliest) {
			loop->earliest = fiber->until;
		}
		fiber = after;
	}
}

/* In ms, as epoll_wait() takes it, and not before the time. */
static int until_earliest(const struct fiber_loop *loop)
{
	if (loop->earliest == NEVER) {
		return -1;
	}
	int64_t left = loop->earliest - clock_monotonic_us();

	if (left <= 0) {
		return 0;
	}
	return left > 1000000 ? 1000 : (int)((left + 999) / 1000);
}

/* Sleeps when nobody is ready. */
static void look_at_descriptors(struct fiber_loop *loop)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int timeout = 0;

	if (loop->first == NULL) {
		/* Announced before the last look into the letter box: who posts after that look rings. */
		atomic_store(&loop->asleep, true);
		timeout = atomic_load(&loop->letters) == NULL ? until_earliest(loop) : 0;
	}
	int count = epoll_wait(loop->epoll, events, EVENTS_AT_ONCE, timeout);

	if (atomic_load_explicit(&loop->asleep, memory_order_relaxed)) {
		atomic_store(&loop->asleep, false);
	}
	for (int i = 0; i < count; i++) {
		struct fiber_watch *watch = events[i].data.ptr;

		if (watch == NULL) {
			continue; /* the bell */
		}
		if (watch->ready != NULL) {
			watch->ready(watch);
			continue;
		}
		struct fiber *fiber = (struct fiber *)(void *)watch;

		if (fiber->parked) {
			fiber->ready = (short)(events[i].events & (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP));
			unpark(fiber, FIBER_READY);
		}
	}
}

enum status fiber_watch(struct fiber_loop *loop, struct fiber_watch *watch, int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data = {.ptr = watch}};

	assert(watch->ready != NULL);
	return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? OK : UNAVAILABLE;
}

void fiber_loop_run(struct fiber_loop *loop)
{
	assert(here == NULL);
	here = loop;
	loop->context.twin = twin_of_thread();
	while (loop->living > 0) {
		run_ready(loop);
		log_flush();
		if (loop->living > 0) {
			look_at_descriptors(loop);
			take_letters(loop);
			expire(loop);
		}
	}
	while (atomic_load(&loop->posting) != 0) {
		(void)sched_yield();
	}
	here = NULL;
}

struct fiber_loop *fiber_loop_new(size_t number, size_t stack_bytes, struct helpers *helpers)
{
	/* The bell is never read: each ringing is an edge of its own. */
	struct epoll_event ringing = {.events = EPOLLIN | EPOLLET};
	struct fiber_loop *loop = calloc(1, sizeof(*loop));
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (loop == NULL) {
		return NULL;
	}
	loop->number = number;
	loop->stack_bytes = (stack_bytes + page - 1) / page * page;
	loop->guard_bytes = page;
	loop->helpers = helpers;
	loop->earliest = NEVER;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->epoll < 0 || loop->bell < 0 || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->bell, &ringing) != 0) {
		fiber_loop_free(loop);
		return NULL;
	}
	return loop;
}

void fiber_loop_free(struct fiber_loop *loop)
{
	if (loop == NULL) {
		return;
	}
	assert(loop->living == 0);
	if (loop->epoll >= 0) {
		(void)close(loop->epoll);
	}
	if (loop->bell >= 0) {
		(void)close(loop->bell);
	}
	free(loop);
}
