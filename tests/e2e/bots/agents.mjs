// A real agent of the Microsoft 365 Agents SDK (agents-hosting 1.8.1): echoes what it hears, with its region in front.
// Its token check is a middleware (`authorizeJWT`), which refuses a request without a token when NODE_ENV is
// "production"; without an app id it is left out, and every caller is anonymous.
import { ActivityHandler, CloudAdapter, authorizeJWT, getAuthConfigWithDefaults } from '@microsoft/agents-hosting';
import { Activity } from '@microsoft/agents-activity';
import { loginService } from './login-service.mjs';
import { region, reply, serve, trust } from './region.mjs';

// In production the SDK will not start without a client id; without token checks it is never used.
const [clientId, ...others] = trust?.appIds ?? ['00000000-0000-0000-0000-000000000001'];
const config = getAuthConfigWithDefaults({ clientId });
for (const id of others) config.connections.set(id, getAuthConfigWithDefaults({ clientId: id }));
if (trust !== undefined) await loginService(trust);

/** Answers as who asked is checked, and sends no token outwards: the channels of these tests take none. */
class Adapter extends CloudAdapter {
  createConnectorClientWithIdentity(_identity, ...more) {
    return super.createConnectorClientWithIdentity(undefined, ...more);
  }

  createUserTokenClient(_identity, ...more) {
    return super.createUserTokenClient(undefined, ...more);
  }
}

const adapter = new Adapter({ clientId });
adapter.onTurnError = async (_context, error) => {
  console.error(`${region}: ${error.stack ?? error}`);
  throw error;
};

class EchoAgent extends ActivityHandler {
  constructor() {
    super();
    this.onMessage(async (context, next) => {
      await context.sendActivity(Activity.fromObject({ type: 'message', text: reply(context.activity.text) }));
      await next();
    });
  }

  async onInvokeActivity(context) {
    if (context.activity.name !== 'test/echo') return super.onInvokeActivity(context);
    return { status: 200, body: { region, value: context.activity.value ?? null } };
  }
}

const agent = new EchoAgent();
const anonymous = (req, _res, next) => {
  req.user = { name: 'anonymous' };
  next();
};
serve([
  trust === undefined ? anonymous : authorizeJWT(config),
  (req, res, next) => {
    adapter.process(req, res, (context) => agent.run(context)).catch(next);
  },
]);
