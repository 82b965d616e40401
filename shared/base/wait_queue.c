#include "base/wait_queue.h"

#include <stddef.h>

void wait_queue_join(struct wait_queue *queue, struct wait_entry *entry)
{
	*entry = (struct wait_entry){.given = NULL};
	baton_init(&entry->wake);
	if (queue->first == NULL) {
		queue->first = entry;
	} else {
		queue->last->next = entry;
	}
	queue->last = entry;
}

void wait_queue_leave(struct wait_queue *queue, struct wait_entry *entry)
{
	struct wait_entry *before = NULL;

	for (struct wait_entry **at = &queue->first; *at != NULL; at = &(*at)->next) {
		if (*at == entry) {
			*at = entry->next;
			queue->last = queue->last == entry ? before : queue->last;
			break;
		}
		before = *at;
	}
	baton_done(&entry->wake);
}

bool wait_queue_give(struct wait_queue *queue, void *thing)
{
	struct wait_entry *entry = queue->first;

	if (entry == NULL) {
		return false;
	}
	queue->first = entry->next;
	entry->given = thing;
	baton_post(&entry->wake);
	return true;
}

void wait_queue_refuse(struct wait_queue *queue)
{
	struct wait_entry *entry = queue->first;

	queue->first = NULL;
	while (entry != NULL) {
		struct wait_entry *next = entry->next;

		entry->refused = true;
		baton_post(&entry->wake);
		entry = next;
	}
}
