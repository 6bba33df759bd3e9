import { chatSuite } from './chat-suite.ts';
import { discordDriver } from './discord-driver.ts';

chatSuite('discord', discordDriver);
