// A channel that talks to a bot over botframework-streaming 4.23.3: activities go out as requests on one WebSocket, and the
// bot's replies come back as requests on the same one. When the connection is closed it opens another, as the service does.
//
//   NODE_EXTRA_CA_CERTS=ca.pem node streaming.mjs wss://localhost:8443/api/messages [TOKEN]
//
// Out, unasked: {"opened":N}, and {"closed":N,"code":1012,"reason":…}. For each line in: {"text":…,"status":200,"reply":…,
// "region":…,"connection":N,"sent":TIMES}; TIMES is more than 1 when a connection was lost before the answer.
import { createRequire } from 'node:module';
import streaming from 'botframework-streaming';
import { session, tell, within } from './session.mjs';

const [url, token] = process.argv.slice(2);
const { NodeWebSocket, RequestHandler, StreamingRequest, StreamingResponse, WebSocketClient } = streaming;
// The WebSocket package that the SDK itself uses.
const WebSocket = createRequire(createRequire(import.meta.url).resolve('botframework-streaming'))('ws');

const headers = { channelid: 'test', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
let connections = 0;

// The SDK's own connect() cannot send headers, and tells nobody the code of a close; the rest is the SDK's.
NodeWebSocket.prototype.connect = function connect(address) {
  this.wsSocket = new WebSocket(address, { headers });
  return new Promise((resolve, reject) => {
    this.wsSocket.once('open', resolve);
    this.wsSocket.once('error', reject);
    this.wsSocket.once('unexpected-response', (_request, response) => reject(new Error(`status ${response.statusCode}`)));
    const number = connections + 1;
    this.wsSocket.once('close', (code, reason) => {
      if (number <= connections) tell({ closed: number, code, reason: String(reason ?? '') });
    });
  });
};

const waiting = new Map(); // text → who waits for the reply to it

/** What the bot asks of the channel: to take its replies. */
class Channel extends RequestHandler {
  async processRequest(request) {
    const [stream] = request.streams;
    const activity = stream && (await stream.readAsJson());
    const [, region, text] = /^(.*): you said '(.*)'$/.exec(activity?.text ?? '') ?? [];
    waiting.get(text)?.({ reply: activity.text, region, verb: request.verb, path: request.path });
    const response = new StreamingResponse();
    response.statusCode = 200;
    response.setBody({ id: `reply-${connections}` });
    return response;
  }
}

/** Opens a connection, again and again for ten seconds. */
async function open() {
  for (const start = Date.now(); ; ) {
    let lost;
    const gone = new Promise((resolve) => (lost = resolve));
    const client = new WebSocketClient({ url, requestHandler: new Channel(), disconnectionHandler: lost });
    try {
      await client.connect();
      connections += 1;
      tell({ opened: connections });
      gone.then(() => (connection = open()));
      return { client, gone, number: connections };
    } catch (error) {
      if (Date.now() - start > 10_000) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

let connection = open();
await connection;

await session(async (text) => {
  const activity = {
    type: 'message', id: text, channelId: 'test', serviceUrl: 'urn:botframework:websocket:test', text,
    from: { id: 'user' }, recipient: { id: 'bot' }, conversation: { id: 'conversation' },
  };
  const reply = new Promise((resolve) => waiting.set(text, resolve));
  for (let sent = 1; ; sent += 1) {
    const { client, gone, number } = await connection;
    const request = StreamingRequest.create('POST', '/api/messages');
    request.setBody(JSON.stringify(activity));
    try {
      const lost = gone.then(() => Promise.reject(new Error('the connection was lost')));
      const exchange = Promise.all([client.send(request), reply]);
      const [response, said] = await within(20, 'no reply', Promise.race([exchange, lost]));
      return { text, status: response.statusCode, connection: number, sent, ...said };
    } catch (error) {
      if (sent > 3) throw error;
      await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 1000))]);
    }
  }
});
