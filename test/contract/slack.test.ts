import { chatSuite } from './chat-suite.ts';
import { slackDriver } from './slack-driver.ts';

chatSuite('Slack over Socket Mode', () => slackDriver('socket'));
chatSuite('Slack over signed HTTP', () => slackDriver('http'), ['reconnect']);
