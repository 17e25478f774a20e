// The login services that a bot believes, on this machine: OpenID metadata and published keys of the connector and of
// Entra, and tokens of any shape, forged ones too. It signs text as it is given, so that a test decides every byte.
//
//   node issuer.mjs       prints {"port":…} when it listens
//
// GET  /connector/metadata, /entra/metadata   the metadata documents; their `jwks_uri` is /connector/keys, /entra/keys
// POST /mint {"head":TEXT,"body":TEXT,"key":NAME,"as":HOW}   the token as text; HOW is RS256, RS512, PS256, ES256, HS256
//                                                            (with the published key as the secret), or none
// GET  /asked                                 how often each path was asked: {"/connector/keys":1}
import { constants, createHmac, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';

/** Every key by its name, which is its `kid` too; `set` says where it is published, if anywhere. */
const keys = new Map();

function add(name, set, { endorsements, kind = 'rsa' } = {}) {
  const options = kind === 'rsa' ? { modulusLength: 2048 } : { namedCurve: 'P-256' };
  const { privateKey, publicKey } = generateKeyPairSync(kind, options);
  const jwk = { ...publicKey.export({ format: 'jwk' }), use: 'sig', kid: name, x5t: name, ...(endorsements && { endorsements }) };
  keys.set(name, { set, privateKey, jwk });
}

add('connector', 'connector', { endorsements: ['test', 'msteams'] });
add('teams-only', 'connector', { endorsements: ['msteams'] });
add('unendorsed', 'connector');
add('curve', 'connector', { kind: 'ec', endorsements: ['test'] });
add('entra', 'entra');
add('stranger'); // published nowhere

const text = (bytes) => Buffer.from(bytes).toString('base64url');

function mint({ head, body, key: name, as }) {
  const key = keys.get(name);
  const signed = `${text(head)}.${text(body)}`;
  const pem = () => createPublicKey(key.privateKey).export({ type: 'spki', format: 'pem' });
  const signature = {
    RS256: () => sign('sha256', signed, key.privateKey),
    RS512: () => sign('sha512', signed, key.privateKey),
    PS256: () => sign('sha256', signed, { key: key.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }),
    ES256: () => sign('sha256', signed, { key: key.privateKey, dsaEncoding: 'ieee-p1363' }),
    HS256: () => createHmac('sha256', pem()).update(signed).digest(),
    none: () => '',
  }[as]();
  return `${signed}.${text(signature)}`;
}

const asked = new Map();
const issuers = { connector: 'https://api.botframework.com', entra: 'https://sts.windows.net/d6d49420-f39b-4df7-a1dc-d59a935871db/' };

const server = createServer(async (request, response) => {
  const base = `http://127.0.0.1:${server.address().port}`;
  const json = (value) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  let received = '';
  for await (const part of request) received += part;
  const [, set, what] = /^\/(connector|entra)\/(metadata|keys)$/.exec(request.url) ?? [];
  if (request.method === 'GET') asked.set(request.url, (asked.get(request.url) ?? 0) + 1);
  if (what === 'metadata') {
    json({ issuer: issuers[set], jwks_uri: `${base}/${set}/keys`, id_token_signing_alg_values_supported: ['RS256'] });
  } else if (what === 'keys') {
    json({ keys: [...keys.values()].filter((key) => key.set === set).map((key) => key.jwk) });
  } else if (request.url === '/mint') {
    response.end(mint(JSON.parse(received)));
  } else if (request.url === '/asked') {
    json(Object.fromEntries(asked));
  } else {
    response.writeHead(404).end();
  }
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
