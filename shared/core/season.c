#include "core/season.h"

#include <assert.h>

int64_t season_start(const struct economy_rates *rates, int64_t no)
{
	assert(rates->season_us > 0 && no >= 0);
	return rates->season_start + no * rates->season_us;
}

bool season_is_over(const struct economy_rates *rates, int64_t no, int64_t now)
{
	return now >= season_start(rates, no + 1);
}

const struct season_prize *season_prize(const struct season_prize *prizes, size_t count, int64_t place)
{
	for (size_t i = 0; i < count; i++) {
		if (place >= prizes[i].place_from && place <= prizes[i].place_to) {
			return &prizes[i];
		}
	}
	return NULL;
}

int64_t season_place(struct season_places *places, int64_t xp)
{
	assert(xp > 0 && (places->count == 0 || xp <= places->xp));
	if (places->count == 0 || xp < places->xp) {
		places->place = places->count + 1;
		places->xp = xp;
	}
	places->count++;
	return places->place;
}
