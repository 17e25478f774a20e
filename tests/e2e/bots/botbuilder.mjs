// A real bot of the Bot Framework SDK (botbuilder 4.23.3 on Express 4): echoes what it hears, with its region in front,
// over HTTP and over the SDK's streaming protocol on a WebSocket.
import botbuilder from 'botbuilder';
import connector from 'botframework-connector';
import { note, pause, region, reply, serve, trust } from './region.mjs';

const { ActivityHandler, CloudAdapter, ConfigurationBotFrameworkAuthentication, MessageFactory } = botbuilder;
const { MicrosoftAppCredentials, PasswordServiceClientCredentialFactory, allowedCallersClaimsValidator } = connector;

/** Checks tokens as any bot does, and sends none outwards: the channels of these tests take none. */
class Credentials extends PasswordServiceClientCredentialFactory {
  async isValidAppId(appId) {
    return trust.appIds.includes(appId);
  }

  async createCredentials() {
    return MicrosoftAppCredentials.Empty;
  }
}

// All seven, or none: one of them set means that the SDK takes no default for the others.
const cloud = trust && {
  ToChannelFromBotLoginUrl: 'https://login.microsoftonline.com/botframework.com',
  ToChannelFromBotOAuthScope: 'https://api.botframework.com',
  ToBotFromChannelTokenIssuer: 'https://api.botframework.com',
  OAuthUrl: 'https://api.botframework.com',
  CallerId: 'urn:botframework:azure',
  ToBotFromChannelOpenIdMetadataUrl: trust.metadata,
  ToBotFromEmulatorOpenIdMetadataUrl: trust.entraMetadata,
};

const authentication =
  trust === undefined
    ? new ConfigurationBotFrameworkAuthentication({})
    : new ConfigurationBotFrameworkAuthentication(
        cloud,
        new Credentials(trust.appIds[0], 'sends nothing outwards'),
        { requiredEndorsements: [], validateClaims: allowedCallersClaimsValidator(trust.callers) },
      );
const adapter = new CloudAdapter(authentication);
adapter.onTurnError = async (_context, error) => {
  console.error(`${region}: ${error.stack ?? error}`);
  throw error; // answered as 500 by the adapter
};

class EchoBot extends ActivityHandler {
  constructor() {
    super();
    this.onMessage(async (context, next) => {
      await pause(context.activity.text);
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
serve(
  (req, res) => adapter.process(req, res, (context) => bot.run(context)),
  (req, socket, head) => {
    const turn = (context) => {
      note(context.activity.id);
      return bot.run(context);
    };
    adapter.process(req, socket, head, turn).catch((error) => {
      console.error(`${region}: ${error.stack ?? error}`);
      socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    });
  },
);
