// Node's own fetch as a client of a bot behind a gateway.
//
//   NODE_EXTRA_CA_CERTS=ca.pem node fetch.mjs replies  URL ACTIVITY    prints the response body of one activity
//   NODE_EXTRA_CA_CERTS=ca.pem node fetch.mjs connector URL ACTIVITY   plays the channel: serves a serviceUrl, sends the
//                                                                      activity with it, prints the activity that comes back
import { createServer } from 'node:http';
import { once } from 'node:events';

const [mode, url, text] = process.argv.slice(2);
const headers = { 'content-type': 'application/json' };
const send = (body) => fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(10_000) });

if (mode === 'replies') {
  const response = await send(text);
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  console.log(await response.text());
} else if (mode === 'connector') {
  const channel = createServer().listen(0, '127.0.0.1');
  await once(channel, 'listening');
  const activity = { ...JSON.parse(text), serviceUrl: `http://127.0.0.1:${channel.address().port}/`, deliveryMode: undefined };
  const arrives = once(channel, 'request', { signal: AbortSignal.timeout(10_000) }).then(async ([request, response]) => {
    let body = '';
    for await (const part of request) body += part;
    response.writeHead(200, headers).end('{"id":"reply-1"}');
    return body;
  });
  const [response, body] = await Promise.all([send(JSON.stringify(activity)), arrives]);
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  if ((await response.text()) !== '') throw new Error('a message whose reply went to the serviceUrl has an empty response');
  console.log(body);
  channel.close();
  channel.closeAllConnections();
} else {
  throw new Error(`no such mode: ${mode}`);
}
