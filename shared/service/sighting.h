/*
 * sighting - that a person was seen, and how the platform shows him now, when all he did was read, or write in a group (decisions.md 7).
 *
 * A command that only reads writes nothing, and a group's message only its event. When the name changed, or he was last seen more than an
 * hour ago, that is noted in memory (of a group's message always: nobody has read his account), and a chore of the program stores what was
 * noted and is new, all at once, after the first contact where there was none. Nothing is lost that the next sight would not bring again:
 * what is stored is still old then. So a program that is killed, a full table and a person whom somebody else is changing just now cost
 * nothing but time.
 */
#ifndef TRIVET_SERVICE_SIGHTING_H
#define TRIVET_SERVICE_SIGHTING_H

#include "core/update.h"
#include "store/tx.h"

/* How often what was noted is stored, and of how many people at most: what is left over comes again. */
#define SIGHTING_EVERY_US (SECOND_US / 2)
#define SIGHTING_PLACES 512

/*
 * sightings_begin - makes app->sightings, in memory that outlives every request (the program's own arena), and adds its chore.
 *
 * OK, UNAVAILABLE (no memory).
 */
MUST_CHECK enum status sightings_begin(struct app *app, struct arena *arena);

/* sighting_note - in memory; nothing where app->sightings is NULL. */
void sighting_note(struct ctx *ctx, const struct update *update);

/* sightings_store - what was noted since the last time. A failure drops it. ret_count: people. Statuses of tx_run(). */
MUST_CHECK enum status sightings_store(struct ctx *ctx, size_t *ret_count);

#endif
