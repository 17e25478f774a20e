// What every bot of these tests has besides its SDK: a name for its region, a health endpoint, and a record of the
// activities that reached it, so that "delivered once" can be proven from the bot's side.
//
//   node <bot>.mjs --region westeurope [--port 0] [--record FILE]
//                  [--app-id ID]... [--skill ID]... [--metadata URL --entra-metadata URL]
//
// or REGION, PORT and RECORD in the environment. With app ids the bot checks tokens, by the keys that the metadata names,
// and lets the bots of --skill call it; without one the SDKs leave token checks out.
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
    'app-id': { type: 'string', multiple: true },
    skill: { type: 'string', multiple: true, default: [] },
    metadata: { type: 'string' },
    'entra-metadata': { type: 'string' },
  },
});

/** The name of the region that this process plays. */
export const region = values.region;

/** Whom the bot believes: its own app ids, its callers, and where the keys of the connector and of Entra are published. */
export const trust =
  values['app-id'] === undefined
    ? undefined
    : {
        appIds: values['app-id'],
        callers: values.skill,
        metadata: values.metadata,
        entraMetadata: values['entra-metadata'],
      };

/** What an echo bot says: the region first, so that a test can tell who answered. */
export const reply = (text) => `${region}: you said '${text ?? ''}'`;

/** Waits where a message begins with `wait MILLISECONDS`: a bot that thinks. */
export function pause(text) {
  const [, milliseconds] = /^wait (\d+)/.exec(text ?? '') ?? [];
  return milliseconds && new Promise((resolve) => setTimeout(resolve, Number(milliseconds)));
}

const received = new Map();
// One `MILLISECONDS ID` a line, written before the bot sees the activity: what a SIGKILL must not take along.
const record = values.record === undefined ? undefined : openSync(values.record, 'a');

/** Records that an activity reached this region. */
export function note(id) {
  if (typeof id !== 'string') return;
  received.set(id, (received.get(id) ?? 0) + 1);
  if (record !== undefined) writeSync(record, `${Date.now()} ${id}\n`);
}

/**
 * Serves `messages`, one or more handlers, at `POST /api/messages`, and `upgrade`, if there is one, at WebSocket upgrades
 * of the same path, beside
 * - `GET /healthz`: 200 while the event loop turns;
 * - `GET /received`: how often each activity id was seen, `{"region":…,"total":n,"ids":{"<id>":n}}`;
 * - `DELETE /received`: forgets them.
 */
export function serve(messages, upgrade) {
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
    if (trust === undefined) delete req.headers.authorization; // without an app id there is nothing to check it against
    note(req.body?.id);
    next();
  }, messages);

  const server = app.listen(Number(values.port), '127.0.0.1', 1024, () => {
    console.log(JSON.stringify({ region, port: server.address().port, pid: process.pid }));
  });
  if (upgrade !== undefined) server.on('upgrade', upgrade);
  // A gateway keeps its connections: Node's 5 s of keep-alive would close them between two bursts of messages, and a
  // production bot behind a front end raises it in the same way.
  server.keepAliveTimeout = 60_000;
  server.headersTimeout = 65_000;
}
