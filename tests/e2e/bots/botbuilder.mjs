// A real bot of the Bot Framework SDK (botbuilder 4.23.3 on Express 4): echoes what it hears, with its region in front.
// It has no app id, so the SDK's own rule leaves token checks out.
import botbuilder from 'botbuilder';
import { region, reply, serve } from './region.mjs';

const { ActivityHandler, CloudAdapter, ConfigurationBotFrameworkAuthentication, MessageFactory } = botbuilder;

const adapter = new CloudAdapter(new ConfigurationBotFrameworkAuthentication({}));
adapter.onTurnError = async (_context, error) => {
  console.error(`${region}: ${error.stack ?? error}`);
  throw error; // answered as 500 by the adapter
};

class EchoBot extends ActivityHandler {
  constructor() {
    super();
    this.onMessage(async (context, next) => {
      await context.sendActivity(MessageFactory.text(reply(context.activity.text)));
      await next();
    });
    this.onEvent(async (_context, next) => next());
  }

  // Invokes are answered in the response itself, status and body.
  async onInvokeActivity(context) {
    if (context.activity.name !== 'test/echo') return super.onInvokeActivity(context); // 501, as any bot does
    return { status: 200, body: { region, value: context.activity.value ?? null } };
  }
}

const bot = new EchoBot();
serve((req, res) => adapter.process(req, res, (context) => bot.run(context)));
