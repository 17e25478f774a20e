"""A real bot of the Bot Framework SDK for Python (botbuilder-integration-aiohttp 4.17.1): echoes what it hears, with its
region in front.

    python bot.py --region NAME [--port 0] [--record FILE]
                  [--app-id ID]... [--skill ID]... [--metadata URL --entra-metadata URL]

With app ids it checks tokens, by the keys that the metadata names, and lets the bots of --skill call it. Prints one JSON
line when it listens: {"region":"westeurope","port":40001,"pid":123}
"""

import argparse
import asyncio
import json
import os
import socket
import sys
import time
import traceback

from aiohttp import web
from botbuilder.core import ActivityHandler, TurnContext
from botbuilder.integration.aiohttp import CloudAdapter, ConfigurationBotFrameworkAuthentication
from botframework.connector.auth import (
    AuthenticationConfiguration,
    JwtTokenValidation,
    MicrosoftAppCredentials,
    PasswordServiceClientCredentialFactory,
    SkillValidation,
)

parser = argparse.ArgumentParser()
parser.add_argument("--region", default="local")
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--record")
parser.add_argument("--app-id", action="append", default=[])
parser.add_argument("--skill", action="append", default=[])
parser.add_argument("--metadata")
parser.add_argument("--entra-metadata")
options = parser.parse_args()


class Cloud:
    """The seven addresses that a bot has built in, all or none; without an app id, none: no token is checked."""

    if options.app_id:
        TO_CHANNEL_FROM_BOT_LOGIN_URL = "https://login.microsoftonline.com/botframework.com"
        TO_CHANNEL_FROM_BOT_OAUTH_SCOPE = "https://api.botframework.com"
        TO_BOT_FROM_CHANNEL_TOKEN_ISSUER = "https://api.botframework.com"
        OAUTH_URL = "https://api.botframework.com"
        CALLER_ID = "urn:botframework:azure"
        TO_BOT_FROM_CHANNEL_OPENID_METADATA_URL = options.metadata
        TO_BOT_FROM_EMULATOR_OPENID_METADATA_URL = options.entra_metadata


class Credentials(PasswordServiceClientCredentialFactory):
    """Checks tokens as any bot does, and sends none outwards: the channels of these tests take none."""

    async def is_valid_app_id(self, app_id):
        return app_id in options.app_id

    async def create_credentials(self, *_arguments, **_more):
        return MicrosoftAppCredentials.empty()


class EchoBot(ActivityHandler):
    """Says what it heard. Its SDK fails on `expectReplies`, so there it says nothing."""

    async def on_message_activity(self, turn_context: TurnContext):
        if turn_context.activity.delivery_mode != "expectReplies":
            await turn_context.send_activity(f"{options.region}: you said '{turn_context.activity.text}'")


async def known_callers(claims):
    """Lets in every channel, and the skills' callers that are named."""
    if SkillValidation.is_skill_claim(claims[0]):
        if JwtTokenValidation.get_app_id_from_claims(claims[0]) not in options.skill:
            raise PermissionError("a caller that is not named")


adapter = CloudAdapter(
    ConfigurationBotFrameworkAuthentication(
        Cloud,
        credentials_factory=Credentials(options.app_id[0] if options.app_id else None),
        auth_configuration=AuthenticationConfiguration(claims_validator=known_callers),
    )
)
bot = EchoBot()
record = open(options.record, "a", encoding="utf-8", buffering=1) if options.record else None


async def on_error(_context, error):
    """What the bot's code raised is answered as 500, as it is without any handler."""
    traceback.print_exception(error, file=sys.stderr)
    raise error


adapter.on_turn_error = on_error


async def messages(request: web.Request) -> web.Response:
    """POST /api/messages."""
    try:
        activity_id = (await request.json()).get("id")
        if record and isinstance(activity_id, str):
            record.write(f"{time.time_ns() // 1_000_000} {activity_id}\n")
    except (ValueError, AttributeError):
        pass
    response = await adapter.process(request, bot)
    response.headers["x-backend"] = options.region
    return response


async def healthz(_request: web.Request) -> web.Response:
    """GET /healthz: 200 while the event loop turns."""
    return web.json_response({"status": "ok", "region": options.region})


async def main():
    """Serves until killed."""
    app = web.Application(client_max_size=1 << 20)
    app.router.add_post("/api/messages", messages)
    app.router.add_get("/healthz", healthz)
    # A token may be longer than the 8 KiB that a header may have by default: what is tested is who reads it.
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=60, max_field_size=1 << 16)
    await runner.setup()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", options.port))
    await web.SockSite(runner, listener, backlog=1024).start()
    print(json.dumps({"region": options.region, "port": listener.getsockname()[1], "pid": os.getpid()}), flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
