import type { Incidents } from './incidents/incidents.ts';
import type { Log } from './log.ts';
import type { Habit } from './parse.ts';
import type { Planning, PlanningParts } from './planning.ts';
import type { Registry } from './registry.ts';
import type { Requests } from './requests.ts';

/** What the front desk and those who work for it share. */
export interface DeskParts extends PlanningParts {
  readonly registry: Registry;
  readonly log: Log;
  readonly planning: Planning;
  readonly requests: Requests;
  readonly incidents: Incidents;
  readonly habit: Habit;
}
