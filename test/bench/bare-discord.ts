import { Client, Events } from 'discord.js';

/** What the guide of discord.js makes: a command whose answer is deferred and then a word. */
const { DISCORD_API, BOT_TOKEN } = process.env as Record<string, string>;
const client = new Client({ intents: [], rest: { api: DISCORD_API!, globalRequestsPerSecond: 1000 } });
client.on(Events.InteractionCreate, async (interaction) => {
  if (!interaction.isChatInputCommand()) return;
  await interaction.deferReply();
  await interaction.editReply('pong');
});
const ready = new Promise((resolve) => client.once(Events.ClientReady, resolve));
await client.login(BOT_TOKEN);
await ready;
process.stdout.write('ready\n');
process.once('SIGTERM', () => process.exit(0));
