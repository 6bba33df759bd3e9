import type { MenuEntry } from '../../src/contracts/chat.ts';
import { cut } from '../../src/contracts/visible.ts';

/** How Slack reaches the bot: over Socket Mode, or at a public address ending in `/slack/events`. */
export type Mode = { readonly socket: true } | { readonly url: string };

/**
 * No `chat:write.public`: a channel the app may write to but not read could not be searched for a message whose
 * answer was lost, so the app has to be invited.
 */
const SCOPES = [
  'app_mentions:read', // commands inside threads, where Slack runs no slash commands
  'channels:history', // finding our own message by its key after a lost answer
  'chat:write',
  'commands',
  'groups:history',
  'im:history', // commands in a direct message
  'mpim:history',
  'usergroups:read', // roles held by Slack user groups
];

/** The app manifest that `bascule setup slack` prints, to be pasted at api.slack.com/apps. */
export function slackManifest(menu: readonly MenuEntry[], root: string, mode: Mode): SlackManifest {
  const address = 'url' in mode ? { url: mode.url } : {};
  const request = 'url' in mode ? { request_url: mode.url } : {};
  const nouns = [...new Set(menu.map(({ name }) => name.split(' ')[0]))].join(', ');
  return {
    display_information: {
      name: 'Bascule',
      description: 'Chat-ops for Proxmox VE: commands, approvals and failover news',
      background_color: '#1f2937',
    },
    features: {
      app_home: { home_tab_enabled: true, messages_tab_enabled: true, messages_tab_read_only_enabled: false },
      bot_user: { display_name: 'bascule', always_online: true },
      slash_commands: [
        {
          command: root,
          description: cut(`Proxmox VE: ${nouns}`, 2000),
          usage_hint: cut(menu[0]?.examples[0] ?? 'help', 1000),
          should_escape: true,
          ...address,
        },
      ],
    },
    oauth_config: { scopes: { bot: SCOPES } },
    settings: {
      event_subscriptions: { ...request, bot_events: ['app_home_opened', 'app_mention', 'message.im'] },
      interactivity: {
        is_enabled: true,
        ...request,
        ...('url' in mode && { message_menu_options_url: mode.url }),
      },
      org_deploy_enabled: false,
      socket_mode_enabled: !('url' in mode),
      token_rotation_enabled: false,
    },
  };
}

export interface SlackManifest {
  readonly display_information: Readonly<Record<string, string>>;
  readonly features: Readonly<Record<string, unknown>>;
  readonly oauth_config: { readonly scopes: { readonly bot: readonly string[] } };
  readonly settings: Readonly<Record<string, unknown>>;
}
