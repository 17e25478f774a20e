// A real agent of the Microsoft 365 Agents SDK (agents-hosting 1.8.1): echoes what it hears, with its region in front.
// Its token check is a middleware (`authorizeJWT`), which refuses a request without a token when NODE_ENV is
// "production"; here it is left out and every caller is anonymous.
import { ActivityHandler, CloudAdapter } from '@microsoft/agents-hosting';
import { Activity } from '@microsoft/agents-activity';
import { region, reply, serve } from './region.mjs';

// In production the SDK will not start without a client id; it is never used, since nothing is sent outwards.
const adapter = new CloudAdapter({ clientId: '00000000-0000-0000-0000-000000000001' });
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
serve((req, res, next) => {
  req.user = { name: 'anonymous' };
  adapter.process(req, res, (context) => agent.run(context)).catch(next);
});
