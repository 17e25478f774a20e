// The question-answering clients of the Bot Framework SDK (botbuilder-ai 4.23.3), configured once: `QnAMaker` and
// `CustomQuestionAnswering`.
//
//   NODE_EXTRA_CA_CERTS=ca.pem node qna-client.mjs https://localhost:8443 KEY KNOWLEDGE-BASE PROJECT
//
// In: `maker QUESTION` or `custom QUESTION`. Out: {"answer":…,"score":…,"answers":N} or {"error":…}
import ai from 'botbuilder-ai';
import core from 'botbuilder-core';
import { session } from './session.mjs';

const [host, endpointKey, knowledgeBase, project] = process.argv.slice(2);
const clients = {
  maker: new ai.QnAMaker({ host: `${host}/qnamaker`, knowledgeBaseId: knowledgeBase, endpointKey }),
  custom: new ai.CustomQuestionAnswering({ host, knowledgeBaseId: project, endpointKey }),
};

/** The clients send a trace of every query to the adapter of the turn: nothing comes of it here. */
class Silent extends core.BotAdapter {
  async sendActivities(_context, activities) {
    return activities.map(() => ({}));
  }
}
const adapter = new Silent();

await session(async (line) => {
  const [, client, text] = /^(\w+) (.*)$/.exec(line);
  const turn = new core.TurnContext(adapter, { type: 'message', text, from: { id: 'user' }, conversation: { id: 'c' } });
  const answers = await clients[client].getAnswers(turn);
  return { answer: answers[0]?.answer, score: answers[0]?.score, answers: answers.length };
});
