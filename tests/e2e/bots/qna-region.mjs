// Question answering of one region, as the services are: QnA Maker and custom question answering, each with its key, its
// knowledge base or its project and deployment. Another's key is refused with 401, an unknown knowledge base with 404.
//
//   node qna-region.mjs --region NAME [--port 0] --record FILE --key K --kb ID --project P --deployment D
//
// Prints {"region":…,"port":…,"pid":…} when it listens. The record has one JSON line for each query.
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import express from 'express';

const text = { type: 'string' };
const { values: own } = parseArgs({
  options: { region: text, port: text, record: text, key: text, kb: text, project: text, deployment: text },
});

const app = express(); // paths match without regard to case, as the services' do
app.disable('x-powered-by');
app.use(express.json());

const refuse = (res, status, code, message) => res.status(status).json({ error: { code, message } });

/** A query as it arrived, for the record. */
function record(req, res, next) {
  res.on('finish', () => {
    const { authorization, host, 'ocp-apim-subscription-key': key } = req.headers;
    const seen = { url: req.originalUrl, host, authorization, key, status: res.statusCode, question: req.body.question };
    appendFileSync(own.record, `${JSON.stringify(seen)}\n`);
  });
  res.set('x-backend', own.region);
  next();
}

/** Each service reads one of the two headers; a client that sends both means the same key by both. */
function keyed(header, value) {
  return (req, res, next) => {
    const both = { authorization: `EndpointKey ${own.key}`, 'ocp-apim-subscription-key': own.key };
    const foreign = Object.entries(both).some(([name, right]) => (req.headers[name] ?? right) !== right);
    if (req.headers[header] === value && !foreign) return next();
    refuse(res, 401, '401', 'Access denied due to invalid subscription key or wrong API endpoint.');
  };
}

const answer = (req) => `${own.region}: the answer to '${req.body.question}'`;

app.post(
  '/qnamaker/knowledgebases/:kb/generateAnswer',
  record,
  keyed('authorization', `EndpointKey ${own.key}`),
  (req, res) => {
    if (req.params.kb !== own.kb) return refuse(res, 404, 'KbNotFound', 'The knowledge base was not found.');
    res.json({
      activeLearningEnabled: false,
      answers: [{ questions: [req.body.question], answer: answer(req), score: 92.5, id: 1, source: 'faq.tsv', metadata: [] }],
    });
  },
);
app.post(/^\/language\/:query-knowledgebases$/i, record, keyed('ocp-apim-subscription-key', own.key), (req, res) => {
  const { projectName, deploymentName, 'api-version': version } = req.query;
  if (version !== '2021-10-01') return refuse(res, 400, 'InvalidArgument', `no such api-version: ${version}`);
  if (projectName !== own.project || deploymentName !== own.deployment) {
    return refuse(res, 404, 'ProjectNotFound', 'The project or its deployment was not found.');
  }
  res.json({
    answers: [{ questions: [req.body.question], answer: answer(req), confidenceScore: 0.925, id: 1, source: 'faq.tsv', metadata: {} }],
  });
});
app.get('/healthz', (_req, res) => res.json({ status: 'ok', region: own.region }));

const server = app.listen(Number(own.port ?? 0), '127.0.0.1', () => {
  console.log(JSON.stringify({ region: own.region, port: server.address().port, pid: process.pid }));
});
server.keepAliveTimeout = 60_000;
