"""The question-answering client of the Bot Framework SDK for Python (botbuilder-ai 4.17.1), configured once.

    python qna_client.py CA-FILE https://localhost:8443 KEY KNOWLEDGE-BASE

In: one question a line. Out: {"answer":…,"score":…,"answers":N} or {"error":…}
"""

import asyncio
import json
import ssl
import sys

from aiohttp import ClientSession, TCPConnector
from botbuilder.ai.qna import QnAMaker, QnAMakerEndpoint
from botbuilder.core import BotAdapter, TurnContext
from botbuilder.schema import Activity, ChannelAccount, ConversationAccount, ResourceResponse

ca, host, key, knowledge_base = sys.argv[1:]


class Silent(BotAdapter):
    """The client sends a trace of every query to the adapter of the turn: nothing comes of it here."""

    async def send_activities(self, context, activities):
        return [ResourceResponse() for _ in activities]

    async def update_activity(self, context, activity):
        raise NotImplementedError

    async def delete_activity(self, context, reference):
        raise NotImplementedError


async def ask(client, question):
    """One question, as a turn of a conversation."""
    activity = Activity(
        type="message",
        text=question,
        channel_id="test",
        from_property=ChannelAccount(id="user"),
        recipient=ChannelAccount(id="bot"),
        conversation=ConversationAccount(id="c"),
    )
    answers = await client.get_answers(TurnContext(Silent(), activity))
    first = answers[0] if answers else None
    return {"answer": first and first.answer, "score": first and first.score, "answers": len(answers)}


async def main():
    """Answers line by line until standard input ends."""
    context = ssl.create_default_context(cafile=ca)
    async with ClientSession(connector=TCPConnector(ssl=context)) as session:
        endpoint = QnAMakerEndpoint(knowledge_base, key, f"{host}/qnamaker")
        client = QnAMaker(endpoint, http_client=session)
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            try:
                said = await ask(client, line.rstrip("\n"))
            except Exception as error:  # whatever the client raises is what the test wants to see
                said = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(said), flush=True)


asyncio.run(main())
