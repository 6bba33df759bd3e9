import { App, HTTPReceiver, LogLevel } from '@slack/bolt';

/** What Bolt's own tutorial makes: a command that is acknowledged and answered with a word. */
const { SLACK_API, BOT_TOKEN, APP_TOKEN, SIGNING_SECRET, PORT } = process.env as Record<string, string>;
const common = { token: BOT_TOKEN!, clientOptions: { slackApiUrl: SLACK_API! }, logLevel: LogLevel.ERROR };
const app = PORT
  ? new App({ ...common, receiver: new HTTPReceiver({ signingSecret: SIGNING_SECRET! }) })
  : new App({ ...common, appToken: APP_TOKEN!, socketMode: true });
app.command('/pve', async ({ ack, say }) => {
  await ack();
  await say('pong');
});
await app.start(Number(PORT ?? 0));
process.stdout.write('ready\n');
process.once('SIGTERM', () => process.exit(0));
