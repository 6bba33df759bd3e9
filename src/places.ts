import type { Place } from './contracts/chat.ts';
import type { Config } from './settings.ts';

type Spoken = Pick<Config, 'clusters' | 'slack' | 'discord'>;
type Alert = Config['clusters'][string]['alerts'][number];

/** Where the bot speaks of a cluster of its own accord: its alerts, or else its first channel; empty: nowhere. */
export function places(config: Spoken, cluster: string): readonly Place[] {
  const { alerts = [], channels: [first] = [] } = config.clusters[cluster] ?? {};
  if (alerts.length === 0) return first === undefined ? [] : [channelPlace(first, config)];
  // Notices have no kind, tag or pool: they go where no rule asks for one, or else everywhere.
  const open = alerts.filter(({ kinds, tags, pools }) => kinds.length + tags.length + pools.length === 0);
  return (open.length > 0 ? open : alerts).map(alertPlace);
}

export function alertPlace(alert: Alert): Place {
  if ('slack' in alert) return { platform: 'slack', channel: alert.slack };
  if ('discord' in alert) return { platform: 'discord', channel: alert.discord };
  return { platform: 'web', channel: alert.web };
}

export const placeKey = ({ platform, channel }: Place): string => `${platform}:${channel}`;

/** `channels:` says ids alone: those of Discord are long numbers, and where there is one platform there is no doubt. */
function channelPlace(channel: string, { slack, discord }: Spoken): Place {
  if (discord && (!slack || /^\d{17,20}$/.test(channel))) return { platform: 'discord', channel };
  return { platform: slack || /^[CGD][A-Z0-9]{6,}$/.test(channel) ? 'slack' : 'web', channel };
}
