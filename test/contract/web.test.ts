import { chatSuite } from './chat-suite.ts';
import { webDriver } from './web-driver.ts';

chatSuite('web', webDriver, ['429', 'lost-answer']);
