import asyncio, json, os, sys, time, urllib.request

def report(user, channel, began, ended):  # one stretch of voice, in Unix times
    event = {"platform": "discord", "platform_id": str(user), "type": "voice_time", "idempotency_key": f"voice:{channel}:{user}:{began:.3f}",
             "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ended)), "data": {"seconds": min(round(ended - began), 86400), "channel": str(channel)}}
    headers = {"Authorization": "Bearer " + os.environ["API_KEY"], "Content-Type": "application/json"}
    request = urllib.request.Request(os.environ["BASE_URL"] + "/v1/events", json.dumps({"events": [event]}).encode(), headers)
    for wait in (1, 5, 25, 0):
        try:
            return json.load(urllib.request.urlopen(request, timeout=15))["results"][0]
        except OSError as error:  # 429, 503 or no answer: send it again, its key makes it count once
            if not wait or getattr(error, "code", 503) not in (429, 503): raise
            time.sleep(wait)

if len(sys.argv) == 3: sys.exit(print(report(sys.argv[1], 1, time.time() - int(sys.argv[2]), time.time())))  # without Discord: USER_ID SECONDS
import discord

client, since = discord.Client(intents=discord.Intents(guilds=True, voice_states=True)), {}

@client.event
async def on_voice_state_update(member, before, after):  # joined, left, moved, muted, unmuted: each ends a stretch
    if member.id in since: await asyncio.to_thread(report, member.id, *since.pop(member.id), time.time())
    if after.channel and not after.self_mute: since[member.id] = (after.channel.id, time.time())

client.run(os.environ["DISCORD_BOT_TOKEN"])
