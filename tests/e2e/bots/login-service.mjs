// The Agents SDK has the addresses of the published keys built in. Here those names lead to a server of this process,
// which hands on the keys that the test's issuer publishes: the SDK's own check runs unchanged, from the request to
// `https://login.botframework.com/v1/.well-known/keys` on.
import { createServer } from 'node:http';
import { once } from 'node:events';
import https from 'node:https';
import net from 'node:net';

/** From now on every HTTPS request of this process goes to the issuer of these metadata documents. */
export async function loginService({ metadata, entraMetadata }) {
  const server = createServer(async (request, response) => {
    const isConnector = request.headers.host.startsWith('login.botframework.');
    try {
      const document = await (await fetch(isConnector ? metadata : entraMetadata)).json();
      const keys = await fetch(document.jwks_uri);
      response.writeHead(keys.status, { 'content-type': 'application/json' }).end(await keys.text());
    } catch (error) {
      response.writeHead(502).end(String(error));
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  server.unref();
  const agent = new https.Agent();
  agent.createConnection = () => net.connect(server.address().port, '127.0.0.1');
  https.globalAgent = agent;
}
