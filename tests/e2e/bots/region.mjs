// What every bot of these tests has besides its SDK: a name for its region, a health endpoint, and a record of the
// activities that reached it, so that "delivered once" can be proven from the bot's side.
//
//   node <bot>.mjs --region westeurope [--port 0] [--record FILE]     (or REGION, PORT and RECORD in the environment)
//
// Prints one JSON line when it listens: {"region":"westeurope","port":40001,"pid":123}
import { openSync, writeSync } from 'node:fs';
import express from 'express';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    region: { type: 'string', default: process.env.REGION ?? 'local' },
    port: { type: 'string', default: process.env.PORT ?? '0' },
    record: { type: 'string', default: process.env.RECORD },
  },
});

/** The name of the region that this process plays. */
export const region = values.region;

/** What an echo bot says: the region first, so that a test can tell who answered. */
export const reply = (text) => `${region}: you said '${text ?? ''}'`;

/**
 * Serves `messages` at `POST /api/messages`, beside
 * - `GET /healthz`: 200 while the event loop turns;
 * - `GET /received`: how often each activity id was seen, `{"region":…,"total":n,"ids":{"<id>":n}}`;
 * - `DELETE /received`: forgets them.
 */
export function serve(messages) {
  const received = new Map();
  // One id a line, written before the bot sees the activity: what a SIGKILL must not take along.
  const record = values.record === undefined ? undefined : openSync(values.record, 'a');
  const app = express();
  app.disable('x-powered-by');
  app.get('/healthz', (_req, res) => res.json({ status: 'ok', region }));
  app.get('/received', (_req, res) => {
    let total = 0;
    for (const count of received.values()) total += count;
    res.json({ region, total, ids: Object.fromEntries(received) });
  });
  app.delete('/received', (_req, res) => {
    received.clear();
    res.status(204).end();
  });
  app.post('/api/messages', express.json({ limit: '1mb' }), (req, res, next) => {
    res.set('x-backend', region);
    delete req.headers.authorization; // these bots have no app id to check a token against
    const id = req.body?.id;
    if (typeof id === 'string') {
      received.set(id, (received.get(id) ?? 0) + 1);
      if (record !== undefined) writeSync(record, `${id}\n`);
    }
    next();
  }, messages);

  const server = app.listen(Number(values.port), '127.0.0.1', 1024, () => {
    console.log(JSON.stringify({ region, port: server.address().port, pid: process.pid }));
  });
  // A gateway keeps its connections: Node's 5 s of keep-alive would close them between two bursts of messages, and a
  // production bot behind a front end raises it in the same way.
  server.keepAliveTimeout = 60_000;
  server.headersTimeout = 65_000;
}
