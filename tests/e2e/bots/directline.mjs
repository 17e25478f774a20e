// A person who talks to a bot over Direct Line: botframework-directlinejs 0.15.8 as in a web page, through
// offline-directline 1.3.1, a whole Direct Line channel in this process, which posts to the bot's messaging endpoint and
// hands back what the bot posts to its service URL. The conversation is one, from the first line to the last.
//
//   NODE_EXTRA_CA_CERTS=ca.pem node directline.mjs https://localhost:8443/api/messages
//
// First line out: {"conversation":ID}. Then, for each line in: {"id":…,"reply":TEXT,"from":REGION}
import { once } from 'node:events';
import directlinejs from 'botframework-directlinejs';
import express from 'express';
import offline from 'offline-directline';
import xhr2 from 'xhr2';
import { session, tell, within } from './session.mjs';

// What a web page has and Node has not; the second is named by the client even where it is never used.
globalThis.XMLHttpRequest = xhr2;
globalThis.WebSocket ??= class {};

const app = express();
const channel = app.listen(0, '127.0.0.1');
await once(channel, 'listening');
const serviceUrl = `http://127.0.0.1:${channel.address().port}`;
app.use(offline.getRouter(serviceUrl, process.argv[2]));

const line = new directlinejs.DirectLine({
  secret: 'offline-directline asks for none',
  domain: `${serviceUrl}/directline`,
  webSocket: false,
  pollingInterval: 200,
});

const waiting = new Map(); // text → who waits for the reply to it
line.activity$.subscribe((activity) => {
  const [, region, text] = /^(.*): you said '(.*)'$/.exec(activity.text ?? '') ?? [];
  waiting.get(text)?.({ reply: activity.text, region });
});

await within(20, 'no conversation', new Promise((resolve) => {
  line.connectionStatus$.filter((status) => status === directlinejs.ConnectionStatus.Online).subscribe(resolve);
}));
tell({ conversation: line.conversationId });

await session(async (text) => {
  const reply = new Promise((resolve) => waiting.set(text, resolve));
  const id = await within(20, 'not taken', new Promise((resolve, reject) => {
    line.postActivity({ type: 'message', from: { id: 'person' }, text }).subscribe(resolve, reject);
  }));
  return { id, conversation: line.conversationId, ...(await within(20, 'no reply', reply)) };
});
